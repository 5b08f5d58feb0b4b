"""
Tokens of ClickHouse SQL, enough to find where things are; never to judge alone what a statement does.

What a statement *is* the engine's own parser says. Tokens tell where the data of an INSERT begins, which FORMAT a
query ends with, and which names stand in text that the engine has already put into its canonical form.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

WORD, QUOTED, STRING, NUMBER, SIGN = "word", "quoted", "string", "number", "sign"

_TOKEN = re.compile(
    rb"""
    (?P<skip>\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/)
    |(?P<string>'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<quoted>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    |(?P<word>[A-Za-z_\x80-\xff][\w\x80-\xff]*)
    |(?P<number>[0-9][\w.]*)
    |(?P<sign>->|::|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


class Token(NamedTuple):
    """A token: what it is, its text, where it ends, and how many brackets are open around it."""

    kind: str
    text: str
    end: int
    depth: int

    def is_word(self, *words: str) -> bool:
        """Say whether this is one of these keywords (in upper case), outside of quotes."""
        return self.kind == WORD and self.text.upper() in words

    @property
    def name(self) -> str:
        """The identifier that the token spells, without its quotes."""
        return re.sub(r"\\(.)", r"\1", self.text[1:-1]) if self.kind == QUOTED else self.text


def tokens(text: bytes) -> Iterator[Token]:
    """Yield the tokens of a text, comments and blanks left out; lazily, so that what follows is never looked at."""
    depth = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "tag":
            kind = STRING
        if kind is None or kind == "skip":
            continue
        value = match[kind].decode("utf-8", "replace")
        if value in _CLOSING:
            depth -= 1
        yield Token(kind, value, match.end(), depth)
        if value in _OPENING:
            depth += 1
