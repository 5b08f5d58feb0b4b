"""`throughline incidents`: when and where something went wrong more often than around that time, and whom it hit."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click
from rich.console import Group
from rich.text import Text

from pipeline.cli.chances import read_counts, read_details, read_hits
from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.days import days
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json, table
from pipeline.cli.past import as_of_option
from pipeline.cli.reach import reach
from pipeline.findings.candidates import Candidate, find_candidates
from pipeline.findings.incidents import Hit, Incident, find_incidents
from pipeline.findings.rules import IncidentRules
from pipeline.warehouse.views.chances import CHANCES, CONTACTS, ON_PAGES

Row = dict[str, Any]
Details = Mapping[tuple[str, str], list[tuple[datetime, str]]]

_DAY_ON_PAGES: Final = "a day on which a customer visited"
STEPS: Final[Mapping[str, str]] = {
    **dict.fromkeys(ON_PAGES, _DAY_ON_PAGES),
    CONTACTS: "a contact with support",
    **{chance.kind: chance.step for chance in CHANCES},
}
_KINDS: Final = {chance.kind: (chance.kind, *chance.also) for chance in CHANCES}


@click.command(
    epilog=examples(
        "throughline incidents",
        "throughline incidents --since 2026-03-01 --until 2026-04-01",
        "throughline incidents --examples 5 --json",
    )
)
@days("Only incidents that went on until this day (UTC).", "Only incidents that began before this day (UTC).")
@click.option("--examples", "told", default=2, show_default=True, type=click.IntRange(0, 50), help="Examples of each.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Most incidents.")
@as_of_option
@json_option
@shared
def incidents(
    invocation: Invocation,
    /,
    *,
    since: datetime | None,
    until: datetime | None,
    told: int,
    as_json: bool,
    limit: int,
) -> None:
    """
    Find what went wrong: where, from when to when, and whom it hit.

    Everything that is watched is looked at for all time; days only choose what is shown. On quiet data nothing is
    found: chance alone brings one false incident in a hundred reports. docs/what-hurts.md says how they are found.
    """
    warehouse = Warehouse(reach(invocation).analyst_url)
    shown = (since.replace(tzinfo=UTC) if since else None, until.replace(tzinfo=UTC) if until else None)
    rows = tell_incidents(warehouse, told, shown)[:limit]
    if as_json:
        print_json(rows)
    elif rows:
        console().print(Group(*(_laid_out(row) for row in rows)))
    else:
        console().print("Nothing stands out.")


def read_incidents(warehouse: Warehouse, rules: IncidentRules, examples: int) -> list[Incident]:
    """Find the incidents in a warehouse."""
    candidates = find_candidates(read_counts(warehouse), rules)
    return find_incidents(candidates, read_hits(warehouse, candidates), rules, examples)


def tell_incidents(
    warehouse: Warehouse, examples: int, days: tuple[datetime | None, datetime | None] = (None, None)
) -> list[Row]:
    """Return the incidents that went on within some days as `--json` prints them, each with examples in words."""
    found = [each for each in read_incidents(warehouse, IncidentRules(), examples) if _overlaps(each.what, *days)]
    details = read_details(warehouse, {hit.customer_uid for each in found for hit in each.read_first})
    return [_as_row(each, details) for each in found]


def _overlaps(what: Candidate, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or what.until_at > since) and (until is None or what.from_at < until)


def _as_row(incident: Incident, details: Details) -> Row:
    what = incident.what
    return {
        "rank": incident.rank,
        **_named(what),
        "started_at": incident.started_at,
        "ended_at": what.ended_at,
        "customers": incident.customers,
        "excess": round(what.excess, 1),
        "difference": round(what.hits / what.cases - what.baseline_hits / what.baseline_cases, 4),
        "difference_low": round(incident.low, 4),
        "difference_high": round(incident.high, 4),
        "p_value": float(f"{what.p_value:.3g}"),
        "read_first": [_as_example(hit, what.kind, details) for hit in incident.read_first],
        "seen_as": [_named(other) for other in incident.seen_as],
    }


def _named(what: Candidate) -> Row:
    return {
        "kind": what.kind,
        "step": STEPS[what.kind],
        "segment": what.segment or None,
        "value": what.value or None,
        "first_day": what.from_at.date(),
        "last_day": what.last_day,
        "hits": what.hits,
        "cases": what.cases,
        "rate": round(what.hits / what.cases, 4),
        "baseline_hits": what.baseline_hits,
        "baseline_cases": what.baseline_cases,
        "baseline_rate": round(what.baseline_hits / what.baseline_cases, 4),
    }


def _as_example(hit: Hit, kind: str, details: Details) -> Row:
    told = [entry for each in _KINDS.get(kind, (kind,)) for entry in details.get((hit.customer_uid, each), [])]
    later = sorted(entry for entry in told if entry[0] >= hit.occurred_at) or sorted(told)
    return {
        "occurred_at": hit.occurred_at,
        "customer_uid": hit.customer_uid,
        "event_uid": hit.event_uid,
        "detail": later[0][1] if later else None,
    }


def _laid_out(row: Row) -> Group:
    where = f" where {row['segment']} is {row['value']}" if row["segment"] else ""
    title = f"{row['rank']}. {str(row['kind']).replace('_', ' ')}{where}"
    until = "it goes on" if row["ended_at"] is None else f"until {row['ended_at']:%Y-%m-%d %H:%M}"
    lines = [
        (
            "struck",
            f"{row['hits']:,} of {row['cases']:,} ({row['rate']:.1%}), around it {row['baseline_hits']:,} of "
            f"{row['baseline_cases']:,} ({row['baseline_rate']:.1%}); a case is {row['step']}",
        ),
        ("when", f"from {row['started_at']:%Y-%m-%d %H:%M} {until} (UTC)"),
        (
            "effect",
            f"{row['difference']:+.1%} ({row['difference_low']:+.1%} to {row['difference_high']:+.1%}), "
            f"{row['excess']:,} more than expected, {row['customers']:,} customers",
        ),
        ("chance", f"p = {row['p_value']:.1g}, corrected for everything that was looked at"),
        *(("read", f"{each['customer_uid']}  {each['detail'] or ''}") for each in row["read_first"]),
        *(("seen as", text) for text in [_others(row["seen_as"])] if text),
    ]
    return Group(Text(title, style="bold"), table("", ("", "  "), lines), Text(""))


def _others(seen_as: Sequence[Row]) -> str:
    return ", ".join(
        str(each["kind"]).replace("_", " ") + (f" ({each['value']})" if each["value"] else "") for each in seen_as
    )
