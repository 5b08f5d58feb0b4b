"""
The syntax tree as `EXPLAIN AST` lists it: one node a line, indented, with the number of its children.

The listing is read strictly: indentation and numbers must agree and nothing may be left over, so that a name made to
look like lines of a tree is a fault and not a tree.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.embedded.warehouse.faults import ACCESS_DENIED, Fault

_LINE = re.compile(r"^(?P<indent> *)(?P<kind>[A-Za-z:]+)(?P<label>.*?)(?: \(children (?P<children>\d+)\))?$")
_ALIAS = re.compile(r" \(alias .*\)$")


@dataclass
class Node:
    """A node: its kind, what it is called, its children."""

    kind: str
    label: str
    children: list["Node"] = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse_tree(lines: Sequence[str]) -> Node:
    """
    Read the listing of one tree.

    Raises:
        Fault: If it is not the listing of exactly one tree.
    """
    root, used = _read(lines, 0, 0)
    if any(lines[used:]):
        raise _unreadable(lines[used])
    return root


def _read(lines: Sequence[str], place: int, indent: int) -> tuple[Node, int]:
    line = lines[place] if place < len(lines) else ""
    match = _LINE.match(line)
    if match is None or len(match["indent"]) != indent:
        raise _unreadable(line)
    node = Node(match["kind"], _ALIAS.sub("", match["label"]).strip())
    place += 1
    for _ in range(int(match["children"] or 0)):
        child, place = _read(lines, place, indent + 1)
        node.children.append(child)
    return node, place


def _unreadable(line: str) -> Fault:
    return Fault(ACCESS_DENIED, f"Not enough privileges: the query cannot be judged (at {line.strip()[:80]!r})")
