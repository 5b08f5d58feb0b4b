"""
`v_personas`, `v_persona_history`, `v_persona_definitions`, `v_rfm`: which sort of customer somebody is, and was when.

The rule owned here: the history has a row from every moment at which the persona changed, by a fact or by the passing
of time. The clock only ends it: what was so in the past does not depend on when one asks.
"""

from typing import Final

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.metrics.loyalty import customer_values
from pipeline.warehouse.views.persona_facts import FOREVER, NOW_MS, asks, declared, judged, named, offsets, part

_TIME: Final = "fromUnixTimestamp64Milli({}, 'UTC')"
_NULLABLE_TIME: Final = f"Nullable({MILLIS})"


def personas_view() -> View:
    """Declare `v_personas`."""
    day = "if(p.f_{0}[1] < 0, NULL, intDiv(p.f_{0}[1], 86400000))"
    return View(
        name="v_personas",
        comment="The persona of every customer as of now, with what it was judged by.",
        columns=view_columns_of(
            [
                ("customer_uid", "UUID", "p.customer", "The customer."),
                ("persona", LOW, named("p.numbers[1]"), "Stable name; v_persona_definitions says what it means."),
                ("orders", "UInt32", "toUInt32(p.f_orders[1])", "Orders placed so far."),
                (
                    "days_since_order",
                    "Nullable(UInt32)",
                    day.format("days_since_order"),
                    "Whole days since the last order; NULL: none.",
                ),
                (
                    "days_since_first_order",
                    "Nullable(UInt32)",
                    day.format("days_since_first_order"),
                    "Whole days since the first order; NULL: none.",
                ),
                (
                    "days_known",
                    "UInt32",
                    "toUInt32(intDiv(p.f_days_known[1], 86400000))",
                    "Whole days since the first touchpoint.",
                ),
                (
                    "currency",
                    "Nullable(String)",
                    "nullIf(p.currencies[1], '')",
                    "Main currency: that of most orders, of equally many the first by name.",
                ),
                (
                    "net_minor",
                    "Nullable(Int64)",
                    "if(p.currencies[1] = '', NULL, p.f_net_spent[1])",
                    "Orders less refunds in it, in minor units; other currencies are left out.",
                ),
                (
                    "percent_returned",
                    "Float64",
                    "p.f_percent_returned[1] / 1000000",
                    "Orders of which something was sent back, of 100 orders.",
                ),
                ("pain_points", "UInt32", "toUInt32(p.f_pain_points[1])", "Pain points so far."),
            ]
        ),
        source=f"FROM\n(\n{judged(f'[{NOW_MS}]')}\n) AS p",
        question="How many customers are of which persona?",
        example="SELECT persona, count() AS customers, sum(orders) AS orders, round(avg(pain_points), 2) AS pains\n"
        "FROM v_personas\nGROUP BY persona\nORDER BY customers DESC",
    )


def persona_history_view() -> View:
    """Declare `v_persona_history`."""
    changed = "arrayFilter((p, n, b) -> n != b, points, numbers, arrayPopBack(arrayPushFront(numbers, 0)))"
    became = "arrayFilter((n, b) -> n != b, numbers, arrayPopBack(arrayPushFront(numbers, 0)))"
    source = (
        f"FROM\n(\n    SELECT customer, {changed} AS begins, {became} AS became,\n"
        "        arrayPopFront(arrayPushBack(begins, NULL)) AS ends\n"
        f"    FROM ({judged(_moments())}\n    )\n) AS p\n"
        "ARRAY JOIN p.begins AS a_begin, p.became AS a_number, p.ends AS a_end"
    )
    return View(
        name="v_persona_history",
        comment="The personas that every customer has been, computed from the facts: one row from change to change.",
        columns=view_columns_of(
            [
                ("customer_uid", "UUID", "p.customer", "The customer."),
                ("persona", LOW, named("a_number"), "Stable name; v_persona_definitions says what it means."),
                ("valid_from", MILLIS, _TIME.format("a_begin"), "From this moment on, included."),
                ("valid_to", _NULLABLE_TIME, _TIME.format("a_end"), "Up to this moment, excluded; NULL: still so."),
            ]
        ),
        source=source,
        question="How many customers of each persona were there at the end of the quarter?",
        example="SELECT persona, count() AS customers\nFROM v_persona_history\n"
        "WHERE valid_from <= '2026-03-31 23:59:59' AND ifNull(valid_to > '2026-03-31 23:59:59', true)\n"
        "GROUP BY persona\nORDER BY customers DESC",
    )


def persona_definitions_view() -> View:
    """Declare `v_persona_definitions`."""
    return View(
        name="v_persona_definitions",
        comment="The personas that hold, in their order: a customer is the first whose conditions all hold.",
        columns=view_columns_of(
            [
                ("position", "UInt8", "toUInt8(d.number)", "Place in the order, from 1."),
                ("persona", "String", "d.name", "Stable name."),
                ("title", "String", "d.title", "Name for people."),
                ("meaning", "String", "d.meaning", "What it says."),
                ("conditions", "String", "d.condition", "What must hold, bounds included."),
                ("is_declared", "Bool", "d.is_declared", "Whether the business declared it; else it is the package's."),
            ]
        ),
        source="FROM\n(\n"
        f"    WITH {declared()} AS rules\n"
        "    SELECT number, name, title, meaning, condition,\n"
        "        (SELECT notEmpty(argMax(names, set_at)) FROM {db}.persona_rules) AS is_declared\n"
        "    FROM (SELECT 1)\n"
        f"    ARRAY JOIN arrayEnumerate({part('names')}) AS number, {part('names')} AS name,\n"
        f"        {part('titles')} AS title, {part('meanings')} AS meaning, {part('words')} AS condition\n) AS d",
        question="Which personas are there, and what makes a customer one of them?",
        example="SELECT position, persona, meaning, conditions FROM v_persona_definitions ORDER BY position",
    )


