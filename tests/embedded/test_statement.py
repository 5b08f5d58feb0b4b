"""Where the data of an INSERT begins, which format a query ends with, and how names are put into text."""

import pytest

from pipeline.embedded.warehouse.lexer import tokens
from pipeline.embedded.warehouse.statement import (
    Insert,
    escaped_parameter,
    output_format,
    quoted_name,
    quoted_string,
    split_insert,
    with_identifiers,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"INSERT INTO t VALUES (1)", Insert("INSERT INTO t ", "", "Values", b" (1)")),
        (b"insert into t (a, b) values(1)", Insert("insert into t (a, b) ", "", "Values", b"(1)")),
        (b"INSERT INTO t FORMAT Native\n\x01\x00", Insert("INSERT INTO t ", "", "Native", b"\x01\x00")),
        (b"INSERT INTO t FORMAT CSV \r\n\n1", Insert("INSERT INTO t ", "", "CSV", b"\n1")),
        (b"INSERT INTO t FORMAT JSONEachRow {}", Insert("INSERT INTO t ", "", "JSONEachRow", b"{}")),
        (b"INSERT INTO t FORMAT Arrow", Insert("INSERT INTO t ", "", "Arrow", b"")),
        (b"INSERT INTO `values` (`format`) FORMAT CSV\n1", Insert("INSERT INTO `values` (`format`) ", "", "CSV", b"1")),
        (b"INSERT INTO t (format, values) FORMAT CSV\n1", Insert("INSERT INTO t (format, values) ", "", "CSV", b"1")),
        (b"INSERT INTO t SETTINGS a='(' VALUES 1", Insert("INSERT INTO t ", "SETTINGS a='(' ", "Values", b" 1")),
        (b"-- VALUES\nINSERT INTO t /*x*/ FORMAT TSV\n1", Insert("-- VALUES\nINSERT INTO t /*x*/ ", "", "TSV", b"1")),
        (b"INSERT INTO t SELECT 1", None),
        (b"INSERT INTO t WITH 1 AS x SELECT x FORMAT CSV", None),
        (b"INSERT INTO t FROM INFILE 'x' FORMAT CSV", None),
        (b"SELECT 1 FORMAT CSV", None),
        (b"", None),
    ],
)  # fmt: skip
def test_data_of_an_insert(text: bytes, expected: Insert | None) -> None:
    assert split_insert(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", None),
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("select 1 format JSON settings a = 1", "JSON"),
        ("SELECT format('CSV', a), 'FORMAT CSV' FROM t -- FORMAT TSV", None),
        ("SELECT * FROM (SELECT 1 FORMAT) FORMAT Arrow;", "Arrow"),
    ],
)
def test_format_of_a_query(text: str, expected: str | None) -> None:
    assert output_format(text) == expected


def test_quoted_names_and_strings_read_back() -> None:
    for value in ("plain", "it's", "a`b", 'a"b', "a\\b", "a\\'b; DROP"):
        (name,) = tokens(quoted_name(value).encode())
        assert name.name == value
        (text,) = tokens(quoted_string(value).encode())
        assert text.kind == "string"
    assert escaped_parameter("a\tb\\c\nd") == "a\\tb\\\\c\\nd"


def test_identifiers_are_put_in_quoted() -> None:
    head = "INSERT INTO {d:Identifier}.{t:Identifier} ({x:Identifier}, '{t:Identifier}') "
    found = with_identifiers(head, {"d": "my db", "t": "a`b", "unused": "z"})
    assert found == "INSERT INTO `my db`.`a\\`b` ({x:Identifier}, '{t:Identifier}') "


def test_tokens_know_strings_comments_and_brackets() -> None:
    text = "a('x)', \"y(\", `z`, $$ ( $$) # ! no\n-- (\n/* ( */ #! (\n b"
    found = list(tokens(text.encode()))
    assert [token.text for token in found if token.depth == 0][:3] == ["a", "(", ")"]
    assert found[-1].text == "b"
    assert found[-1].depth == 0
