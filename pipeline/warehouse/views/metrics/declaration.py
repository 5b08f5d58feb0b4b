"""
What a metric is, as data, and the SQL that every metric shares.

One rule: a metric says which rows count and what each is worth; periods, dimensions, numbers of cases and intervals
are made here, the same way for all. A row has `day`, `dims`, `hit` and `base`; `hit` is an integer, so that sums do
not depend on the order in which they are made. Days are UTC, so no change of clocks moves a touchpoint.
"""

from dataclasses import dataclass
from typing import Final, TypedDict

from pipeline.warehouse.tables.bodies import body_of
from pipeline.warehouse.views.metrics.statistics import Statistic

PERIODS: Final = ("day", "week", "month", "all")


@dataclass(frozen=True)
class Metric:
    """
    One metric.

    Args:
        name: Name; its view is `v_metric_<name>`.
        title: Name for people.
        unit: What the value is measured in.
        statistic: How rows become a value and an interval.
        definition: What it says, in a sentence.
        source: Where the formula is from.
        dimensions: What it can be split by, beside `all`.
        rows: SELECT of `day`, `dims`, `hit`, `base`; `{db}` stands for the database.
        customers: The same rows as `dated` (which the periods are of), `at` (whose persona counts), `customer`, `hit`,
            `base`, which split it by persona; empty: the metric is about no customer.
        apart: What the view by persona is split by too, "" for nothing. Of more than "" the rows of `customers` have
            `apart` for `hit`: (name, value, hit) of each.
        marks: (name, value) of what a case of `customers` may have; then `hit` has a bit for each, the lowest for the
            first, and each has a value of its own in the view by persona.
        is_whole: Whether there is an `all`; else every dimension stands beside another one that parts what cannot be
            counted together.
        longest: The longest period that it has; `month`: only that, and every day is the first of one.
    """

    name: str
    title: str
    unit: str
    statistic: Statistic
    definition: str
    source: str
    dimensions: tuple[str, ...]
    rows: str
    customers: str = ""
    apart: tuple[str, ...] = ("",)
    marks: tuple[tuple[str, str], ...] = ()
    is_whole: bool = True
    longest: str = "all"

    @property
    def view(self) -> str:
        """Name of its view."""
        return f"v_metric_{self.name}"

    @property
    def all_dimensions(self) -> tuple[str, ...]:
        """Everything that it can be split by."""
        return (*(["all"] if self.is_whole else []), *self.dimensions, *self.persona_dimensions)

    @property
    def persona_dimensions(self) -> tuple[str, ...]:
        """What its view by persona splits it by."""
        return tuple(f"{name}, persona" if name else "persona" for name in self.apart) if self.customers else ()


class Rows(TypedDict):
    """The rows of a metric, by the dimensions and by customer, as `Metric` takes them."""

    rows: str
    customers: str


def day(at: str) -> str:
    """Return the day of a row."""
    return f"toDate({at}) AS day"


def periods(at: str) -> str:
    """Return the periods that a time falls into: (period, first day), the day of `all` is NULL."""
    starts = ", ".join(
        f"('{period}', toNullable({start}({at})))"
        for period, start in (("day", "toDate"), ("week", "toMonday"), ("month", "toStartOfMonth"))
    )
    return f"[{starts}, ('all', NULL)]"


def dims(products: str = "", **values: str) -> str:
    """
    Return the dimensions of a row as (name, value): `all`, and each of the given ones that is not empty.

    Args:
        products: Expression of an array of products, each of which the row counts for; "": none.
        values: Expression of the text of each dimension.
    """
    pairs = "".join(f", ('{name}', toString({value}))" for name, value in values.items())
    named = f"arrayFilter(d -> d.1 = 'all' OR d.2 != '', [('all', ''){pairs}])"
    return f"arrayConcat({named}, arrayMap(p -> ('product', p), {products}))" if products else named


def within(name: str, value: str, products: str = "", **values: str) -> str:
    """Return the dimensions of a row that counts only within a part of `name`: that part, and each one inside it."""
    inside = "".join(
        f", ('{name}, {other}', if(toString({of}) = '', '', concat({value}, ', ', toString({of}))))"
        for other, of in values.items()
    )
    named = f"arrayFilter(d -> d.2 != '', [('{name}', toString({value})){inside}])"
    each = f"arrayMap(p -> ('{name}, product', concat({value}, ', ', p)), {products})"
    return f"arrayConcat({named}, {each})" if products else named


def of_customers(at: str, hit: str, source: str, condition: str = "1", apart: str = "", dated: str = "") -> str:
    """
    Return the rows of a metric by customer, from a SELECT that has `customer` and what the expressions need.

    Args:
        at: When the case was; the persona of that time counts.
        hit: What the case is worth; `a` is the part, where it is split.
        source: The SELECT.
        condition: Which of its rows are cases.
        apart: Array of (name, value, …), what the case is split by beside the persona; "": by nothing.
        dated: Which periods the case counts in; "": those of `at`.
    """
    worth = f"arrayMap(a -> (a.1, a.2, {hit}), {apart}) AS apart" if apart else f"{hit} AS hit"
    return (
        f"SELECT {dated or at} AS dated, {at} AS at, customer, {worth}, 1 AS base\n"
        f"FROM\n({source}\n)\nWHERE {condition}"
    )


def campaign(table: str = "t") -> str:
    """Return the campaign of a touchpoint: the one it refers to, else utm_campaign."""
    return f"if({table}.campaign != '', {table}.campaign, {table}.utm_campaign)"


def typed(*types: str) -> str:
    """Return the condition that `touchpoints AS t` has one of the types."""
    return f"t.type IN ({', '.join(repr(name) for name in types)})"


def field(name: str, type_: str, *types: str) -> str:
    """Return a field of the body of `touchpoints AS t` of such types, NULL where it has none."""
    return f"JSONExtract({body_of(types)}, '{name}', 'Nullable({type_})')"
