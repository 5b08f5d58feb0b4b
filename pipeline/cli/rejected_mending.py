"""`throughline rejected fix`, `replay` and `drop`: what can be done about dead letters."""

import getpass
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
import orjson

from pipeline.cli.errors import NOT_SO, WRONG_USAGE, CommandError
from pipeline.cli.feeding import file_admission, translated
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import print_json
from pipeline.cli.reach import Reach, reach
from pipeline.config_registry import RegistrySettings
from pipeline.contracts.schemas import WriterSchema, schema_by_fingerprint
from pipeline.producers.feeder import Feeder
from pipeline.producers.mending import Mended, mend, send
from pipeline.producers.patching import PatchError, Step, parse_steps
from pipeline.registry.client import RegistryClient
from pipeline.registry.schemas import IdResolver
from pipeline.streaming.decode.confluent import ConfluentFrames
from pipeline.warehouse.connection import connect
from pipeline.warehouse.dead_letters import DeadLetter, DeadLetters, Repair, Selection

_TOLD = 20
Command = Callable[..., None]


def _choosing(command: Command) -> Command:
    """Give a command the ways of choosing dead letters."""
    for option in (
        click.option("--by", default="", help="Who does this; default: the user of this machine."),
        click.option("--again", is_flag=True, help="Those that are repaired or dropped already too."),
        click.option("--schema", default="", help="All open ones of this schema."),
        click.option("--topic", default="", help="All open ones of this topic."),
        click.option("--reason", default="", help="All open ones of this reason."),
        click.argument("records", nargs=-1, metavar="[TOPIC:PARTITION:OFFSET]..."),
    ):
        command = option(command)
    return command


@click.command(
    epilog=examples(
        'throughline rejected fix touchpoints.web:0:17 --step "set /body/step 2" --dry-run',
        'throughline rejected fix --reason unknown_field --step "rename /body/rating /body/score"',
        "throughline rejected fix --reason undecodable --topic touchpoints.feedback --patch mend.txt",
    )
)
@_choosing
@click.option("--step", "steps", multiple=True, help="One step of the patch (below); repeat for several.")
@click.option("--patch", type=click.Path(path_type=Path, dir_okay=False), help="File of steps, one a line.")
@click.option("--dry-run", is_flag=True, help="Show before and after, and send nothing.")
@json_option
@shared
def fix(
    invocation: Invocation,
    /,
    *,
    steps: tuple[str, ...],
    patch: Path | None,
    dry_run: bool,
    as_json: bool,
    **chosen: object,
) -> None:
    """
    Patch dead letters and send them again. Exit 1 if any could not be mended.

    Steps work on the touchpoint as JSON, in their order: `set /pointer JSON`, `rename /pointer /pointer`,
    `cast /pointer text|integer|number|boolean|time|list`, `drop /pointer`. A touchpoint is sent only if it would be
    taken now; what it says decides its topic. Sent twice it is stored once. Mended otherwise with `--again`, it is
    given the next revision, so that the last repair holds.
    """
    try:
        parsed = parse_steps([*_lines_of(patch), *steps])
    except PatchError as error:
        raise CommandError(str(error), exit_code=WRONG_USAGE) from error
    if not parsed:
        raise CommandError("no step: what is to be changed?", remedy="--step or --patch", exit_code=WRONG_USAGE)
    _mend(reach(invocation), chosen, parsed, is_dry=dry_run, as_json=as_json)


@click.command(
    epilog=examples(
        "throughline rejected replay touchpoints.web:0:17",
        "throughline rejected replay --reason unknown_schema --dry-run",
    )
)
@_choosing
@click.option("--dry-run", is_flag=True, help="Show which would be taken now, and send nothing.")
@json_option
@shared
def replay(invocation: Invocation, /, *, dry_run: bool, as_json: bool, **chosen: object) -> None:
    """
    Send dead letters again as they are, where they would be taken now. Exit 1 if any would not.

    That is so when the cause was not in them: a schema that the workers did not know yet, a setting, the warehouse.
    """
    _mend(reach(invocation), chosen, (), is_dry=dry_run, as_json=as_json)


@click.command(
    epilog=examples(
        "throughline rejected drop touchpoints.web:0:17",
        "throughline rejected drop --reason tombstone --json",
        "throughline rejected drop --reason undecodable --topic touchpoints.web --dry-run",
    )
)
@_choosing
@click.option("--dry-run", is_flag=True, help="Show which these are, and drop none.")
@json_option
@shared
def drop(invocation: Invocation, /, *, dry_run: bool, as_json: bool, **chosen: object) -> None:
    """
    Say that nobody wants these dead letters any more. They stay on record as dropped, and can still be mended.

    Exit 1 if there is none.
    """
    letters = DeadLetters(connect(reach(invocation).settings.clickhouse))
    found = _found(letters, chosen)
    if not dry_run:
        letters.settle(
            [Repair(letter, "dropped", _by(chosen), letter.patch or "") for letter in found], letters.stamp()
        )
    done = "would be dropped" if dry_run else "dropped"
    if as_json:
        print_json({done.replace(" ", "_"): [letter.place for letter in found]})
        return
    for letter in found[: _TOLD if dry_run else 0]:
        click.echo(f"{letter.place} ({letter.reason}): {letter.detail}")
    click.echo(f"{done} {len(found):,}")


