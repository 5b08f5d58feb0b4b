"""Curves as SVG: lines through points, an axis that may be logarithmic, and nothing that needs a script or a font."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.cli.drawing import box, draw, text

WIDTH, HEIGHT = 640.0, 360.0
LEFT, RIGHT, TOP, BOTTOM = 76.0, 20.0, 62.0, 58.0
TICKS = 4
COLOURS = ("#0969da", "#cf222e", "#1a7f37", "#8250df")


@dataclass(frozen=True)
class Point:
    """A place on the axis, and the figures there by their names."""

    x: float
    figures: Mapping[str, float]


def draw_curve(title: str, axis: str, unit: str, points: Sequence[Point], *, is_logarithmic: bool) -> str:
    """
    Return a picture of every figure over the axis; figures begin at zero.

    Args:
        title: Above the picture.
        axis: What is turned.
        unit: Of the figures.
        points: In order of the axis, at least one.
        is_logarithmic: Whether equal steps on the axis are equal ratios; a place of zero then stands at one.
    """
    scale = (lambda value: math.log10(max(value, 1.0))) if is_logarithmic else float
    places = [scale(point.x) for point in points]
    low, span = min(places), (max(places) - min(places)) or 1.0
    top = _round_up(max(value for point in points for value in point.figures.values()))

    def across(place: float) -> float:
        return LEFT + (place - low) / span * (WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    shapes = [text(LEFT, 48, unit, "small")]
    for number in range(TICKS + 1):
        value = top * number / TICKS
        shapes.append(_line([(LEFT, down(value)), (WIDTH - RIGHT, down(value))], "#d0d7de", 0.7))
        shapes.append(text(LEFT - 6, down(value) + 4, f"{value:,.6g}" if top < 10 else f"{value:,.0f}", "small end"))
    for place, point in zip(places, points, strict=True):
        shapes.append(text(across(place), HEIGHT - BOTTOM + 16, f"{point.x:,.0f}", "small middle"))
    shapes.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 34, axis, "middle"))
    for number, name in enumerate(points[0].figures):
        colour = COLOURS[number % len(COLOURS)]
        path = [(across(place), down(point.figures[name])) for place, point in zip(places, points, strict=True)]
        shapes.append(_line(path, colour, 2))
        shapes += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in path]
        shapes.append(box(LEFT + number * 170, HEIGHT - 16, 10, 10, colour))
        shapes.append(text(LEFT + 16 + number * 170, HEIGHT - 7, name.replace("_", " "), "small"))
    return draw(title, (WIDTH, HEIGHT), shapes)


def _line(path: Sequence[tuple[float, float]], colour: str, width: float) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in path)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 5, 8 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return power * next(step for step in (1, 2, 4, 5, 8, 10) if value <= step * power * 1.0000001)
