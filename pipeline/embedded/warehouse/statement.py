"""
What a request says: one statement, and for an INSERT the data after it.

The rule it owns: the data of an INSERT is never taken for SQL. It is cut off behind `VALUES` or `FORMAT X`, and goes
to the engine as bytes; only the head is a statement.
"""

from dataclasses import dataclass

from pipeline.embedded.warehouse.lexer import QUOTED, WORD, Token, tokens


@dataclass(frozen=True)
class Insert:
    """An INSERT with data: its statement up to the settings, those, the format, the data that came with the text."""

    head: str
    settings: str
    format: str
    data: bytes

    def from_file(self, path: str) -> str:
        """Return the statement that takes the data from a file as it is."""
        return f"{self.head}FROM INFILE {quoted_string(path)} COMPRESSION 'none' {self.settings}FORMAT {self.format}"


def split_insert(text: bytes) -> Insert | None:
    """Cut an INSERT into head, format and data; None where the text is no INSERT with data (as INSERT … SELECT)."""
    previous: Token | None = None
    before_settings = before_format = 0
    for index, token in enumerate(tokens(text)):
        if index == 0 and not token.is_word("INSERT"):
            return None
        if token.depth == 0 and token.is_word("SELECT", "WITH", "INFILE"):
            return None
        if token.depth == 0 and token.is_word("VALUES") and index > 2:
            return _cut(text, before_settings, token.end - len("VALUES"), "Values", text[token.end :])
        if previous is not None and previous.is_word("FORMAT") and previous.depth == 0 and token.kind == WORD:
            return _cut(text, before_settings, before_format, token.text, _after_format(text[token.end :]))
        if token.depth == 0 and token.is_word("SETTINGS"):
            before_settings = token.end - len("SETTINGS")
        if token.is_word("FORMAT"):
            before_format = token.end - len("FORMAT")
        previous = token
    return None


def output_format(text: str) -> str | None:
    """Return the format that the statement's own FORMAT clause names, if it has one."""
    found: str | None = None
    previous: Token | None = None
    for token in tokens(text.encode()):
        if token.depth == 0 and token.kind == WORD and previous is not None and previous.is_word("FORMAT"):
            found = token.text
        previous = token
    return found


def with_identifiers(head: str, parameters: dict[str, str]) -> str:
    """Put the values of `{name:Identifier}` into the head of an INSERT, quoted; the engine binds none there."""
    found = list(tokens(head.encode()))
    for index in range(len(found) - 4):
        opening, name, colon, kind, closing = found[index : index + 5]
        is_place = (opening.text, colon.text, closing.text) == ("{", ":", "}") and kind.is_word("IDENTIFIER")
        if is_place and name.kind in (WORD, QUOTED) and name.name in parameters:
            raw = head.encode()
            rest = with_identifiers(_decoded(raw[closing.end :]), parameters)
            return _decoded(raw[: opening.end - 1]) + quoted_name(parameters[name.name]) + rest
    return head


def quoted_name(name: str) -> str:
    """Return an identifier in back quotes."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quoted_string(value: str) -> str:
    """Return a string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def escaped_parameter(value: str) -> str:
    """Return a text as the value of a query parameter, in which the engine expects tab-separated escapes."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _cut(text: bytes, before_settings: int, before_format: int, form: str, data: bytes) -> Insert:
    head_end = before_settings or before_format
    return Insert(_decoded(text[:head_end]), _decoded(text[head_end:before_format]), form, data)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _after_format(rest: bytes) -> bytes:
    """Leave out blanks and one line end between the format's name and the data, as ClickHouse does."""
    rest = rest.lstrip(b" \t\f")
    if rest.startswith(b"\r\n"):
        return rest[2:]
    return rest[1:] if rest.startswith(b"\n") else rest
