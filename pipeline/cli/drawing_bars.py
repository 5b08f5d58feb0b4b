"""Rows of bars as a picture: what a funnel keeps from step to step, or which paths are taken how often."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.cli.drawing import CHARACTER, box, colour, draw, text, titled

_TOP, _ROW, _BAR = 64, 46, 420


@dataclass(frozen=True)
class Bar:
    """
    One row.

    Args:
        label: What it is about.
        length: Share of the longest, 0 to 1.
        said: Numbers beside the bar.
        share_bad: Share that ends badly, which colours the bar.
    """

    label: str
    length: float
    said: str
    share_bad: float = 0.0


def draw_bars(title: str, bars: Sequence[Bar], note: str) -> str:
    """Return the bars as SVG, each below its label."""
    shapes = [text(20, 48, note, "small")]
    widest = max((max(len(bar.label) * CHARACTER, _BAR + 20 + len(bar.said) * CHARACTER) for bar in bars), default=0)
    for number, bar in enumerate(bars):
        y = _TOP + number * _ROW
        drawn = box(20, y + 16, _BAR, 16, "#f6f8fa") + box(20, y + 16, _BAR * bar.length, 16, colour(bar.share_bad))
        drawn += text(20, y + 11, bar.label) + text(30 + _BAR, y + 29, bar.said, "small")
        shapes.append(titled(drawn, f"{bar.label}: {bar.said}"))
    return draw(title, (max(widest + 40, 480), _TOP + _ROW * len(bars) + 16), shapes)
