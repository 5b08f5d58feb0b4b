"""Canonical dumps of the order-free views: one sorted list of JSON lines a view, the same bytes for the same facts."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from pipeline.cli.clickhouse import Warehouse

Dump = dict[str, list[str]]

# Every order-free view with the columns that name a row.
VIEWS: Mapping[str, tuple[str, ...]] = {
    "v_touchpoints": ("event_uid",),
    "v_visits": ("visit_id",),
    "v_journeys": ("journey_id",),
    "v_journey_steps": ("event_uid",),
    "v_pain_points": ("pain_point_id",),
    "v_customers": ("customer_uid",),
    "v_identities": ("ident_key",),
    "v_persona_history": ("customer_uid", "valid_from"),
    "v_rfm": ("customer_uid", "currency"),
    "v_comments": ("event_uid",),
    "v_words": ("phrase", "size"),
    "v_pain_chances": ("kind", "event_uid", "customer_uid", "occurred_at"),
    "v_impact_strata": ("kind", "outcome", "stage", "currency", "value", "channel"),
}
# The clock ends the history; up to the last touchpoint it depends on the touchpoints alone.
SOURCES: Mapping[str, str] = {
    "v_persona_history": "(SELECT h.customer_uid, h.persona, h.valid_from, if(h.valid_to > last, NULL, h.valid_to) AS "
    "valid_to FROM v_persona_history AS h CROSS JOIN (SELECT max(last_seen_at) AS last FROM v_customers) AS l "
    "WHERE h.valid_from <= last)"
}
BY_RECEIPT = ("received_at", "sent_at", "clock_skew_ms")


def dump_of(warehouse: Warehouse) -> Dump:
    """Read every order-free view whole."""
    dump = {}
    for view in VIEWS:
        columns = f"* EXCEPT ({', '.join(BY_RECEIPT)})" if view == "v_touchpoints" else "*"
        sql = f"SELECT {columns} FROM {SOURCES.get(view, view)} SETTINGS output_format_json_quote_64bit_integers = 0"
        with warehouse.ask(sql, "JSONEachRow") as answer:
            dump[view] = canonical(_read(answer))
    return dump


def canonical(rows: Iterable[Mapping[str, Any]], without: Sequence[str] = ()) -> list[str]:
    """
    Return rows as sorted JSON lines.

    A column that is NULL or an empty list is left out of its row, and a body, which is JSON as text, is read.

    Args:
        rows: The rows of a view, each with all its columns.
        without: Columns that do not count.
    """
    lines = []
    for row in rows:
        plain = {name: _plain(value) for name, value in row.items() if value not in (None, []) and name not in without}
        if "body" in plain:
            body = plain["body"]
            plain["body"] = _without_nulls(_plain(json.loads(body)) if isinstance(body, str) else body)
        lines.append(json.dumps(plain, sort_keys=True, ensure_ascii=False))
    return sorted(lines)


def without_rows(dump: Mapping[str, list[str]], view: str, column: str, values: Iterable[str]) -> Dump:
    """Return a dump in which one view lacks the rows that have one of these values."""
    gone = set(values)
    return {**dump, view: [line for line in dump[view] if json.loads(line)[column] not in gone]}


def differences(expected: Mapping[str, list[str]], found: Mapping[str, list[str]], most: int = 3) -> list[str]:
    """Return the first rows of each view that only one of two dumps has, in words; empty: they are the same bytes."""
    told = []
    for view, lines in expected.items():
        if lines == found[view]:
            continue
        missing, surplus = _beyond(lines, found[view]), _beyond(found[view], lines)
        told.append(f"{view}: {len(missing)} expected rows are not there, {len(surplus)} are that should not be")
        others = {_name(view, row): row for row in surplus}
        for row in missing[:most]:
            other = others.pop(_name(view, row), None)
            told.append(f"  {_name(view, row)}: " + (_columns(row, other) if other else f"missing: {json.dumps(row)}"))
        told += [f"  {name}: surplus: {json.dumps(row)}" for name, row in list(others.items())[:most]]
    return told


def _read(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Read rows as they stream in; what a server that gives up says in their place is told."""
    for line in lines:
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise RuntimeError(f"the warehouse gave up: {line.decode(errors='replace')}") from error


def _plain(value: Any) -> Any:
    """Return a value in which a whole number is an int, however it was written."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _beyond(lines: list[str], others: list[str]) -> list[dict[str, Any]]:
    """Return the rows that occur more often in the first list."""
    return [json.loads(line) for line in (Counter(lines) - Counter(others)).elements()]


def _name(view: str, row: Mapping[str, Any]) -> str:
    return " ".join(str(row[column]) for column in VIEWS[view])


def _columns(expected: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Tell the columns in which two rows of one name differ."""
    names = sorted({*expected, *found})
    return "; ".join(
        f"{name} expected {expected.get(name)!r}, found {found.get(name)!r}"
        for name in names
        if expected.get(name) != found.get(name)
    )
