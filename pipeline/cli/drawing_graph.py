"""
The directly-follows graph as a picture: stages from left to right, what is frequent on top, thick lines for many.

The redder a line, the more of its journeys end badly. Lines that lead back bend below.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from pipeline.cli.drawing import box, colour, draw, shorten, spell, text, titled
from pipeline.cli.journey_filters import stage_order
from pipeline.cli.wording import name_type
from pipeline.contracts.types import touchpoint_types

START, END = "(start)", "(end)"
_COLUMN, _ROW, _WIDTH, _HEIGHT = 220, 92, 150, 38
_LEFT, _TOP = 30, 110

_ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" orient="auto" '
    'markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker></defs>'
)

Edge = Mapping[str, Any]
Places = Mapping[str, tuple[float, float]]


def draw_graph(title: str, edges: Sequence[Edge]) -> str:
    """
    Return the graph as SVG.

    Args:
        title: What it shows.
        edges: Rows with from, to, times, median_seconds, share_ends_badly.
    """
    flow: Counter[str] = Counter()
    for edge in edges:
        flow[edge["from"]] += int(edge["times"])
        flow[edge["to"]] += int(edge["times"]) if edge["to"] == END else 0
    for edge in edges:
        flow.setdefault(edge["to"], 0)
    columns = _columns(flow)
    places = {
        node: (_LEFT + number * _COLUMN, _TOP + row * _ROW)
        for number, nodes in enumerate(columns)
        for row, node in enumerate(nodes)
    }
    most = max((int(edge["times"]) for edge in edges), default=1)
    lines = [_line(edge, places, most) for edge in sorted(edges, key=lambda edge: int(edge["times"]))]
    nodes = [
        box(x, y, _WIDTH, _HEIGHT, "#f6f8fa" if node not in (START, END) else "#ddf4ff")
        + text(x + _WIDTH / 2, y + 17, shorten(_name(node), _WIDTH - 8), "middle")
        + text(x + _WIDTH / 2, y + 31, f"{flow[node]:,}", "small middle")
        for node, (x, y) in places.items()
    ]
    height = _TOP + _ROW * max((len(nodes) for nodes in columns), default=0) + 50
    width = max(_LEFT * 2 + _COLUMN * len(columns), 480)
    note = "line: how often · time: median · red: share of journeys that end badly"
    return draw(title, (width, height), [_ARROW, text(20, 48, note, "small"), *lines, *nodes])


def _columns(flow: Mapping[str, int]) -> list[list[str]]:
    """Put the nodes into columns: the start, then by stage, then the end."""
    found: dict[tuple[int, str], list[str]] = {}
    for node in sorted(flow, key=lambda node: (-flow[node], node)):
        known = touchpoint_types().get(node)
        place = {START: -1, END: 99}.get(node, stage_order(known.stage if known else node))
        # Channels have no stage, so each is a column of its own.
        found.setdefault((place, "" if known or place < stage_order("") else node), []).append(node)
    return [found[key] for key in sorted(found)]


def _line(edge: Edge, places: Places, most: int) -> str:
    (x1, y1), (x2, y2) = places[edge["from"]], places[edge["to"]]
    thickness = 1 + 9 * sqrt(int(edge["times"]) / most)
    middle = _HEIGHT / 2
    if edge["from"] == edge["to"]:
        path = f"M{x1 + 50:.0f} {y1:.0f}c0 -34 50 -34 50 0"
        spot = (x1 + 75, y1 - 28)
    elif x2 > x1:
        bend = (x2 - x1 - _WIDTH) / 2
        path = (
            f"M{x1 + _WIDTH:.0f} {y1 + middle:.0f}c{bend:.0f} 0 {bend:.0f} {y2 - y1:.0f} {2 * bend:.0f} {y2 - y1:.0f}"
        )
        spot = ((x1 + _WIDTH + x2) / 2, (y1 + y2) / 2 + middle - 5)
    else:
        low = max(y1, y2) + _HEIGHT + 34
        path = (
            f"M{x1 + 60:.0f} {y1 + _HEIGHT:.0f}C{x1 + 60:.0f} {low:.0f} {x2 + 90:.0f} {low:.0f} "
            f"{x2 + 90:.0f} {y2 + _HEIGHT:.0f}"
        )
        spot = ((x1 + x2) / 2 + 75, low - 10)
    bad = float(edge["share_ends_badly"])
    time = spell(edge["median_seconds"])
    label = f"{int(edge['times']):,}" + (f" · {time}" if time else "")
    said = f"{_name(edge['from'])} → {_name(edge['to'])}: {label}, {bad:.0%} end badly"
    shape = (
        f'<path d="{path}" fill="none" stroke="{colour(bad)}" stroke-opacity="0.7" stroke-width="{thickness:.1f}" '
        'marker-end="url(#arrow)"/>'
    )
    return titled(shape + text(*spot, label, "small middle"), said)


def _name(node: str) -> str:
    return name_type(node) if "." in node else node.strip("()")
