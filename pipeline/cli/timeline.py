"""
A customer's story as a timeline that a person reads: by journey, day and visit, with pain points marked.

Pure layout: rows of the views in, lines out.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from rich.text import Text

from pipeline.cli.output import span
from pipeline.cli.story import Journey, Row, Story
from pipeline.cli.wording import amounts, counted, describe, name_type, parse_time

PAIN_STYLES = {"high": "bold red", "medium": "yellow", "low": "dim yellow"}
# Runs of one type within a visit longer than this are told as one line.
LONGEST_RUN = 3


def lay_out(story: Story, is_whole: bool = False) -> Iterator[Text]:
    """
    Yield the lines of a story.

    Args:
        story: What happened.
        is_whole: Tell every touchpoint; otherwise long runs of one type within a visit become one line.
    """
    yield from _heading(story)
    for number, journey in enumerate(story.journeys, 1):
        yield Text()
        yield from _journey(number, journey, is_whole)
    if story.statements:
        yield Text()
        yield Text("Statements about identity", style="bold")
        for row in story.statements:
            yield Text(f"  {parse_time(row['occurred_at']):%-d %b %Y %H:%M}  {name_type(row['type'])}")


def _heading(story: Story) -> Iterator[Text]:
    summary = story.summary
    yield Text.assemble(("Customer ", "bold"), (story.customer_uid, "bold cyan"))
    if story.is_shared:
        yield Text("  This identifier is shared by too many to join anybody; it stands for itself.", style="yellow")
    if not summary:
        yield Text("  no touchpoints that count")
        return
    kinds = [kind for kind, _ in (_pair(identifier) for identifier in summary["identifiers"])]
    numbers = {kind: len(list(same)) for kind, same in groupby(kinds)}
    known = ", ".join(kind if number == 1 else f"{kind} ×{number}" for kind, number in numbers.items())
    yield Text(f"  known by {known}")
    counts = [
        counted(summary["touchpoints"], "touchpoint"),
        counted(summary["visits"], "visit"),
        counted(summary["journeys"], "journey"),
        counted(summary["orders"], "order"),
        amounts(summary["revenue"]),
        counted(summary["pain_points"], "pain point"),
    ]
    yield Text("  " + " · ".join(count for count in counts if count))


def _journey(number: int, journey: Journey, is_whole: bool) -> Iterator[Text]:
    summary = journey.summary
    begun, ended = parse_time(summary["started_at"]), parse_time(summary["ended_at"])
    facts = [f"{begun:%-d %b %Y} – {ended:%-d %b %Y}", counted(summary["touchpoints"], "touchpoint")]
    facts += [f"{counted(summary['orders'], 'order')}, {amounts(summary['revenue'])}"] if summary["orders"] else []
    facts += ["still open"] if summary["is_open"] else []
    yield Text.assemble((f"Journey {number}  ", "bold"), (" · ".join(facts), "dim"))
    visits = {visit["visit_id"]: visit for visit in journey.visits}
    marks, loose = _place_pains(journey)
    day = None
    for visit_id, run in groupby(_with_loose(journey.touchpoints, loose), key=lambda row: row.get("visit_id")):
        rows = list(run)
        for index, line in enumerate(_lines(rows, visits.get(visit_id or ""), marks, is_whole)):
            moment, text = line
            if moment.date() != day:
                day = moment.date()
                yield Text(f"  {moment:%a %-d %b %Y}", style="bold dim")
            if index == 0 and visit_id in visits:
                yield _visit_line(visits[visit_id])
            yield text


def _lines(
    rows: list[Row],
    visit: Row | None,
    marks: dict[str, list[Row]],
    is_whole: bool,
) -> Iterator[tuple[datetime, Text]]:
    """Yield the lines of one visit, or of touchpoints outside of visits, each with its moment."""
    bar = "│ " if visit else "  "
    for type_name, run in groupby(rows, key=lambda row: str(row["type"])):
        same = list(run)
        is_long = visit is not None and not is_whole and len(same) > LONGEST_RUN
        if is_long and not any(row["event_uid"] in marks for row in same):
            moment = parse_time(same[0]["occurred_at"])
            yield moment, _line(moment, bar, same[0]["channel"], f"{name_type(type_name)} ×{len(same)}", "")
            continue
        for row in same:
            moment = parse_time(row["occurred_at"])
            if type_name == "":
                yield moment, _pain_line(row)
                continue
            yield moment, _line(moment, bar, row["channel"], name_type(type_name), describe(row))
            for pain in marks.get(row["event_uid"], []):
                yield moment, _pain_line(pain)


def _line(moment: datetime, bar: str, channel: str, what: str, details: str) -> Text:
    return Text.assemble(
        (f"    {moment:%H:%M} ", "dim"), (bar, "cyan"), (f"{channel:<7}", "cyan"), f"{what:<22} ", (details, "dim")
    )


def _visit_line(visit: Row) -> Text:
    lasted = parse_time(visit["ended_at"]) - parse_time(visit["started_at"])
    source = visit["utm_source"] or ""
    came = f" from {visit['channel_group']}" if visit["channel_group"] else ""
    touchpoints = counted(visit["touchpoints"], "touchpoint")
    said = f"visit{came}{f' ({source})' if source else ''}, {touchpoints}, {span(lasted)}"
    return Text.assemble(("          ┌ ", "cyan"), (said, "italic dim"))


def _pain_line(pain: Row) -> Text:
    style = PAIN_STYLES.get(pain["severity"], "yellow")
    what = pain["kind"].replace("_", " ")
    return Text.assemble((f"            ▲ {what}", style), (f" ({pain['severity']})  ", style), (pain["detail"], "dim"))


def _place_pains(journey: Journey) -> tuple[dict[str, list[Row]], list[Row]]:
    """Return pain points by the touchpoint they are marked at (the last of their evidence), and those without one."""
    order = {row["event_uid"]: index for index, row in enumerate(journey.touchpoints)}
    marks: dict[str, list[Row]] = {}
    loose = []
    for pain in journey.pain_points:
        evidence = [event for event in pain["evidence"] if event in order]
        if evidence:
            marks.setdefault(max(evidence, key=lambda event: order[event]), []).append(pain)
        else:
            loose.append({**pain, "type": "", "visit_id": None})
    return marks, loose


def _with_loose(touchpoints: list[Row], loose: list[Row]) -> list[Row]:
    return sorted([*touchpoints, *loose], key=lambda row: str(row["occurred_at"])) if loose else touchpoints


def _pair(identifier: object) -> tuple[str, str]:
    """Return kind and key of an identifier, which ClickHouse writes as an array or as an object."""
    if isinstance(identifier, dict):
        return str(identifier["kind"]), str(identifier["ident_key"])
    assert isinstance(identifier, list)
    return str(identifier[0]), str(identifier[1])
