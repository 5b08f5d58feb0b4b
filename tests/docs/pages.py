"""The documents, taken apart: fenced blocks with the heading above them, commands, links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RENDERED = ROOT / "docs" / "reference"

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(
    r"(?:<!-- (?P<note>[^>]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
_END_OF_COMMAND = ("|", "||", "<", ">", ">>", "&&", ";", "#")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the heading above it and the comment right before it."""

    page: Path
    language: str
    text: str
    heading: str
    note: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}: {self.heading}"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        above = _HEADING.findall(_without_fences(text[: match.start()]))
        heading = above[-1] if above else ""
        found.append(Block(page, match["language"], match["text"], heading, match["note"] or ""))
    return found


def all_blocks(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language in languages]


def links(page: Path) -> list[str]:
    """Return where the links of a page lead, those to other sites left out."""
    found = _LINK.findall(_without_fences(page.read_text(encoding="utf-8")))
    return [link for link in found if "://" not in link]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    headings = _HEADING.findall(_without_fences(page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_lines(page: Path) -> Iterator[str]:
    """Return every line that a reader may type: from shell blocks, and from code in sentences."""
    yield from typed_lines(page)
    for code in _INLINE.findall(_without_fences(page.read_text(encoding="utf-8"))):
        yield from code.split(" && ")


def typed_lines(page: Path) -> Iterator[str]:
    """Return the lines of shell blocks."""
    for block in blocks(page):
        if block.language in ("console", "bash"):
            yield from block.text.replace("\\\n", " ").splitlines()


def arguments_of(line: str, program: str) -> list[str] | None:
    """Return the arguments that a line calls the program with; None where it calls another."""
    if program not in line:
        return None
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None  # a line of a program in another language
    while words and _ASSIGNMENT.match(words[0]):
        words = words[1:]
    if not words or words[0] != program:
        return None
    ends = [index for index, word in enumerate(words) if word in _END_OF_COMMAND]
    return words[1 : ends[0] if ends else None]


def _without_fences(text: str) -> str:
    return _FENCE.sub("", text)
