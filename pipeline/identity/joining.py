"""
The exact joining of one block at a time: links in a fixed order, each unless something forbids it.

The rule owned here: what a join may never produce. Two accounts that no alias made one, and a pair that an unlink
keeps apart. Plain Python on purpose: it runs only for the few blocks where something could be forbidden.
"""

from collections.abc import Iterable


class Clusters:
    """
    Disjoint sets of nodes that know their accounts and who is kept apart from them.

    Args:
        accounts: Nodes that are accounts.
        apart: Pairs of nodes that may not share a cluster.
    """

    def __init__(self, accounts: Iterable[int], apart: Iterable[tuple[int, int]]) -> None:
        self._parent: dict[int, int] = {}
        self._size: dict[int, int] = {}
        self._with_account = set(accounts)
        self._apart: dict[int, set[int]] = {}
        for one, other in apart:
            self._apart.setdefault(one, set()).add(other)
            self._apart.setdefault(other, set()).add(one)

    def find(self, node: int) -> int:
        """Return the node that stands for the cluster of `node`."""
        root = node
        while (above := self._parent.get(root, root)) != root:
            root = above
        while node != root:
            above = self._parent[node]
            self._parent[node] = root
            node = above
        return root

    def alias(self, one: int, other: int) -> bool:
        """Join two clusters whose accounts are one person, unless a pair is kept apart; say whether they are one."""
        return self._join(one, other, one_person=True)

    def link(self, one: int, other: int) -> bool:
        """
        Join two clusters that a touchpoint saw together; say whether they are one now.

        All aliases must have been joined before: two clusters that both hold an account then are two persons.
        """
        return self._join(one, other, one_person=False)

    def _join(self, one: int, other: int, *, one_person: bool) -> bool:
        keep, leave = self.find(one), self.find(other)
        if keep == leave:
            return True
        if not one_person and keep in self._with_account and leave in self._with_account:
            return False
        if self._kept_apart(keep, leave):
            return False
        if self._size.get(keep, 1) < self._size.get(leave, 1):
            keep, leave = leave, keep
        self._parent[leave] = keep
        self._size[keep] = self._size.get(keep, 1) + self._size.pop(leave, 1)
        if leave in self._with_account:
            self._with_account.add(keep)
        if leave in self._apart:
            self._apart.setdefault(keep, set()).update(self._apart.pop(leave))
        return True

    def _kept_apart(self, one: int, other: int) -> bool:
        mine, theirs = self._apart.get(one, ()), self._apart.get(other, ())
        if len(theirs) < len(mine):
            mine, other = theirs, one
        return any(self.find(node) == other for node in mine)
