"""
SQL that tells what a customer was at given times: features of the facts up to then, and the persona.

The rule owned here: features are computed from facts alone, for any time alike, so that "now" and "then" cannot differ
in anything but the time. Everything is arrays within a customer's row: `points` holds the times (in milliseconds) and
each feature has one value a point.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.persona_rules import FEATURES, default_personas
from pipeline.warehouse.persona_store import persona_columns
from pipeline.warehouse.tables.analysis import PERSONA_RULES
from pipeline.warehouse.views.expressions import JOURNEY_GAP_MS
from pipeline.warehouse.views.trade import SENT_BACK, TRADERS, money, orders_at

NOW_MS: Final = "toUnixTimestamp64Milli(now64(3, 'UTC'))"
FOREVER: Final = 2**62
_MS: Final = "toUnixTimestamp64Milli"


_DECLARED: Final = tuple(column.name for column in PERSONA_RULES.columns if column.name not in ("set_at", "document"))
_JUDGED_BY: Final = ("names", *(name for name in _DECLARED if name.startswith("condition_")))


@cache
def declared(names: tuple[str, ...] = _DECLARED) -> str:
    """
    Return a scalar subquery with the personas that hold: a tuple of arrays of `persona_rules`.

    Args:
        names: Which of its arrays; what is not asked for is neither read nor planned.
    """
    types = {column.name: column.type for column in PERSONA_RULES.columns}
    package = persona_columns(default_personas())
    arrays = ", ".join(f"CAST({_literal(package[name])}, '{types[name]}')" for name in names)
    return (
        f"(SELECT if(empty(newest.1), tuple({arrays}), newest)\n"
        f"    FROM (SELECT argMax(tuple({', '.join(names)}), set_at) AS newest FROM {{db}}.persona_rules))"
    )


def part(name: str, names: tuple[str, ...] = _DECLARED) -> str:
    """Return the array of that name within the declared personas, of which such arrays were asked for, as `rules`."""
    return f"rules.{names.index(name) + 1}"


def named(number: str) -> str:
    """Return the name of the persona of that number."""
    # One constant array for all rows: as a column of the subquery it would be made anew for each.
    return f"tupleElement({declared(('names',))}, 1)[{number}]"


def judged(points: str, more: Sequence[str] = (), cases: str = "") -> str:
    """
    Return every customer with points, features and the number of the persona at each point.

    Args:
        points: Expression of the times; sees the columns of `_customers`.
        more: Further columns of the answer.
        cases: SELECT of `customer` and `cases` (tuples that begin with a time); only these customers are judged, and
            `_customers` has a column more: their cases but those before the customer was known.
    """
    values = _features()
    arguments = ", ".join(f"x_{feature.name}" for feature in FEATURES)
    arrays = ", ".join(f"f_{feature.name}" for feature in FEATURES)
    # What no condition is about need not be worked out: the lambda is given the points in its place.
    given = ", ".join(f"if({asks(feature.name)}, f_{feature.name}, points)" for feature in FEATURES)
    fitting = _fitting(0)
    for number in range(1, len(FEATURES)):
        fitting = f"bitAnd({fitting}, {_fitting(number)})"
    currencies = f"if({asks('net_spent')}, currencies, arrayMap(p -> '', points))"
    first = "if(fits = 0, 0, bitCount(bitAnd(bitNot(fits), fits - 1)) + 1)"
    features = ", ".join(
        f"{values[feature.name]} AS f_{feature.name}" for feature in FEATURES if feature.name != "orders"
    )
    # An alias is worked out anew wherever it is used; a column of a subquery once.
    return f"""
    WITH {_tables()} AS tables
    SELECT customer, points, {"".join(f"{column}, " for column in more)}currencies, {arrays},
        arrayMap(fits -> {first}, fitting) AS numbers
    FROM
    (
        SELECT *, arrayMap(({arguments}, x_currency) -> {fitting}, {given}, {currencies}) AS fitting
        FROM
        (
            SELECT *, {features}
            FROM
            (
                SELECT *, {_main_currency()} AS currencies, {values["orders"]} AS f_orders
                FROM (SELECT *, {points} AS points FROM ({_customers(cases)}
                ))
            )
        )
    )"""


def _tables() -> str:
    """
    Return a scalar subquery with the rules as tables: who fits a value is then looked up, not found out for each.

    Of every feature the values at which a condition begins or ceases to hold, and, between these, which personas may
    be: one bit each, set too where a persona asks nothing of the feature. Of money all that once for each currency.
    Then the currencies, the features that any condition is about, of every feature after how many milliseconds a
    condition on it begins or ceases to hold, and the longest silence that no persona tells from shorter ones.

    It is the one place of a query in which the rules are said: each mention would be planned anew.
    """
    persona, feature, currency, least, most = (
        part(f"condition_{name}", _JUDGED_BY) for name in ("persona", "feature", "currency", "least", "most")
    )
    asks = f"arrayExists((q, g) -> q = p AND g = f, {persona}, {feature})"
    holds = (
        "arrayExists((q, g, d, least, most) -> q = p AND g = f AND (d = '' OR d = c) AND b BETWEEN least AND most, "
        f"{persona}, {feature}, {currency}, {least}, {most})"
    )
    fitting = (
        f"arrayReduce('groupBitOr', arrayMap(p -> if({asks} AND NOT {holds}, toUInt128(0), "
        f"bitShiftLeft(toUInt128(1), p - 1)), arrayEnumerate({part('names', _JUDGED_BY)})))"
    )
    numbers = f"range(1, {len(FEATURES) + 1})"
    ends = (
        f"arrayMap(f -> arrayFlatten(arrayMap((g, least, most) -> if(g = f, [least, most + 1], []), "
        f"{feature}, {least}, {most})), {numbers})"
    )
    quiet = _number("days_since_touchpoint")
    return f"""(
        WITH {ends} AS ends,
            arrayMap(e -> arraySort(arrayDistinct(arrayPushFront(e, {-FOREVER}))), ends) AS bounds,
            arrayConcat([''], arrayDistinct(arrayFilter(c -> c != '', {currency}))) AS currencies,
            arrayMap(e -> arrayFilter(o -> o > 0 AND o < 4000000000000000000, e), ends) AS offsets
        SELECT (bounds, arrayMap((f, bs) -> arrayFlatten(
                arrayMap(c -> arrayMap(b -> {fitting}, bs), currencies)), {numbers}, bounds),
            currencies, arrayDistinct({feature}), offsets,
            arrayMin(arrayPushBack(offsets[{quiet}], {FOREVER})) - 1)
        FROM (SELECT {declared(_JUDGED_BY)} AS rules)
    )"""


def _fitting(number: int) -> str:
    """Return who fits the value of a feature, as bits."""
    feature, bounds = FEATURES[number], f"tables.1[{number + 1}]"
    value = f"x_{feature.name}"
    place = f"transform(roundDown({value}, {bounds}), {bounds}, arrayEnumerate({bounds}), toUInt32(0))"
    if feature.is_money:
        place += f" + length({bounds}) * (transform(x_currency, tables.3, arrayEnumerate(tables.3), toUInt32(1)) - 1)"
    return f"if({asks(feature.name)}, tables.2[{number + 1}][{place}], bitNot(toUInt128(0)))"


def asks(feature: str) -> str:
    """Return whether any condition is about a feature: a constant, where `tables` are, so the rest is left out."""
    return f"has(tables.4, {_number(feature)})"


def _number(feature: str) -> int:
    return [known.name for known in FEATURES].index(feature) + 1


def _features() -> dict[str, str]:
    since = "arrayMap(p -> if({count} = 0, -1, p - {last}), points)"
    orders = "arrayCount(x -> x <= p, placed)"
    # Between two gaps the elapsed time is less than every bound on it, as if the last touchpoint were now.
    quiet = "arrayFirst(g -> g.1 <= p AND p < g.2, gaps)"
    return {
        "orders": f"arrayMap(p -> toInt64({orders}), points)",
        "days_since_order": since.format(count=orders, last=f"placed[{orders}]"),
        "days_since_first_order": since.format(count=orders, last="placed[1]"),
        "days_since_touchpoint": f"arrayMap(p -> if({quiet}.2 = 0, 0, p - {quiet}.1), points)",
        "days_known": "arrayMap(p -> p - first_seen, points)",
        "net_spent": "arrayMap((p, c) -> toInt64(arraySum(m -> if(m.1 <= p AND m.2 = c, m.3, 0), money)), "
        "points, currencies)",
        "percent_returned": "arrayMap((p, n) -> if(n = 0, 0, "
        "toInt64(intDiv(100000000 * arrayCount(x -> x <= p, sent_back), n))), points, f_orders)",
        "pain_points": "arrayMap(p -> toInt64(arrayCount(x -> x <= p, hurt)), points)",
    }


def _main_currency() -> str:
    """Return the currency of most orders up to each point, of equally many the first by name; empty without any."""
    count = "arrayCount(m -> m.1 <= p AND m.2 = c AND m.4 = 1, money)"
    return (
        f"arrayMap(p -> arraySort(c -> (-toInt64({count}), c), arrayDistinct(arrayMap(m -> m.2, "
        "arrayFilter(m -> m.1 <= p AND m.4 = 1, money))))[1], points)"
    )


def _customers(cases: str = "") -> str:
    """
    Return every customer with a touchpoint that counts: customer, first_seen, hurt, gaps, and what it bought.

    `gaps` are (last touchpoint before, first after) of the silences that a persona can tell from a day's.
    """
    own, join = "", ""
    if cases:
        own = "arrayFilter(c -> c.1 >= s.first_seen, q.cases) AS cases,"
        join = f"INNER ANY JOIN ({cases}\n                    ) AS q ON q.customer = s.customer"
    silences = f"arrayMap((x, y) -> ({_MS}(x), y), s.lasts, s.nexts)"
    return f"""
                SELECT s.customer AS customer, s.first_seen AS first_seen, s.hurt AS hurt, {own}
                    s.placed AS placed, s.sent_back AS sent_back, s.money AS money,
                    arrayFilter(g -> g.2 - g.1 > tables.6, {silences}) AS gaps
                FROM ({_seen()}
                ) AS s
                {join}"""


def _seen() -> str:
    """
    Select who was seen: customer, first_seen, hurt, what it bought, and the silences: lasts, nexts.

    What was bought is `placed` (times of orders), `sent_back` (times by which they were) and `money`: (time, currency,
    signed minor units, 1 for an order).

    Those that no persona can tell from shorter ones do not matter, and so the journeys suffice where they end by
    shorter silences than a persona asks for: customers have far fewer of them than touchpoints.
    """

    def either(journeys: str) -> str:
        return f"if(tables.6 >= {JOURNEY_GAP_MS}, {journeys}, s.step_occurred_at)"

    return f"""
                    SELECT s.ident_key AS customer, {_MS}(s.first_seen_at) AS first_seen,
                        arrayMap((d, o) -> {_MS}(ifNull(d, o)), s.pain_due_at, s.pain_occurred_at) AS hurt,
                        {orders_at()} AS placed, {SENT_BACK} AS sent_back, {money()} AS money,
                        {either("s.journey_ended_at")} AS lasts,
                        arrayPopFront(arrayPushBack(arrayMap(x -> {_MS}(x), {either("s.journey_started_at")}),
                            {FOREVER})) AS nexts
                    FROM {{db}}.stitched AS s FINAL
                    WHERE {TRADERS} AND s.touchpoints > 0"""


def offsets(feature: str) -> str:
    """Return after how many milliseconds a condition on a feature that grows with time begins or ceases to hold."""
    return f"tables.5[{_number(feature)}]"


def _literal(values: Sequence[object]) -> str:
    return "[" + ", ".join(quote_text(value) if isinstance(value, str) else str(value) for value in values) + "]"
