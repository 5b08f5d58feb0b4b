"""
What was seen lately, in bounded memory.

The one rule: forgetting is allowed, inventing is not. A content that is not remembered counts as new and is stored
once anyhow; one that is remembered was certainly there.
"""

from array import array
from struct import Struct
from typing import Final

_HALVES: Final = Struct("<QQ")
# Of three places two are taken at most: then an empty one is near, and a content takes 24 bytes where a set takes 100.
_PLACES_A_CONTENT: Final = 1.5


class RecentContents:
    """
    Content hashes seen lately: at least the last half of the capacity, at most all of it.

    Two generations take turns: when the young one is full it becomes the old one, and the old one is forgotten. That
    costs one look-up more than a single one, and no bookkeeping for each entry. Used by several threads at once, it
    forgets, but still invents nothing.

    Args:
        capacity: Most contents: hashes of 16 bytes. One of nothing but zeros counts as never seen.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._young = _Generation(self._half)
        self._old: _Generation | None = None

    def __contains__(self, content: bytes) -> bool:
        """Tell whether a content was seen lately."""
        first, second = _HALVES.unpack(content)
        young, old = self._young, self._old
        return young.place_for(first, second) < 0 or (old is not None and old.place_for(first, second) < 0)

    def __len__(self) -> int:
        """Return how many contents are remembered, those of both generations twice."""
        return self._young.count + (0 if self._old is None else self._old.count)

    def remember(self, content: bytes) -> bool:
        """Remember a content, the oldest are forgotten to make room; False if it was seen lately."""
        first, second = _HALVES.unpack(content)
        place = self._young.place_for(first, second)
        if place < 0:
            return False
        old = self._old
        self._young.put(place, first, second)
        if self._young.count >= self._half:
            self._old, self._young = self._young, _Generation(self._half)
        return old is None or old.place_for(first, second) >= 0


class _Generation:
    """A table of contents, each in the first free place from the one that its hash names, without objects."""

    def __init__(self, capacity: int) -> None:
        self._places = int(capacity * _PLACES_A_CONTENT) + 1
        self._firsts = array("Q", bytes(8)) * self._places
        self._seconds = array("Q", bytes(8)) * self._places
        self.count = 0

    def place_for(self, first: int, second: int) -> int:
        """Return where a content is to be put; -1 if it is in it."""
        seconds = self._seconds
        place = second % self._places
        while (there := seconds[place]) or self._firsts[place]:
            if there == second and self._firsts[place] == first:
                return -1
            place = place + 1 if place + 1 < self._places else 0
        return place

    def put(self, place: int, first: int, second: int) -> None:
        """Put a content in a place that was empty."""
        self._firsts[place], self._seconds[place] = first, second
        self.count += 1
