"""
What customers ordered, got, sent back and were refunded, as it lies on their rows of `stitched`.

The rule owned here: a customer's trade is read from his row and no body is looked at; it is in the order of
(occurred_at, event_uid), so whoever takes the first need not sort. Results that an earlier release made have none of
it: nobody is told that they bought nothing, the question is refused.
"""

from collections.abc import Sequence
from typing import Final

from pipeline.stitching.trade import FIRST_AMOUNT, FIRST_OF_ORDER, REFUND
from pipeline.warehouse.rules_document import ANSWERS_WITH_TRADE
from pipeline.warehouse.views.expressions import ACTIVE_RULES, ANCHORS

_MS: Final = "toUnixTimestamp64Milli"
SENT_BACK: Final = f"arrayMap(x -> {_MS}(assumeNotNull(x)), arrayFilter(x -> isNotNull(x), s.trade_sent_back_at))"
"""When each order counts as sent back, on a row of `stitched AS s`."""
_MADE: Final = (
    "(SELECT throwIf(JSONExtractUInt(argMin(settings, tuple(settings = '', recorded_at)), 'program.answers') "
    f"BETWEEN 1 AND {ANSWERS_WITH_TRADE - 1}, 'The results were made by an earlier release, which did not store what "
    "customers ordered: run `throughline restitch --activate`') = 0 "
    f"FROM {{db}}.rules WHERE rules_version = {ACTIVE_RULES})"
)
TRADERS: Final = f"{ANCHORS} AND {_MADE}"
"""Condition on `stitched AS s` for the rows that carry a customer, refused where they do not carry his trade."""


def orders_at() -> str:
    """Return when each order was placed, on a row of `stitched AS s`: in order, in milliseconds."""
    return (
        f"arrayMap(x -> {_MS}(x), arrayFilter((x, c) -> bitAnd(c, {FIRST_OF_ORDER}) != 0, "
        "s.trade_occurred_at, s.trade_counts))"
    )


def money(said: Sequence[str] = ()) -> str:
    """
    Return money on a row of `stitched AS s`, of orders and refunds: (milliseconds, currency, signed minor, is order).

    Args:
        said: Further values, columns of trade by their names without `trade_`.
    """
    names = ("occurred_at", "currency", "amount_minor", "counts", *said)
    letters = [f"x_{name}" for name in names]
    minor = f"if(x_counts = {REFUND}, -1, 1) * assumeNotNull(x_amount_minor)"
    values = (f"{_MS}(x_occurred_at)", "toString(x_currency)", minor, f"toUInt8(x_counts != {REFUND})", *letters[4:])
    counted = ", ".join(
        f"arrayFilter((x, c) -> bitAnd(c, {FIRST_AMOUNT + REFUND}) != 0, s.trade_{name}, s.trade_counts)"
        for name in names
    )
    return f"arrayMap(({', '.join(letters)}) -> ({', '.join(values)}), {counted})"


def touchpoints_of_trade(columns: Sequence[str]) -> str:
    """
    Return the FROM of one row a touchpoint of trade: `s.ident_key` is the customer, `t_<column>` what is said of it.

    Args:
        columns: Columns of trade by their names without `trade_`.
    """
    joined = ", ".join(f"s.trade_{name} AS t_{name}" for name in columns)
    return f"FROM {{db}}.stitched AS s FINAL\n    ARRAY JOIN {joined}\n    WHERE {TRADERS}"
