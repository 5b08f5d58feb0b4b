"""
Render what other tools read about the views: a picture of how they hang together, and a sources file for dbt.

Both are made from the declarations that ClickHouse's COMMENTs come from, so neither can drift from the views.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from pipeline.cli.drawing import box, draw, text, titled
from pipeline.warehouse.declarations import View
from pipeline.warehouse.views import core_views, views

HOMES: Mapping[str, str] = {
    "customer_uid": "v_customers",
    "journey_id": "v_journeys",
    "visit_id": "v_visits",
    "event_uid": "v_touchpoints",
    "ident_key": "v_identities",
    "persona": "v_persona_definitions",
}
"""Columns by which views are joined, and the view that has one row for each."""
_NAMED_OTHERWISE: Mapping[str, str] = {
    "from_customer_uid": "customer_uid",
    "to_customer_uid": "customer_uid",
    "cause_event_uid": "event_uid",
    "evidence": "event_uid",
    "identifiers": "ident_key",
}
# A theme stands in an array of names and is joined by nothing else; words are counted, not joined.
_COLOURS = ("#0969da", "#8250df", "#1a7f37", "#bc4c00", "#57606a", "#bf3989")
_WIDTH, _ROW, _GAP, _TOP = 230, 17, 26, 66
_COLUMNS = (30, 400, 770)


def render_picture() -> str:
    """Return the picture as SVG: every view that is joined by some column, and to what."""
    joined = [view for view in core_views().values() if any(links(view))]
    homes = [view for view in joined if view.name in HOMES.values()]
    others = [view for view in joined if view.name not in HOMES.values()]
    half = (len(others) + 1) // 2
    places: dict[str, tuple[float, float]] = {}
    bottoms = []
    for x, column in zip(_COLUMNS, (others[:half], homes, others[half:]), strict=True):
        y = float(_TOP)
        for view in column:
            places[view.name] = (x, y)
            y += _height(view) + _GAP
        bottoms.append(y)
    lines = [line for view in joined for line in _lines(view, places)]
    boxes = [shape for view in joined for shape in _box(view, places[view.name])]
    note = "lines: columns that join views · each view has more columns than are shown"
    size = (_COLUMNS[-1] + _WIDTH + 30, max(bottoms) + 10)
    return draw("The views and what joins them", size, [text(20, 48, note, "small"), *lines, *boxes])


def links(view: View) -> Iterator[tuple[str, str]]:
    """Return the columns of a view that join it to others, each with the key that it holds."""
    for column in view.columns:
        key = _NAMED_OTHERWISE.get(column.name, column.name)
        if key in HOMES:
            yield column.name, key


def render_sources() -> str:
    """Return the sources file of dbt: every view and column with its words, and tests of the keys."""
    lines = [
        "# Rendered by `make render` from the declared views; edit the code instead.",
        "version: 2",
        "sources:",
        "  - name: throughline",
        '    description: "Every touchpoint of a customer, joined into one story; views that are right at once."',
        "    schema: \"{{ var('throughline_database', 'throughline') }}\"",
        "    tables:",
    ]
    for view in views().values():
        lines += [f"      - name: {view.name}", f"        description: {_quoted(view.comment)}", "        columns:"]
        for column in view.columns:
            lines += [
                f"          - name: {column.name}",
                f"            data_type: {_quoted(column.type)}",
                f"            description: {_quoted(column.comment)}",
            ]
            if HOMES.get(column.name) == view.name:
                lines.append("            data_tests: [unique, not_null]")
    return "\n".join(lines) + "\n"


def _quoted(words: str) -> str:
    """Quote as YAML, of which JSON is a part; braces would be dbt's own language."""
    return json.dumps(words.replace("{{", "{ {").replace("}}", "} }"), ensure_ascii=False)


def _height(view: View) -> float:
    return 30 + _ROW * (1 + len([*links(view)]))


def _box(view: View, place: tuple[float, float]) -> Sequence[str]:
    x, y = place
    rows = [text(x + 10, y + 38 + _ROW * number, name, "small") for number, (name, _) in enumerate(links(view))]
    more = len(view.columns) - len(rows)
    rows.append(text(x + 10, y + 38 + _ROW * len(rows), f"… {more} more", "small"))
    is_home = view.name in HOMES.values()
    shape = box(x, y, _WIDTH, _height(view), "#ddf4ff" if is_home else "#f6f8fa")
    return [titled(shape + text(x + 10, y + 20, view.name), view.comment), *rows]


def _lines(view: View, places: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    x, y = places[view.name]
    for number, (name, key) in enumerate(links(view)):
        home = HOMES[key]
        if home == view.name:
            continue
        home_x, home_y = places[home]
        colour = _COLOURS[[*HOMES].index(key)]
        y1, y2 = y + 34 + _ROW * number, home_y + 15
        if x == home_x:
            x1 = x2 = x + _WIDTH
            path = f"M{x1:.0f} {y1:.0f}C{x1 + 60:.0f} {y1:.0f} {x2 + 60:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        else:
            x1, x2 = (x + _WIDTH, home_x) if x < home_x else (x, home_x + _WIDTH)
            middle = (x1 + x2) / 2
            path = f"M{x1:.0f} {y1:.0f}C{middle:.0f} {y1:.0f} {middle:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        yield titled(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-opacity="0.55" stroke-width="1.3"/>',
            f"{view.name}.{name} = {home}.{key}",
        )