def persona_journeys_view() -> View:
    """Declare `v_persona_journeys`."""
    same = [
        ("started_at", MILLIS, "First touchpoint."),
        ("ended_at", MILLIS, "Last touchpoint so far."),
        ("touchpoints", "UInt32", "Number of touchpoints."),
        ("path", "Array(String)", "Types in order, repeats collapsed."),
        ("orders", "UInt32", "Distinct order_id of order.placed."),
        ("revenue", "Map(String, Int64)", "Their amounts in minor units by currency."),
        ("pain_points", "UInt32", "Number of pain points."),
        ("is_open", "Bool", "Whether a touchpoint now would still belong to it."),
    ]
    return View(
        name="v_persona_journeys",
        comment="Journeys with the persona that the customer was when they began.",
        columns=view_columns_of(
            [
                ("journey_id", "UUID", "j.journey_id", "The journey."),
                ("customer_uid", "UUID", "j.customer_uid", "The customer."),
                ("persona", LOW, "h.persona", "Persona at the first touchpoint, that one included."),
                *((name, type_, f"j.{name}", comment) for name, type_, comment in same),
            ]
        ),
        source="FROM {db}.v_journeys AS j\nASOF INNER JOIN {db}.v_persona_history AS h\n"
        "    ON h.customer_uid = j.customer_uid AND h.valid_from <= j.started_at",
        question="Which customers order, and which have trouble?",
        example="SELECT persona, count() AS journeys, round(countIf(orders > 0) / journeys, 3) AS with_an_order,\n"
        "    round(sum(pain_points) / journeys, 2) AS pain_points\n"
        "FROM v_persona_journeys\nGROUP BY persona\nORDER BY journeys DESC",
    )


def rfm_view() -> View:
    """Declare `v_rfm`."""

    def fifth(value: str) -> str:
        return (
            f"toUInt8(1 + intDiv(5 * (2 * (rank() OVER (PARTITION BY c.currency ORDER BY {value}) - 1) "
            f"+ count() OVER (PARTITION BY c.currency, {value})), 2 * count() OVER (PARTITION BY c.currency)))"
        )

    first_by_orders = "toBool(row_number() OVER (PARTITION BY c.customer ORDER BY c.orders DESC, c.currency) = 1)"
    return View(
        name="v_rfm",
        comment="Recency, frequency and monetary value of every customer, by currency, each with its fifth.",
        columns=view_columns_of(
            [
                ("customer_uid", "UUID", "c.customer", "The customer."),
                ("currency", "String", "c.currency", "Currency; amounts of two are never added or compared."),
                (
                    "is_main",
                    "Bool",
                    first_by_orders,
                    "Whether most orders are in it, of equally many the first by name.",
                ),
                ("last_order_at", MILLIS, "c.last_order_at", "Recency: last order in it."),
                ("orders", "UInt64", "c.orders", "Frequency: orders with an amount in it."),
                ("net_minor", "Int64", "c.net_minor", "Monetary value: amounts less refunds, in minor units."),
                ("r_score", "UInt8", fifth("c.last_order_at"), "Fifth by recency: 1 longest ago, 5 latest."),
                ("f_score", "UInt8", fifth("c.orders"), "Fifth by orders: 5 most. Equal values have the same fifth."),
                ("m_score", "UInt8", fifth("c.net_minor"), "Fifth by value: 5 most, among customers of the currency."),
            ]
        ),
        source=f"FROM\n({customer_values()}\n) AS c",
        question="Who bought lately, often and much?",
        example="SELECT r_score, f_score, count() AS customers, sum(net_minor) AS net_minor, currency\n"
        "FROM v_rfm\nWHERE is_main\nGROUP BY currency, r_score, f_score\nORDER BY currency, r_score DESC, f_score DESC",
    )


def _moments() -> str:
    """Return every moment up to now at which a customer's persona may have changed."""
    quiet = (
        "arrayFlatten(arrayMap(g -> arrayMap(o -> if(g.1 + o < g.2, g.1 + o, 0), "
        f"{offsets('days_since_touchpoint')}), gaps))"
    )
    after_orders = (
        f"arrayFlatten(arrayMap((x, y) -> arrayMap(o -> if(x + o < y, x + o, 0), {offsets('days_since_order')}), "
        f"placed, arrayPopFront(arrayPushBack(placed, {FOREVER}))))"
    )
    parts = (
        "[first_seen]",
        "placed",
        f"if({asks('percent_returned')}, sent_back, [])",
        f"if({asks('pain_points')}, hurt, [])",
        f"if({asks('net_spent')}, arrayMap(m -> m.1, money), [])",
        "arrayMap(g -> g.2, gaps)",
        quiet,
        after_orders,
        f"arrayMap(o -> if(empty(placed), 0, placed[1] + o), {offsets('days_since_first_order')})",
        f"arrayMap(o -> first_seen + o, {offsets('days_known')})",
    )
    return (
        f"arraySort(arrayDistinct(arrayFilter(x -> x >= first_seen AND x <= {NOW_MS}, arrayConcat("
        + ",\n                ".join(parts)
        + "))))"
    )
