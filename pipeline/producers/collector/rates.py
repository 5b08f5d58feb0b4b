"""
How fast each key may send: the rule, apart from HTTP and the clock.

The one rule: a key spends only what is its own, so one that sends too much costs the others nothing. What a request
holds is known only when it has been read; so a request is let in while the key has anything left, and may leave a debt
that delays the next one.
"""

import math
from typing import Final

_BURST_S: Final = 2.0


class TokenBucket:
    """
    What one key may still send.

    Args:
        rate: Events a second.
        now: Seconds, of any clock that does not step back.
    """

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._most = max(1.0, rate * _BURST_S)
        self._left = self._most
        self._at = now

    def wait_s(self, now: float) -> int:
        """Return the seconds to wait before the next request, 0 where it may come."""
        self._fill(now)
        return 0 if self._left > 0 else max(1, math.ceil(-self._left / self.rate))

    def spend(self, events: int, now: float) -> None:
        """Count the events of a request."""
        self._fill(now)
        self._left -= events

    def _fill(self, now: float) -> None:
        self._left = min(self._most, self._left + (now - self._at) * self.rate)
        self._at = now


class Rates:
    """The buckets of all keys, by name."""

    def __init__(self) -> None:
        self._buckets: dict[str, TokenBucket] = {}

    def wait_s(self, name: str, rate: float, now: float) -> int:
        """Return the seconds that this key has to wait; a rate of 0 has no limit."""
        return self._bucket(name, rate, now).wait_s(now) if rate else 0

    def spend(self, name: str, rate: float, events: int, now: float) -> None:
        """Count what this key has sent."""
        if rate:
            self._bucket(name, rate, now).spend(events, now)

    def _bucket(self, name: str, rate: float, now: float) -> TokenBucket:
        bucket = self._buckets.get(name)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[name] = TokenBucket(rate, now)
        return bucket
