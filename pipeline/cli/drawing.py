"""
Pictures as text: SVG, alone or in an HTML page.

One rule: a picture needs nothing but itself (no script, no font, no network), and whatever stands in it is escaped.
"""

from collections.abc import Sequence
from datetime import timedelta
from html import escape
from pathlib import Path

from pipeline.cli.errors import CommandError
from pipeline.cli.output import span

CHARACTER = 6.6
"""Width of a character at the size of labels, a little more than that of most fonts."""
SMALL_CHARACTER = 5.6
"""The same at the size of notes."""

_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1b1f24}.small{font-size:10px;fill:#57606a}"
    ".title{font-size:16px;font-weight:600}.end{text-anchor:end}.middle{text-anchor:middle}"
)


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Return a line of text."""
    chosen = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{chosen}>{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str) -> str:
    """Return a box with round corners."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" rx="4" '
        f'fill="{fill}" stroke="#d0d7de"/>'
    )


def titled(shapes: str, words: str) -> str:
    """Return shapes that say something more when one points at them."""
    return f"<g><title>{escape(words)}</title>{shapes}</g>"


def colour(share_bad: float) -> str:
    """Return a colour between calm grey-blue and red for a share that ends badly."""
    share = min(max(share_bad, 0.0), 1.0)
    calm, bad = (110, 135, 165), (207, 34, 46)
    return "#" + "".join(f"{round(low + (high - low) * share):02x}" for low, high in zip(calm, bad, strict=True))


def shorten(words: str, width: float) -> str:
    """Cut words to what has room in a width."""
    most = max(1, int(width / CHARACTER))
    return words if len(words) <= most else words[: most - 1] + "…"


def spell(seconds: float | None) -> str:
    """Return a time as people say it; nothing where there is none."""
    return "" if seconds is None else span(timedelta(seconds=seconds))


def draw(title: str, size: tuple[float, float], shapes: Sequence[str]) -> str:
    """Return the whole SVG."""
    width, height = size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{text(20, 28, title, "title")}\n'
        + "\n".join(shapes)
        + "\n</svg>\n"
    )


def keep(file: Path, title: str, svg: str) -> None:
    """
    Write the picture.

    Raises:
        CommandError: If the file cannot be written.
    """
    page = svg
    if file.suffix.lower() == ".html":
        page = (
            f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
            f"<body>\n{svg}</body>\n</html>\n"
        )
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"the picture cannot be written ({error.strerror})", where=str(file)) from error
