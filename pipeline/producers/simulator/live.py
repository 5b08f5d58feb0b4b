"""
The simulated shop played live: one touchpoint after the other at a steady rate, each happening now.

A hundred days pass in minutes, so every other time that a touchpoint speaks of (a promise, an arrival) is moved to
when its surroundings are played: what was late in the story is late on the clock, only by less. Clock and pause are
handed in.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from pipeline.producers.simulator.journal import Touchpoint, rfc3339
from pipeline.producers.simulator.shop import Simulation

_TIME_FIELDS: Final = ("promised_delivery_at", "promised_from", "promised_until", "eta", "delivered_at", "effective_at")


class LiveStream:
    """
    A simulation in time with the clock.

    Iterating never hurries: when the consumer is slow, the stream is late and says so by `behind_s`; it then goes on
    without pause until it has caught up.

    Attributes:
        behind_s: How far the last touchpoint came after its due time.
    """

    def __init__(
        self,
        simulation: Simulation,
        rate: float,
        *,
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        if rate <= 0:
            raise ValueError("rate must be greater than 0 touchpoints a second")
        self.behind_s = 0.0
        self._simulation = simulation
        self._rate = rate
        self._clock = clock
        self._pause = pause
        self._moments = [entry.at for entry in simulation.entries()]

    def __iter__(self) -> Iterator[Touchpoint]:
        """Yield each touchpoint when it is due, its times moved to the clock."""
        began = self._clock()
        for number, touchpoint in enumerate(self._simulation):
            due = began + number / self._rate
            if (early := due - self._clock()) > 0:
                self._pause(early)
            now = self._clock()
            self.behind_s = max(0.0, now - due)
            yield self._moved(touchpoint, int(now * 1000), began)

    def _moved(self, touchpoint: Touchpoint, now: int, began: float) -> Touchpoint:
        moved: dict[str, Any] = {**touchpoint, "occurred_at": rfc3339(now)}
        body = touchpoint.get("body", {})
        times = {
            name: rfc3339(self._played_at(_milliseconds(body[name]), began)) for name in _TIME_FIELDS if name in body
        }
        if times:
            moved["body"] = {**body, **times}
        if "delivered_at" in times:
            moved["body"]["delivered_at"] = moved["occurred_at"]
        return moved

    def _played_at(self, moment: int, began: float) -> int:
        """Return when a moment of the story is played: beyond its end, at the average pace."""
        number: float = bisect_left(self._moments, moment)
        if number == len(self._moments):
            span = max(1, self._moments[-1] - self._moments[0])
            number += (moment - self._moments[-1]) / span * len(self._moments)
        return int((began + number / self._rate) * 1000)


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
