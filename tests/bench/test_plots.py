"""A curve is a picture that stands alone."""

from xml.etree import ElementTree

from bench.plots import Point, draw_curve


def test_a_curve_has_a_point_for_every_figure() -> None:
    points = [Point(0, {"landed": 5.0, "stitched": 2.0}), Point(1_000, {"landed": 10.0, "stitched": 3.0})]
    root = ElementTree.fromstring(draw_curve("A <curve>", "bytes", "a second", points, is_logarithmic=True))
    circles = [element for element in root.iter() if element.tag.endswith("circle")]
    assert len(circles) == 4
    heights = {float(circle.attrib["cy"]) for circle in circles}
    assert min(heights) == 62.0, "the greatest figure stands at the top of the scale"
    assert "landed" in "".join(root.itertext())


def test_one_point_is_drawn_too() -> None:
    svg = draw_curve("One", "x", "y", [Point(3, {"speed": 0.0})], is_logarithmic=False)
    assert svg.count("<circle") == 1
