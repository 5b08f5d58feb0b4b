"""The demo's findings, laid out for a person: what happened, one story, the ways people take, what hurts and where."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from rich.console import Console
from rich.text import Text

from pipeline.cli.demo_queries import Findings
from pipeline.cli.output import count, table
from pipeline.cli.wording import amounts, counted, name_type
from pipeline.producers.simulator.stories import PlantedStory

Row = dict[str, Any]

BAR_WIDTH = 30


def show_totals(screen: Console, found: Findings) -> None:
    """Print what came out of the touchpoints."""
    totals = found.totals
    heading(screen, "What happened")
    screen.print(
        f"  {count(totals['touchpoints'])} touchpoints on {totals['channels']} channels, "
        f"{count(totals['identifiers'])} identifiers (cookies, e-mails, phones, orders, parcels …)"
    )
    screen.print(
        f"  became {count(totals['customers'])} customers with {count(totals['visits'])} visits, "
        f"{count(totals['journeys'])} journeys, {count(totals['orders'])} orders "
        f"({amounts(_as_map(totals['revenue']))}) and {count(totals['pain_points'])} pain points."
    )


def show_paths(screen: Console, found: Findings) -> None:
    """Print the ways that most journeys take."""
    heading(screen, "The busiest journeys")
    rows = [
        (" → ".join(name_type(step) for step in row["way"]), row["journeys"], row["orders"], row["days"],
         row["pain_points"])
        for row in found.paths
    ]  # fmt: skip
    columns = ("way (milestones only)", "journeys", "orders", "mean days", "pain points")
    screen.print(table("", columns, rows, columns[1:]))


def show_pains(screen: Console, found: Findings, stories: Sequence[PlantedStory]) -> None:
    """Print what hurts, and the planted stories as they show in it, each beside the truth."""
    heading(screen, "What hurts")
    rows = [
        (row["kind"].replace("_", " "), row["found"], row["customers"], row["high"], row["medium"], row["low"],
         Text(row["example"], style="dim"))
        for row in found.pains
    ]  # fmt: skip
    columns = ("pain point", "found", "customers", "high", "medium", "low", "for example")
    screen.print(table("", columns, rows, columns[1:6]))
    untold = [story for story in stories if story.pain_point is not None]
    for row in found.incidents:
        _story(screen, headline(row))
        for label, rate, style in (("then", row["rate"], "red"), ("around it", row["baseline_rate"], "dim")):
            line = f"    {label:<9}  {rate:>6.1%}  "
            screen.print(Text.assemble((line, "dim"), (bar(rate, max(row["rate"], row["baseline_rate"])), style)))
        for example in row["read_first"]:
            screen.print(Text(f"    for example: {example['detail'] or example['event_uid']}", style="dim"))
        for story in [story for story in untold if _explains(story, row)]:
            untold.remove(story)
            _planted(screen, story)
    if untold:
        _story(screen, "Planted, and too small a trouble to be told from chance", "dim")
        for story in untold:
            _planted(screen, story)
    _show_fan(screen, found.fan, next((story for story in stories if story.kind == "loyal_fan"), None))


def headline(row: Row) -> str:
    """Return an incident in one sentence: what, where, how many, when."""
    where = f" where {row['segment']} is {row['value']}" if row["segment"] else ""
    first, last = row["first_day"], row["last_day"]
    days = f"on {first:%-d %b}" if first == last else f"from {first:%-d %b} to {last:%-d %b}"
    what = str(row["kind"]).replace("_", " ")
    return f"{what[0].upper()}{what[1:]}{where}, {days}: {row['hits']:,} of {row['cases']:,} ({row['step']})"


def _explains(story: PlantedStory, row: Row) -> bool:
    begun, ended = (date.fromisoformat(text[:10]) for text in (story.started_at, story.ended_at))
    return story.pain_point == row["kind"] and bool(begun <= row["last_day"] and ended >= row["first_day"])


def heading(screen: Console, text: str) -> None:
    """Print a heading with air above it."""
    screen.print("")
    screen.print(Text(text, style="bold cyan"))


def bar(value: float, greatest: float) -> str:
    """Return a bar whose length says how much of the greatest a value is; something is never nothing."""
    eighths = round(value / greatest * BAR_WIDTH * 8) if greatest else 0
    eighths = max(eighths, 1) if value else 0
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _show_fan(screen: Console, fan: Row, truth: PlantedStory | None) -> None:
    if not fan:
        return
    _story(
        screen,
        "And somebody loves the shop: "
        + ", ".join(counted(fan[f"{what}s"], what) for what in ("order", "review", "referral", "mention")),
        "green",
    )
    if truth is not None:
        told = ", ".join(f"{number} {what}" for what, number in truth.counts.items() if what != "journeys")
        screen.print(Text(f"    planted: {truth.summary} ({told}; {truth.customers[0]})", style="dim italic"))


def _story(screen: Console, text: str, style: str = "yellow") -> None:
    screen.print("")
    screen.print(Text(f"  ▲ {text}", style=style))


def _planted(screen: Console, truth: PlantedStory) -> None:
    begun, ended = truth.started_at[:16].replace("T", " "), truth.ended_at[:16].replace("T", " ")
    told = f"{truth.summary} ({begun} – {ended}, {len(truth.customers)} customers)"
    screen.print(Text(f"    planted: {told}", style="dim italic"))


def _as_map(value: object) -> dict[str, int]:
    """Read what sumMap over a Map gives, which ClickHouse writes as an object."""
    return {str(key): int(number) for key, number in value.items()} if isinstance(value, dict) else {}
