"""Lines of a graph: none runs behind a box that it passes, and no label stands on another."""

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest

from pipeline.cli.drawing import SMALL_CHARACTER
from pipeline.cli.drawing_graph import draw_graph
from pipeline.cli.drawing_lines import HEIGHT, WIDTH, Place, run

CHANNELS = ("app", "chat", "email", "phone", "web")
SVG = "{http://www.w3.org/2000/svg}"


def at(column: int) -> Place:
    return Place(column, 0, 1, 300.0)


def points(path: str) -> list[tuple[float, float]]:
    """Points along a path of one absolute cubic curve."""
    numbers = [float(number) for number in re.findall(r"-?[0-9.]+", path)]
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = zip(numbers[::2], numbers[1::2], strict=True)
    found = []
    for step in range(101):
        t = step / 100
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        found.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return found


@pytest.mark.parametrize(("start", "end"), [(0, 2), (1, 5), (0, 9), (2, 0), (9, 1), (3, 2)])
def test_what_passes_a_box_goes_over_or_below_it(start: int, end: int) -> None:
    assert "C" in run(at(start), at(end)).path
    for x, y in points(run(at(start), at(end)).path):
        for between in range(min(start, end) + 1, max(start, end)):
            box = at(between)
            assert not (box.x <= x <= box.x + WIDTH and box.y < y < box.y + HEIGHT)


def test_longer_lines_lie_further_out() -> None:
    over = [min(y for _, y in points(run(at(0), at(end)).path)) for end in range(2, 9)]
    below = [max(y for _, y in points(run(at(end), at(0)).path)) for end in range(1, 9)]
    assert all(inner > outer for inner, outer in pairwise(over))
    assert all(inner < outer for inner, outer in pairwise(below))


def test_every_label_can_be_read_and_is_inside() -> None:
    edges = [
        {"from": one, "to": other, "times": 1000, "median_seconds": 86_399, "share_ends_badly": 0.5}
        for one in ("(start)", *CHANNELS)
        for other in (*CHANNELS, "(end)")
    ]
    picture = ElementTree.fromstring(draw_graph("Journeys by channel", edges, {}))
    width, height = float(picture.attrib["width"]), float(picture.attrib["height"])
    labels = [
        (float(element.attrib["x"]), float(element.attrib["y"]), len(element.text or "") * SMALL_CHARACTER / 2)
        for element in picture.iter(f"{SVG}text")
        if "·" in (element.text or "") and "middle" in element.attrib.get("class", "")
    ]
    assert len(labels) == len(CHANNELS) ** 2 + len(CHANNELS) + 1 + len(CHANNELS)
    assert all(half < x < width - half and 0 < y < height for x, y, half in labels)
    for (x1, y1, half1), (x2, y2, half2) in combinations(labels, 2):
        assert abs(x1 - x2) >= half1 + half2 or abs(y1 - y2) >= 10
