"""`throughline rejected`: dead letters by reason, and one of them with its original bytes."""

import base64
import re
import sys

import click
import orjson

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json, table
from pipeline.cli.reach import reach
from pipeline.cli.rejected_mending import drop, fix, replay
from pipeline.contracts.unjudged import read_unjudged

_COLUMNS = (
    "rejected_at, topic, partition, offset, reason, detail, schema, length(payload) AS bytes, state, repaired_at, "
    "repaired_by, dropped_at, replay_refused"
)
_WHERE = "topic = {topic:String} AND partition = {partition:UInt32} AND offset = {offset:Int64}"
_PLACE = re.compile(r"(?P<topic>[\w.-]+):(?P<partition>\d+):(?P<offset>\d+)")
DUMPED_BYTES = 2_048


@click.group(epilog=examples("throughline rejected list", "throughline rejected show touchpoints.web:0:17"))
def rejected() -> None:
    """
    Look at records that could not be landed, and why; mend them and send them again.

    A bad record stops nothing: its neighbours land, and it is kept with its reason and its original bytes. It stays on
    record when it is mended, and says when and by whom.
    """


@rejected.command(
    "list",
    epilog=examples("throughline rejected list", "throughline rejected list --reason undecodable --limit 5 --json"),
)
@click.option("--reason", default="", help="Only this reason.")
@click.option("--topic", default="", help="Only this topic.")
@click.option("--schema", default="", help="Only this schema: a family, or a fingerprint that nobody knows.")
@click.option("--all", "is_all", is_flag=True, help="Repaired and dropped ones too.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Most records to list.")
@json_option
@shared
def list_rejected(  # noqa: PLR0913 - the options of the command
    invocation: Invocation, *, reason: str, topic: str, schema: str, is_all: bool, limit: int, as_json: bool
) -> None:
    """List the newest dead letters, and how many there are by reason and schema."""
    warehouse = Warehouse(reach(invocation).analyst_url)
    where = (
        "({reason:String} = '' OR reason = {reason:String}) AND ({topic:String} = '' OR topic = {topic:String}) AND "
        "({schema:String} = '' OR schema = {schema:String}) AND ({all:Bool} OR state = 'open')"
    )
    chosen = {"reason": reason, "topic": topic, "schema": schema, "all": str(is_all).lower()}
    newest = warehouse.rows(
        f"SELECT {_COLUMNS} FROM v_rejected WHERE {where} ORDER BY rejected_at DESC, topic, partition, offset "
        "LIMIT {limit:UInt32}",
        {**chosen, "limit": str(limit)},
    )
    groups = warehouse.rows(
        "SELECT reason, schema, toUInt32(count()) AS records, min(rejected_at) AS since, max(rejected_at) AS until, "
        f"any(detail) AS for_example FROM v_rejected WHERE {where} GROUP BY reason, schema "
        "ORDER BY records DESC, reason, schema",
        chosen,
    )
    if as_json:
        reasons: dict[str, int] = {}
        for group in groups:
            reasons[group["reason"]] = reasons.get(group["reason"], 0) + group["records"]
        print_json({"reasons": reasons, "groups": groups, "records": newest})
        return
    if not groups:
        click.echo("nothing was rejected" if is_all else "no dead letter is open")
        return
    screen = console()
    heads = ("reason", "schema", "records", "since", "for example")
    lines = [tuple(group[name.replace(" ", "_")] for name in heads) for group in groups]
    screen.print(table("By reason and schema", heads, lines, ("records",)), "")
    rows = [
        (f"{row['topic']}:{row['partition']}:{row['offset']}", row["rejected_at"], row["reason"], row["detail"])
        for row in newest
    ]
    screen.print(table("Newest", ("record", "rejected at", "reason", "detail"), rows))


@rejected.command(
    "show",
    epilog=examples(
        "throughline rejected show touchpoints.web:0:17",
        "throughline rejected show touchpoints.web:0:17 --raw > record.bin",
    ),
)
@click.argument("record", metavar="TOPIC:PARTITION:OFFSET")
@click.option("--raw", is_flag=True, help="Write the original bytes to stdout, and nothing else.")
@json_option
@shared
def show_rejected(invocation: Invocation, *, record: str, raw: bool, as_json: bool) -> None:
    """Show one dead letter: its reason, its place, what it says and its original bytes. Exit 1 if there is none."""
    place = _PLACE.fullmatch(record)
    if place is None:
        raise CommandError(
            f"{record!r} is not TOPIC:PARTITION:OFFSET",
            remedy="`throughline rejected list` shows the names",
            exit_code=WRONG_USAGE,
        )
    found = Warehouse(reach(invocation).analyst_url).rows(
        f"SELECT {_COLUMNS}, base64Encode(ifNull(payload, '')) AS payload_base64 FROM v_rejected WHERE {_WHERE} "
        "ORDER BY rejected_at DESC",
        place.groupdict(),
    )
    if not found:
        raise CommandError(f"no dead letter {record}", remedy="`throughline rejected list` shows what there is")
    row = found[0]
    payload = base64.b64decode(row["payload_base64"])
    if raw:
        sys.stdout.buffer.write(payload)
    elif as_json:
        print_json(row)
    else:
        rows = [(name, row[name]) for name in row if name != "payload_base64"]
        console().print(table(record, ("", ""), rows), "")
        said = read_unjudged(payload or None)
        if isinstance(said, dict):
            click.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode() + "\n")
        click.echo(dump(payload[:DUMPED_BYTES]) or "(no payload: a tombstone)")
        if len(payload) > DUMPED_BYTES:
            click.echo(f"… {len(payload) - DUMPED_BYTES:,} bytes more; --raw writes all")


rejected.add_command(fix)
rejected.add_command(replay)
rejected.add_command(drop)


def dump(payload: bytes) -> str:
    """Return bytes as hex and as text, sixteen a line."""
    lines = []
    for start in range(0, len(payload), 16):
        part = payload[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in part)
        lines.append(f"{start:06x}  {part.hex(' '):<47}  {text}")
    return "\n".join(lines)
