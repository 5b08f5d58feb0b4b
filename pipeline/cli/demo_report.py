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
# A week with fewer parcels says nothing about a carrier.
LEAST_PARCELS = 5


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
    planted = {story.kind: story for story in stories}
    _show_flaw(screen, found.flaws, planted.get("product_flaw"))
    _show_late(screen, found.late, planted.get("carrier_bad_week"))
    _show_peak(screen, found.stalled, "Refunds stall for what came back in the week of {}", 21)
    _planted(screen, planted.get("stalled_returns"), "stalled_returns")
    _show_failed(screen, found.failed_payments, planted.get("payment_outage"))
    _show_peak(screen, found.waits, "Callers wait long around {}", 3)
    _planted(screen, planted.get("support_overload"), "calls")
    _show_peak(screen, found.loops, "The chatbot runs in circles around {}", 3)
    _planted(screen, planted.get("bot_loop"), "conversations")
    _show_fan(screen, found.fan, planted.get("loyal_fan"))


def heading(screen: Console, text: str) -> None:
    """Print a heading with air above it."""
    screen.print("")
    screen.print(Text(text, style="bold cyan"))


def bar(value: float, greatest: float) -> str:
    """Return a bar whose length says how much of the greatest a value is; something is never nothing."""
    eighths = round(value / greatest * BAR_WIDTH * 8) if greatest else 0
    eighths = max(eighths, 1) if value else 0
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _show_late(screen: Console, rows: list[Row], truth: PlantedStory | None) -> None:
    telling = [row for row in rows if row["parcels"] >= LEAST_PARCELS]
    worst = max(telling, key=lambda row: (row["late"] / row["parcels"], row["late"]), default=None)
    if worst is None or not worst["late"]:
        return
    week, carrier = _day(worst["week"]), worst["carrier"]
    others = [row for row in rows if row is not worst]
    elsewhere = 100 * sum(row["late"] for row in others) / max(1, sum(row["parcels"] for row in others))
    _story(
        screen,
        f"{carrier}, week of {week:%-d %b}: {worst['late']} of {worst['parcels']} parcels came late "
        f"({100 * worst['late'] / worst['parcels']:.0f} %; otherwise {elsewhere:.0f} %)",
    )
    for row in [row for row in rows if row["carrier"] == carrier]:
        style = "red" if row is worst else "dim"
        label = f"    shipped from {_day(row['week']):%d %b}  {row['late']:>3} of {row['parcels']:>3} late  "
        screen.print(Text.assemble((label, "dim"), (bar(row["late"], worst["late"]), style)))
    _planted(screen, truth, "late_deliveries")


def _show_failed(screen: Console, rows: list[Row], truth: PlantedStory | None) -> None:
    greatest = max((row["failed"] for row in rows), default=0)
    if not greatest:
        return
    failed = sum(row["failed"] for row in rows)
    code = max(rows, key=lambda row: int(row["failed"]))["code"]
    _story(screen, f"{_day(rows[0]['day']):%A, %-d %b}: {failed} payments failed in one day, most with {code!r}")
    for row in rows:
        if row["failed"]:
            label = f"    {row['hour']:02d}:00  {row['failed']:>3} failed, {row['made']:>3} went through  "
            screen.print(Text.assemble((label, "dim"), (bar(row["failed"], greatest), "red")))
    _planted(screen, truth, "failed_payments")


def _show_flaw(screen: Console, rows: list[Row], truth: PlantedStory | None) -> None:
    if not rows:
        return
    worst, *others = rows
    rest = sum(row["found"] for row in others)
    _story(
        screen,
        f"Product {worst['product']}: {counted(worst['customers'], 'customer')} "
        f"sent it back as not as described or rated it low (all other products: {rest})",
    )
    _planted(screen, truth, "returns")


def _show_peak(screen: Console, rows: list[Row], text: str, within_days: int) -> None:
    """Print the day or week of which there is most, and those around it."""
    if not rows:
        return
    worst = max(rows, key=lambda row: int(row["found"]))
    greatest, day = worst["found"], _day(worst["day"])
    _story(screen, text.format(f"{day:%-d %b}"))
    for row in rows:
        if abs((_day(row["day"]) - day).days) <= within_days:
            label = f"    {_day(row['day']):%a %d %b}  {row['found']:>3} from {row['customers']:>3} customers  "
            style = "red" if row["found"] * 2 >= greatest else "dim"
            screen.print(Text.assemble((label, "dim"), (bar(row["found"], greatest), style)))


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


def _planted(screen: Console, truth: PlantedStory | None, what: str) -> None:
    if truth is None:
        return
    begun, ended = truth.started_at[:16].replace("T", " "), truth.ended_at[:16].replace("T", " ")
    number = truth.counts.get(what, 0)
    said = f"{truth.summary} ({begun} – {ended}, {number} {what.replace('_', ' ')}, {len(truth.customers)} customers)"
    screen.print(Text(f"    planted: {said}", style="dim italic"))


def _as_map(value: object) -> dict[str, int]:
    """Read what sumMap over a Map gives, which ClickHouse writes as an object."""
    return {str(key): int(number) for key, number in value.items()} if isinstance(value, dict) else {}


def _day(text: str) -> date:
    return date.fromisoformat(text)
