"""
Themes of comments as data: which there are, and by which words a comment is about one.

One rule: a theme is a list of words that people can read and change. Everything that is wrong with a declaration is
told at once, with its place.
"""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from pipeline.warehouse.declared_tables import read_tables
from pipeline.warehouse.errors import translated

MOST_THEMES: Final = 30

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
# Scripts that put no space between words: a word may stand anywhere in a run of letters.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_NEXT = "greatest(now64(6, 'UTC'), (SELECT addMicroseconds(max(set_at), 1) FROM theme_rules))"


class ThemeError(Exception):
    """A declaration that cannot be used: every fault with its place, one a line."""


@dataclass(frozen=True)
class Theme:
    """One theme: its stable name, a name for people, and the words of all languages."""

    name: str
    title: str
    words: tuple[str, ...]

    def pattern(self) -> str:
        """Return a regular expression (RE2) over the words of a comment, each between single spaces."""
        spaced = [_escaped(word) for word in self.words if not _UNSPACED.search(word)]
        parts = [f" (?:{'|'.join(spaced)}) "] if spaced else []
        return "|".join([*parts, *(_escaped(word) for word in self.words if _UNSPACED.search(word))])


def default_themes() -> tuple[Theme, ...]:
    """Return the themes that the package brings."""
    return read_themes(files("pipeline.warehouse").joinpath("themes.toml").read_text(encoding="utf-8"))


def read_themes(text: str) -> tuple[Theme, ...]:
    """
    Read themes from TOML, in their order.

    Raises:
        ThemeError: If it is not TOML, names what is not known, or holds a word that no comment can have.
    """
    try:
        themes, faults = read_tables(text, "theme", MOST_THEMES, _read_one)
    except tomllib.TOMLDecodeError as error:
        raise ThemeError(f"not TOML: {error}") from error
    names = [theme.name for theme in themes]
    faults += [f"{name}: the name is given twice" for name in sorted({n for n in names if n and names.count(n) > 1})]
    if faults:
        raise ThemeError("\n".join(faults))
    return tuple(themes)


def declare_themes(client: Client, document: str, themes: tuple[Theme, ...]) -> None:
    """
    Let these themes hold from now on; none: those of the package.

    Raises:
        WarehouseUnavailable: If the warehouse does not answer.
    """
    values = {
        "document": document,
        "names": [theme.name for theme in themes],
        "titles": [theme.title for theme in themes],
        "patterns": [theme.pattern() for theme in themes],
    }
    with translated():
        client.command(
            f"INSERT INTO theme_rules (set_at, {', '.join(values)}) SELECT {_NEXT}, {{document:String}}, "
            "{names:Array(String)}, {titles:Array(String)}, {patterns:Array(String)}",
            parameters=values,
        )


def _read_one(table: Any) -> tuple[Theme, list[str]]:  # noqa: ANN401 (whatever TOML holds)
    if not isinstance(table, dict):
        return Theme("", "", ()), ["must be a table"]
    faults = []
    name, title = (table.get(key) if isinstance(table.get(key), str) else "" for key in ("name", "title"))
    if not _NAME.fullmatch(str(name)):
        faults.append("name: lower-case letters, digits and _, at most 40, a letter first")
    if not str(title).strip():
        faults.append("title: a text is needed")
    words: list[str] = []
    for language, listed in table.items():
        if language in ("name", "title"):
            continue
        if not _LANGUAGE.fullmatch(language):
            faults.append(f"{language}: unknown; name, title, or a language of ISO 639 as en")
        elif not isinstance(listed, list) or not listed:
            faults.append(f"{language}: a list of words is needed")
        else:
            faults += [f"{language}: {word!r} is no word" for word in listed if not _is_word(word)]
            words += [unicodedata.normalize("NFC", word.lower()) for word in listed if _is_word(word)]
    if not words and not faults:
        faults.append("has no words")
    return Theme(str(name), str(title), tuple(dict.fromkeys(words))), faults


def _is_word(word: object) -> bool:
    if not isinstance(word, str) or word != " ".join(word.split()):
        return False
    letters = word.removesuffix("*").replace(" ", "").replace("'", "").replace("’", "")
    return bool(letters) and all(unicodedata.category(letter)[0] in "LM" for letter in letters)


def _escaped(word: str) -> str:
    return re.escape(word.removesuffix("*")).replace("\\ ", " ") + ("[^ ]*" if word.endswith("*") else "")
