"""
What was seen lately, in bounded memory.

The one rule: forgetting is allowed, inventing is not. A content that is not remembered counts as new and is stored
once anyhow; one that is remembered was certainly there.
"""


class RecentContents:
    """
    Content hashes seen lately: at least the last half of the capacity, at most all of it.

    Two sets take turns: when the young one is full it becomes the old one, and the old one is forgotten. That costs
    one look-up more than a single set, and no bookkeeping for each entry.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()

    def __contains__(self, content: bytes) -> bool:
        """Tell whether a content was seen lately."""
        return content in self._young or content in self._old

    def __len__(self) -> int:
        """Return how many contents are remembered."""
        return len(self._young) + len(self._old)

    def remember(self, content: bytes) -> None:
        """Remember a content; the oldest are forgotten to make room."""
        if content in self._young:
            return
        if len(self._young) >= self._half:
            self._old, self._young = self._young, set()
        self._old.discard(content)
        self._young.add(content)
