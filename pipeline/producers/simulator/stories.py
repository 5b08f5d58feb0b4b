"""
What is planted in the shop's history on purpose, and the record of where it struck.

Stories are windows of time that the rest of the simulator asks about; whatever they change is noted with its event
ids, so that a test can hold a pipeline's findings against the truth.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pipeline.producers.simulator.journal import rfc3339
from pipeline.producers.simulator.people import Person
from pipeline.producers.simulator.rhythm import DAY, HOUR, monday_before, next_working_day
from pipeline.producers.simulator.world import CARRIERS, PRODUCTS, Carrier

BAD_CARRIER: Final = CARRIERS[0]
GOOD_CARRIER: Final = CARRIERS[1]
OUTAGE_CODE: Final = "gateway_timeout"
FLAWED_PRODUCT: Final = PRODUCTS[2]

FLAW: Final = "product_flaw"
BAD_WEEK: Final = "carrier_bad_week"
STALLED: Final = "stalled_returns"
OVERLOAD: Final = "support_overload"
OUTAGE: Final = "payment_outage"
BOT_LOOP: Final = "bot_loop"
FAN: Final = "loyal_fan"

_TOLD: Final[Mapping[str, tuple[str | None, str]]] = {
    FLAW: (
        "product_flaw",
        f"A batch of {FLAWED_PRODUCT.name} is bad; it comes back as not as described, reviews are low",
    ),
    BAD_WEEK: ("late_delivery", f"{BAD_CARRIER.name} leaves parcels lying for a week; they arrive after the promise"),
    STALLED: ("stalled_return", "The returns desk sits on its refunds for a week; the money comes weeks too late"),
    OVERLOAD: ("long_wait", "Half of the call centre is ill for a week; callers wait, are handed on and get no answer"),
    OUTAGE: ("failed_payment", "The payment gateway answers nobody for an evening; some give up, some come back"),
    BOT_LOOP: ("bot_loop", "The chatbot repeats one answer and never hands over; people call instead"),
    FAN: (None, "One customer comes back again and again, reviews everything and brings friends"),
}


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, its end excluded."""

    start: int
    end: int

    def covers(self, at: int) -> bool:
        """Tell whether a moment lies inside."""
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class PlantedStory:
    """
    One planted story as it really struck.

    Attributes:
        kind: `product_flaw`, `carrier_bad_week`, `stalled_returns`, `payment_outage`, `support_overload`, `bot_loop`
            or `loyal_fan`.
        pain_point: Kind of the pain point in which a pipeline should find it, if any.
        started_at: Beginning of its window, but not before the day on which it first struck anybody.
        ended_at: End of its window, but not after the day on which it last did.
        customers: Strongest identifier of everyone it struck, as `kind:value`.
        order_ids: Orders it struck.
        event_ids: Touchpoints that show it.
        counts: How many of what, by name.
    """

    kind: str
    summary: str
    pain_point: str | None
    started_at: str
    ended_at: str
    customers: tuple[str, ...]
    order_ids: tuple[str, ...]
    event_ids: tuple[str, ...]
    counts: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return the story as plain JSON values."""
        return asdict(self) | {"counts": dict(self.counts)}


@dataclass(slots=True)
class _Struck:
    people: dict[int, Person] = field(default_factory=dict)
    order_ids: dict[str, None] = field(default_factory=dict)
    event_ids: dict[str, None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    strikes: list[int] = field(default_factory=list)


class Stories:
    """The planted windows of one simulation, and what was noted about them; without stories nothing is covered."""

    def __init__(self, start: int, days: int, *, planted: bool) -> None:
        self._windows: dict[str, Window] = {}
        self._struck: dict[str, _Struck] = {}
        self.pains: dict[str, dict[str, str]] = {}
        if planted:
            monday = monday_before(start + int(days * 0.38) * DAY + 6 * DAY)
            evening = next_working_day(start + int(days * 0.62) * DAY) + 17 * HOUR
            release = start + int(days * 0.78) * DAY
            batch = start + int(days * 0.18) * DAY
            desk = monday_before(start + int(days * 0.55) * DAY)
            ill = monday_before(start + int(days * 0.72) * DAY)
            self._windows = {
                FLAW: Window(batch, batch + 14 * DAY),
                BAD_WEEK: Window(monday, monday + 7 * DAY),
                STALLED: Window(desk, desk + 7 * DAY),
                OUTAGE: Window(evening, evening + 5 * HOUR),
                OVERLOAD: Window(ill, ill + 5 * DAY),
                BOT_LOOP: Window(release, release + 3 * DAY),
                FAN: Window(start, start + days * DAY),
            }
            self._struck = {kind: _Struck() for kind in self._windows}

    def window(self, kind: str) -> Window | None:
        """Return when a story happens, or None where it is not planted."""
        return self._windows.get(kind)

    def is_on(self, kind: str, at: int) -> bool:
        """Tell whether a story happens at that moment."""
        window = self._windows.get(kind)
        return window is not None and window.covers(at)

    def delays(self, carrier: Carrier, shipped_at: int) -> bool:
        """Tell whether a parcel falls into the carrier's bad week."""
        return carrier is BAD_CARRIER and self.is_on(BAD_WEEK, shipped_at)

    def note(self, kind: str, person: Person, what: str, event_id: str | None, order_id: str | None = None) -> None:
        """Note that a story struck; what was not written, because it lies outside the period, is not noted."""
        struck = self._struck.get(kind)
        if struck is None or event_id is None:
            return
        struck.people[person.index] = person
        struck.event_ids[event_id] = None
        struck.counts[what] = struck.counts.get(what, 0) + 1
        if order_id is not None:
            struck.order_ids[order_id] = None

    def strike(self, kind: str, at: int) -> None:
        """Note when a story began to strike somebody: the order, the parcel, the call that went wrong."""
        if (struck := self._struck.get(kind)) is not None:
            struck.strikes.append(at)

    def count(self, kind: str, business_id: str, event_id: str | None) -> None:
        """Count something that hurts, planted or not, under the id of what it happened to."""
        if event_id is not None:
            self.pains.setdefault(kind, {})[business_id] = event_id

    def told(self) -> tuple[PlantedStory, ...]:
        """Return the stories as they struck."""
        return tuple(
            PlantedStory(
                kind=kind,
                summary=_TOLD[kind][1],
                pain_point=_TOLD[kind][0],
                started_at=rfc3339(_as_struck(window, struck).start),
                ended_at=rfc3339(_as_struck(window, struck).end),
                customers=tuple(":".join(person.known_as) for person in struck.people.values()),
                order_ids=tuple(struck.order_ids),
                event_ids=tuple(struck.event_ids),
                counts=dict(struck.counts),
            )
            for (kind, window), struck in zip(self._windows.items(), self._struck.values(), strict=True)
        )


def _as_struck(window: Window, struck: _Struck) -> Window:
    """Return the part of a window from the day of the first strike to that of the last: nobody could date the rest."""
    if not struck.strikes:
        return window
    first, last = (at // DAY * DAY for at in (min(struck.strikes), max(struck.strikes)))
    return Window(max(window.start, first), min(window.end, last + DAY))
