"""
The book in which one person's touchpoints are written down as they would arrive: plain JSON touchpoints.

The one rule: nothing is written that lies outside the simulated period, so what has not happened yet at its end is
simply missing, as in life. Ids are made from the person's own random numbers, so that the same seed gives the same
bytes.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple, TypedDict, Unpack

from pipeline.producers.simulator.world import CURRENCY

Touchpoint = dict[str, Any]
Identity = tuple[str, str]


class Entry(NamedTuple):
    """One touchpoint with its moment and the person behind it; entries sort by time, then person, then order."""

    at: int
    person: int
    number: int
    touchpoint: Touchpoint


class Details(TypedDict, total=False):
    """What a touchpoint may say beyond who, what and when."""

    body: Mapping[str, Any]
    refs: Mapping[str, Any]
    context: Mapping[str, str]
    amount_minor: int
    channel: str
    direction: str
    session_id: str
    attributes: Mapping[str, str]
    consent: Mapping[str, bool]


def rfc3339(at: int) -> str:
    """Return epoch milliseconds as RFC 3339 text in UTC."""
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at % 1000:03d}Z"


class Journal:
    """The touchpoints of one person between two moments."""

    def __init__(self, person: int, rng: Random, start: int, end: int) -> None:
        self.entries: list[Entry] = []
        self._person = person
        self._rng = rng
        self._start = start
        self._end = end

    def holds(self, at: int) -> bool:
        """Tell whether a moment lies in the simulated period."""
        return self._start <= at < self._end

    def write(
        self, kind: str, source: str, at: int, identities: Sequence[Identity], **details: Unpack[Details]
    ) -> str | None:
        """
        Write one touchpoint down.

        Returns:
            Its id, or None where it lies outside the period and was not written.
        """
        event_id = self._make_id(at)
        if not self.holds(at):
            return None
        touchpoint: Touchpoint = {
            "id": event_id,
            "type": kind,
            "source": source,
            "occurred_at": rfc3339(at),
            "identities": [{"kind": kind_of_id, "value": value} for kind_of_id, value in identities],
        }
        for name in ("channel", "direction", "session_id", "refs", "context", "body"):
            if value := details.get(name):
                touchpoint[name] = dict(value) if isinstance(value, Mapping) else value
        if "amount_minor" in details:
            touchpoint["amount"] = {"minor": details["amount_minor"], "currency": CURRENCY}
        if attributes := details.get("attributes"):
            touchpoint["attributes"] = [{"key": key, "value": text} for key, text in attributes.items()]
        if consent := details.get("consent"):
            touchpoint["consent"] = [{"purpose": name, "granted": granted} for name, granted in consent.items()]
        self.entries.append(Entry(at, self._person, len(self.entries), touchpoint))
        return event_id

    def _make_id(self, at: int) -> str:
        """Make a UUID of version 7: 48 bits of time, then random bits."""
        number = (at & (1 << 48) - 1) << 80 | 7 << 76 | self._rng.getrandbits(12) << 64
        digits = f"{number | 2 << 62 | self._rng.getrandbits(62):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
