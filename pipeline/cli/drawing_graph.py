"""
The directly-follows graph as a picture: stages from left to right, what is frequent on top, thick lines for many.

The redder a line, the more of its journeys end badly.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

from pipeline.cli.drawing import box, colour, draw, shorten, spell, text, titled
from pipeline.cli.drawing_lines import COLUMN, HEIGHT, LEFT, ROW, WIDTH, Labels, Place, headroom, run
from pipeline.cli.journey_filters import stage_order
from pipeline.cli.wording import name_type
from pipeline.contracts.types import touchpoint_types

START, END = "(start)", "(end)"
_NOTE = "line: how often · time: median · red: share of journeys that end badly · box: how often in all"

_ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" orient="auto" '
    'markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker></defs>'
)

Edge = Mapping[str, Any]


def draw_graph(title: str, edges: Sequence[Edge], seen: Mapping[str, int], note: str = "") -> str:
    """
    Return the graph as SVG.

    Args:
        title: What it shows.
        edges: Rows with from, to, times, median_seconds, share_ends_badly.
        seen: How often each node stands in a journey, whether or not the edges that tell so are drawn.
        note: What else the reader should know.
    """
    columns = _columns({node: seen.get(node, 0) for edge in edges for node in (edge["from"], edge["to"])})
    number = {node: column for column, nodes in enumerate(columns) for node in nodes}
    spans = [number[edge["to"]] - number[edge["from"]] for edge in edges]
    top = 74 + headroom(max(spans, default=0))
    places = {
        node: Place(column, row, len(nodes), top + row * ROW)
        for column, nodes in enumerate(columns)
        for row, node in enumerate(nodes)
    }
    most = max((int(edge["times"]) for edge in edges), default=1)
    labels = Labels(places.values())
    frequent = sorted(edges, key=lambda edge: -int(edge["times"]))
    # Frequent ones have their label at the best place; they are drawn last, on top of the others.
    lines = [_line(edge, places, most, labels) for edge in frequent][::-1]
    nodes = [
        box(at.x, at.y, WIDTH, HEIGHT, "#f6f8fa" if node not in (START, END) else "#ddf4ff")
        + text(at.x + WIDTH / 2, at.y + 17, shorten(_name(node), WIDTH - 8), "middle")
        + text(at.x + WIDTH / 2, at.y + 31, f"{seen.get(node, 0):,}", "small middle")
        for node, at in places.items()
    ]
    height = top + ROW * max((len(nodes) for nodes in columns), default=0) + headroom(-min(spans, default=0)) + 10
    width = max(LEFT * 2 + COLUMN * len(columns), 480)
    notes = [text(20, 48, _NOTE, "small"), *([text(20, 62, note, "small")] if note else [])]
    return draw(
        title, (width, height), [_ARROW, *notes, *(shape for shape, _ in lines), *nodes, *(w for _, w in lines)]
    )


def _columns(flow: Mapping[str, int]) -> list[list[str]]:
    """Put the nodes into columns: the start, then by stage, then the end."""
    found: dict[tuple[int, str], list[str]] = {}
    for node in sorted(flow, key=lambda node: (-flow[node], node)):
        known = touchpoint_types().get(node)
        place = {START: -1, END: 99}.get(node, stage_order(known.stage if known else node))
        # Channels have no stage, so each is a column of its own.
        found.setdefault((place, "" if known or place < stage_order("") else node), []).append(node)
    return [found[key] for key in sorted(found)]


def _line(edge: Edge, places: Mapping[str, Place], most: int, labels: Labels) -> tuple[str, str]:
    """Return the shape of an edge, and its label."""
    line = run(places[edge["from"]], places[edge["to"]])
    thickness = 1 + 9 * sqrt(int(edge["times"]) / most)
    bad = float(edge["share_ends_badly"])
    time = spell(edge["median_seconds"])
    label = f"{int(edge['times']):,}" + (f" · {time}" if time else "")
    said = f"{_name(edge['from'])} → {_name(edge['to'])}: {label}, {bad:.0%} end badly"
    shape = (
        f'<path d="{line.path}" fill="none" stroke="{colour(bad)}" stroke-opacity="0.7" stroke-width="{thickness:.1f}" '
        'marker-end="url(#arrow)"/>'
    )
    x, y = labels.settle(line, label)
    return titled(shape, said), titled(text(x, y, label, "small middle"), said)


def _name(node: str) -> str:
    return name_type(node) if "." in node else node.strip("()")
