"""
Where the lines of a graph run, and where their labels have room.

Boxes stand in columns. What leads to the next column goes straight there; what skips columns along the top row goes
over the boxes between, what leads back goes below them, the further the higher or deeper, so that no line hides behind
a box or another line.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.cli.drawing import SMALL_CHARACTER

COLUMN, ROW, WIDTH, HEIGHT = 220, 92, 150, 38
LEFT = 30
_MIDDLE = HEIGHT / 2
_LIFT = 26
# Of a cubic curve whose ends are level the apex lies at three quarters of the height of its handles.
_APEX = 0.75
_LINE = 11.0
_TRIES = 24

Area = tuple[float, float, float, float]
"""Left, upper, right and lower side."""


@dataclass(frozen=True)
class Place:
    """
    Where a box stands.

    Args:
        column: From the left.
        row: Of its column, from the top.
        rows: That its column has.
        y: Its upper side.
    """

    column: int
    row: int
    rows: int
    y: float

    @property
    def x(self) -> float:
        """Its left side."""
        return LEFT + self.column * COLUMN


@dataclass(frozen=True)
class Line:
    """A line: its SVG path, and the middle of the label's base line."""

    path: str
    x: float
    y: float


def headroom(span: int) -> float:
    """Return how far lines rise over the top row, or sink below the lowest one, that span so many columns."""
    return _LIFT * (span + 1) * _APEX if span > 1 else _LIFT + 10


def run(one: Place, other: Place) -> Line:
    """Return the line from a box to another, or to itself."""
    columns = other.column - one.column
    if one == other:
        return Line(f"M{one.x + 50:.0f} {one.y:.0f}c0 -34 50 -34 50 0", one.x + 75, one.y - 29)
    if columns == 0:
        return _within_a_column(one, other)
    if columns > 1 and one.row == other.row == 0:
        return _arc(one.x + 0.8 * WIDTH, one.y, other.x + 0.2 * WIDTH, other.y, -_LIFT * (columns + 1))
    if columns > 0:
        bend, fall = (other.x - one.x - WIDTH) / 2, other.y - one.y
        path = (
            f"M{one.x + WIDTH:.0f} {one.y + _MIDDLE:.0f}c{bend:.0f} 0 {bend:.0f} {fall:.0f} {2 * bend:.0f} {fall:.0f}"
        )
        return Line(path, (one.x + WIDTH + other.x) / 2, (one.y + other.y) / 2 + _MIDDLE - 5)
    low = max(one.y, other.y) + HEIGHT
    deep = low + _LIFT * (1 - columns)
    start, end, y1, y2 = one.x + 0.25 * WIDTH, other.x + 0.75 * WIDTH, one.y + HEIGHT, other.y + HEIGHT
    path = f"M{start:.0f} {y1:.0f}C{start:.0f} {deep:.0f} {end:.0f} {deep:.0f} {end:.0f} {y2:.0f}"
    return Line(path, (start + end) / 2, (y1 + y2) / 8 + _APEX * deep + 10)


def _arc(x1: float, y1: float, x2: float, y2: float, rise: float) -> Line:
    path = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + rise:.0f} {x2:.0f} {y2 + rise:.0f} {x2:.0f} {y2:.0f}"
    return Line(path, (x1 + x2) / 2, (y1 + y2) / 2 + _APEX * rise - 4)


def _within_a_column(one: Place, other: Place) -> Line:
    rows = other.row - one.row
    if abs(rows) == 1:
        x = one.x + (0.7 if rows > 0 else 0.3) * WIDTH
        y1, y2 = (one.y + HEIGHT, other.y) if rows > 0 else (one.y, other.y + HEIGHT)
        return Line(f"M{x:.0f} {y1:.0f}L{x:.0f} {y2:.0f}", x, (y1 + y2) / 2 + 4)
    # Down on the right side, up on the left one.
    x, bulge = (one.x + WIDTH, 12.0 * rows) if rows > 0 else (one.x, 12.0 * rows)
    y1, y2 = one.y + _MIDDLE, other.y + _MIDDLE
    path = f"M{x:.0f} {y1:.0f}C{x + bulge:.0f} {y1:.0f} {x + bulge:.0f} {y2:.0f} {x:.0f} {y2:.0f}"
    return Line(path, x + _APEX * bulge, (y1 + y2) / 2 + 4)


class Labels:
    """Labels that stand neither on each other nor on a box."""

    def __init__(self, boxes: Iterable[Place]) -> None:
        """Begin with the boxes."""
        self._taken: list[Area] = [(at.x, at.y, at.x + WIDTH, at.y + HEIGHT) for at in boxes]

    def settle(self, line: Line, words: str) -> tuple[float, float]:
        """Return where the words of a line stand: at its middle, or as near above or below it as there is room."""
        half = len(words) * SMALL_CHARACTER / 2
        # 0, one line up, one down, two up, …
        lines_off = [(step + 1) // 2 * (-1 if step % 2 else 1) for step in range(_TRIES)]
        areas: list[Area] = [
            (line.x - half, line.y + off * _LINE - 8, line.x + half, line.y + off * _LINE + 2) for off in lines_off
        ]
        free = (area for area in areas if not any(_touch(area, other) for other in self._taken))
        area = next(free, areas[0])
        self._taken.append(area)
        return line.x, area[3] - 2


def _touch(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