def _mend(found: Reach, chosen: dict[str, object], steps: Sequence[Step], *, is_dry: bool, as_json: bool) -> None:
    letters = DeadLetters(connect(found.settings.clickhouse))
    admission = file_admission(found.settings)
    chosen_letters = _found(letters, chosen)
    with translated():
        opened, schema_of = opened_letters(chosen_letters, found.settings.registry)
        mended = [mend(letter, steps, admission, schema_of) for letter in opened]
    sendable = [entry for entry in mended if entry.admitted is not None]
    if sendable and not is_dry:
        # Before sending: what landing may say against these has a later stamp.
        stamp = letters.stamp()
        with translated(), Feeder(found.settings.kafka) as feeder:
            send(sendable, feeder)
        action = "fixed" if steps else "replayed"
        letters.settle([_repair(entry, action, _by(chosen)) for entry in sendable], stamp)
    if as_json:
        print_json(
            {
                "dry_run": is_dry,
                "repaired": len(sendable),
                "refused": len(mended) - len(sendable),
                "records": [_shown(entry) for entry in mended],
            }
        )
    else:
        _tell(mended, is_dry=is_dry, is_patched=bool(steps))
    if len(sendable) < len(mended):
        raise click.exceptions.Exit(NOT_SO)


def opened_letters(
    letters: list[DeadLetter], registry: RegistrySettings
) -> tuple[list[DeadLetter], Callable[[bytes], WriterSchema | None]]:
    """Return the letters as single objects where a registry knows their schema ids, and who finds their schemas."""
    if not registry.url.get_secret_value():
        return letters, schema_by_fingerprint
    frames = ConfluentFrames(IdResolver(RegistryClient(registry), registry.retry_after))
    values = frames.open([letter.payload for letter in letters]).values
    opened = [replace(letter, payload=value) for letter, value in zip(letters, values, strict=True)]
    return opened, frames.schema_of


def _found(letters: DeadLetters, chosen: dict[str, object]) -> list[DeadLetter]:
    records = chosen["records"]
    places = tuple(map(str, records)) if isinstance(records, tuple) else ()
    topic, reason, schema = (str(chosen[name] or "") for name in ("topic", "reason", "schema"))
    if not (places or topic or reason or schema):
        raise CommandError(
            "which dead letters?",
            remedy="name them as TOPIC:PARTITION:OFFSET, or choose with --reason, --topic, --schema",
            exit_code=WRONG_USAGE,
        )
    everything = Selection(places, topic, reason, schema, is_settled=True)
    known = letters.find(everything)
    if missing := set(places) - {letter.place for letter in known}:
        where = ", ".join(sorted(missing))
        raise CommandError(
            f"no such dead letter: {where}", remedy="`throughline rejected list --all` shows what there is"
        )
    found = known if chosen["again"] else [letter for letter in known if letter.state == "open"]
    if not found:
        settled = f"; {len(known):,} are repaired or dropped (--again takes them too)" if known else ""
        raise CommandError(
            f"no open dead letter fits{settled}", remedy="`throughline rejected list` shows what there is"
        )
    return found


def _repair(entry: Mended, action: str, by: str) -> Repair:
    event_id = entry.admitted.event_id if entry.admitted is not None else ""
    return Repair(entry.letter, action, by, entry.patch, event_id)


def _by(chosen: dict[str, object]) -> str:
    return str(chosen["by"] or "") or getpass.getuser()


def _lines_of(patch: Path | None) -> list[str]:
    if patch is None:
        return []
    try:
        return patch.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot be read ({error})", where=str(patch), exit_code=WRONG_USAGE) from error


def _shown(entry: Mended) -> dict[str, object]:
    return {
        "record": entry.letter.place,
        "log_id": entry.letter.log_id,
        "reason": entry.letter.reason,
        "sent_to": entry.admitted.record.topic if entry.admitted is not None else None,
        "event_id": entry.admitted.event_id if entry.admitted is not None else None,
        "before": entry.before,
        "after": entry.after,
        "problems": [asdict(problem) for problem in entry.problems],
    }


def _tell(mended: Sequence[Mended], *, is_dry: bool, is_patched: bool) -> None:
    for entry in mended[:_TOLD]:
        if is_dry or entry.problems:
            click.echo(f"{entry.letter.place} ({entry.letter.reason})")
        if is_dry and entry.before is not None:
            click.echo(f"  before {_line(entry.before)}")
        if is_dry and is_patched and entry.after is not None:
            click.echo(f"  after  {_line(entry.after)}")
        for problem in entry.problems:
            click.echo(f"  refused: {problem}", err=True)
        if is_dry and entry.admitted is not None:
            click.echo(f"  would be sent to {entry.admitted.record.topic}")
    if len(mended) > _TOLD:
        click.echo(f"… and {len(mended) - _TOLD:,} more; --json shows all")
    sent = sum(entry.admitted is not None for entry in mended)
    told = "would be sent" if is_dry else "sent again"
    click.echo(f"{told} {sent:,}, refused {len(mended) - sent:,}")


def _line(touchpoint: dict[str, object]) -> str:
    return orjson.dumps(touchpoint).decode()
