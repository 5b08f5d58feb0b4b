"""The views of the metrics: one of the same columns for each, and those whose shape differs."""

from dataclasses import dataclass
from typing import Final

from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.declarations import View, ViewColumn, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.expressions import ANCHORS
from pipeline.warehouse.views.metrics.buying import buying_metrics
from pipeline.warehouse.views.metrics.declaration import Metric, periods
from pipeline.warehouse.views.metrics.facts import CUSTOMER, joined_customers
from pipeline.warehouse.views.metrics.loyalty import customer_values, loyalty_metrics
from pipeline.warehouse.views.metrics.spread import spread_view
from pipeline.warehouse.views.metrics.statistics import wilson
from pipeline.warehouse.views.metrics.support import support_metrics
from pipeline.warehouse.views.metrics.surveys import survey_metrics
from pipeline.warehouse.views.persona_facts import NOW_MS, judged, named

_FLOAT: Final = "Nullable(Float64)"


def metrics() -> tuple[Metric, ...]:
    """Return every metric, in the order in which they are documented."""
    return (*survey_metrics(), *support_metrics(), *buying_metrics(), *loyalty_metrics())


def metric_views() -> tuple[View, ...]:
    """Return the views of all metrics."""
    by_persona = (_persona_view(metric) for metric in metrics() if metric.customers)
    by_any = (_metric_view(metric) for metric in metrics())
    return (_definitions(), *by_any, *by_persona, spread_view(), _cohorts(), _values())


def _columns(unit: str) -> tuple[ViewColumn, ...]:
    return view_columns_of(
        [
            ("metric", LOW, "m.metric", "The metric; v_metric_definitions says what it is."),
            ("period", LOW, "m.period", "day, week (from Monday), month or all."),
            ("period_start", "Nullable(Date)", "m.period_start", "First day of the period, UTC; NULL: all."),
            ("dimension", LOW, "m.dimension", "What it is split by; all: not split."),
            ("dimension_value", "String", "m.dimension_value", "Which part; empty for all."),
            ("statistic", LOW, "m.result.1", "share, mean, net, rate, or a quantile: p50, p90, p99."),
            ("n", "UInt64", "m.result.2", "Cases that it is made from."),
            ("value", _FLOAT, "m.result.3", f"The value, in {unit}."),
            ("low", _FLOAT, "m.result.4", "Lower end of the 95 % interval; NULL: cannot be told."),
            ("high", _FLOAT, "m.result.5", "Upper end of the 95 % interval; NULL: cannot be told."),
            ("unit", LOW, quote_text(unit), "Unit of value, low and high."),
        ]
    )


def _metric_view(metric: Metric) -> View:
    dimension = metric.dimensions[0]
    return View(
        name=metric.view,
        comment=f"{metric.title}: {metric.definition}",
        columns=_columns(metric.unit),
        source=_source(
            metric, metric.rows, _By("d.1 AS dimension, d.2 AS dimension_value", "\n        ARRAY JOIN dims AS d")
        ),
        question=f"{metric.title}, month by month?",
        example="SELECT period_start, dimension_value, statistic, n, value, low, high\n"
        f"FROM {metric.view}\nWHERE period = 'month' AND dimension = '{dimension}'\n"
        "ORDER BY period_start, dimension_value, statistic",
    )


def _persona_view(metric: Metric) -> View:
    """
    Split a metric by what the customers were at the time.

    It is a view of its own, because what somebody was when is dear to compute, and would be for every other question.
    """
    apart = metric.apart != ("",) and not metric.marks
    cases = (
        f"\nSELECT customer, groupArray((toUnixTimestamp64Milli(at), {_first_day(metric)}, base, "
        f"{'apart' if apart else 'hit'})) AS cases\nFROM\n(\n{metric.customers}\n)\nGROUP BY customer"
    )
    # Everybody is judged at his own cases and never else: his whole history would be dearer.
    each = judged(f"arrayMap(c -> least(c.1, {NOW_MS}), cases)", ["cases"], cases)
    rows = (
        f"            SELECT c.2 AS day, c.3 AS base, c.4 AS {'apart' if apart else 'hit'}, number\n"
        f"            FROM\n            ({each}\n            )\n"
        "            ARRAY JOIN cases AS c, numbers AS number"
    )
    by = _By("number", "", "'persona'", named("number"))
    if metric.marks:
        rows = _by_marks(metric, rows)
    elif apart:
        rows = (
            "            SELECT day, base, number, a.1 AS name, a.2 AS value, a.3 AS hit\n            FROM\n"
            f"            (\n{rows}\n            )\n            ARRAY JOIN apart AS a"
        )
    if metric.apart != ("",):
        by = _By(
            "number, name, value",
            "",
            "if(name = '', 'persona', concat(name, ', persona'))",
            f"if(name = '', {by.part}, concat(value, ', ', {by.part}))",
        )
    view = f"{metric.view}_by_persona"
    return View(
        name=view,
        comment=f"{metric.title}, by the persona that the customer was then: {metric.definition}",
        columns=_columns(metric.unit),
        source=_source(metric, rows, by),
        question=f"{metric.title}, of which sort of customers?",
        example="SELECT period_start, dimension_value AS persona, statistic, n, value, low, high\n"
        f"FROM {view}\nWHERE period = '{metric.longest}' AND dimension = '{metric.persona_dimensions[0]}'\n"
        "ORDER BY period_start, persona, statistic",
    )


def _by_marks(metric: Metric, rows: str) -> str:
    """Return rows by mark of rows whose `hit` has a bit for each mark; of equal ones there are few."""
    marks = ", ".join(
        f"({quote_text(name)}, {quote_text(value)}, {bit})" for bit, (name, value) in enumerate(metric.marks)
    )
    return f"""
            SELECT day, number, m.1 AS name, m.2 AS value, toInt64(if(bitTest(bits, m.3), cases, 0)) AS hit,
                cases AS base
            FROM (SELECT day, number, hit AS bits, sum(base) AS cases FROM (
{rows}
            ) GROUP BY day, number, bits)
            ARRAY JOIN [{marks}] AS m"""


@dataclass(frozen=True)
class _By:
    """
    What the rows of a metric are split by.

    Args:
        keys: Columns that tell the parts apart, as rows are first summed by.
        split: ARRAY JOIN that gives the rows these columns, if any is needed.
        dimension: What a part is of, from these columns.
        part: Which part it is, from these columns.
    """

    keys: str
    split: str
    dimension: str = "dimension"
    part: str = "dimension_value"


def _first_day(metric: Metric) -> str:
    return "toDate(dated)" if metric.longest == "all" else "toStartOfMonth(dated)"


def _source(metric: Metric, rows: str, by: _By) -> str:
    """
    Return the FROM of a metric's view: rows summed by period and part, and what statistic makes of the sums.

    They are summed by day first: there are far fewer days than rows to be summed for every period.
    """
    summed = ", ".join(f"{expression} AS {name}" for name, expression in metric.statistic.aggregates.items())
    results = ", ".join(
        f"({quote_text(label)}, toUInt64({n}), toNullable(toFloat64({value})), toNullable(toFloat64({low})), "
        f"toNullable(toFloat64({high})))"
        for label, n, value, low, high in metric.statistic.results
    )
    spans = periods("s.day") if metric.longest == "all" else "[('month', toNullable(s.day))]"
    return (
        f"FROM\n(\n    SELECT {quote_text(metric.name)} AS metric, period, period_start, dimension, dimension_value,\n"
        f"        arrayJoin([{results}]) AS result\n    FROM\n    (\n"
        f"        SELECT p.1 AS period, p.2 AS period_start, s.dimension AS dimension,\n"
        f"            s.dimension_value AS dimension_value, {metric.statistic.merge('s')}\n        FROM\n        (\n"
        f"            SELECT day, {by.dimension} AS dimension, {by.part} AS dimension_value, "
        f"{', '.join(metric.statistic.aggregates)}\n            FROM\n            (\n"
        f"                SELECT day, {by.keys}, {summed}\n                FROM\n                (\n{rows}\n"
        f"                ){by.split}\n                GROUP BY day, {_names(by.keys)}\n            )\n        ) AS s\n"
        f"        ARRAY JOIN {spans} AS p\n"
        "        GROUP BY period, period_start, dimension, dimension_value\n    )\n) AS m"
    )


def _names(keys: str) -> str:
    return ", ".join(key.rpartition(" ")[2] for key in keys.split(", "))


def _definitions() -> View:
    rows = ",\n    ".join(
        f"({quote_text(m.name)}, {quote_text(m.view)}, {quote_text(m.title)}, {quote_text(m.unit)}, "
        f"{quote_text(m.definition)}, {quote_text(m.source)}, [{', '.join(map(quote_text, m.all_dimensions))}])"
        for m in metrics()
    )
    texts = [
        ("metric", "Name of the metric."),
        ("view", "View that has it."),
        ("title", "Name for people."),
        ("unit", "Unit of its values."),
        ("definition", "What it says."),
        ("source", "Where formula and interval are from."),
    ]
    return View(
        name="v_metric_definitions",
        comment="Every metric with its definition, unit and source.",
        columns=view_columns_of(
            [
                *((name, "String", f"d.{number}", comment) for number, (name, comment) in enumerate(texts, 1)),
                (
                    "dimensions",
                    "Array(String)",
                    "d.7",
                    "What it can be split by; persona: in the view <view>_by_persona.",
                ),
            ]
        ),
        source=f"FROM\n(\n    SELECT arrayJoin([\n    {rows}]) AS d\n)",
        question="Which metrics are there?",
        example="SELECT metric, unit, definition FROM v_metric_definitions ORDER BY metric",
    )


def _cohorts() -> View:
    low, high = wilson("c.active", "c.customers")
    ordered = (
        f"SELECT 'order' AS activity, {CUSTOMER} AS customer, groupUniqArray(toStartOfMonth(t.occurred_at)) AS months\n"
        f"        FROM {{db}}.touchpoints AS t FINAL\n        {joined_customers()}\n"
        "        WHERE t.type = 'order.placed' AND t.order_id != ''\n        GROUP BY customer"
    )
    anything = (
        "SELECT 'touchpoint', s.ident_key, arrayDistinct(arrayMap(x -> toStartOfMonth(x), s.step_occurred_at))\n"
        f"        FROM {{db}}.stitched AS s FINAL\n        WHERE {ANCHORS} AND s.touchpoints > 0"
    )
    offsets = (
        "SELECT activity, arrayMin(months) AS cohort, arrayMap(m -> dateDiff('month', cohort, m), months) AS offsets,\n"
        "            range(toUInt32(dateDiff('month', cohort, toDate(now64(3, 'UTC'))))) AS whole\n"
        f"        FROM\n        (\n        {ordered}\n        UNION ALL\n        {anything}\n        )"
    )
    return View(
        name="v_cohorts",
        comment="Cohort retention: of the customers who began in a month, the share active so many months later.",
        columns=view_columns_of(
            [
                ("activity", LOW, "c.activity", "What counts as active: an order, or any touchpoint."),
                ("cohort", "Date", "c.cohort", "Month of the first one, UTC."),
                ("month", "UInt32", "toUInt32(c.month)", "Months later; 0 is the first; whole months only."),
                ("customers", "UInt64", "c.customers", "Customers of the cohort."),
                ("active", "UInt64", "c.active", "Those active in the month."),
                ("value", "Float64", "c.active / c.customers", "Their share."),
                ("low", _FLOAT, low, "Lower end of the 95 % interval, Wilson's."),
                ("high", _FLOAT, high, "Upper end of it."),
            ]
        ),
        source=(
            "FROM\n(\n    SELECT activity, cohort, month, count() AS customers,\n"
            "        countIf(has(offsets, month)) AS active\n"
            f"    FROM\n    (\n        {offsets}\n    )\n    ARRAY JOIN whole AS month\n"
            "    GROUP BY activity, cohort, month\n) AS c"
        ),
        question="How many of those who began together are still there?",
        example="SELECT cohort, month, customers, active, round(value, 3) AS share\n"
        "FROM v_cohorts\nWHERE activity = 'touchpoint'\nORDER BY cohort, month",
    )


def _values() -> View:
    return View(
        name="v_customer_values",
        comment="What every customer paid so far and got back, by currency: the historic lifetime value.",
        columns=view_columns_of(
            [
                ("customer_uid", "UUID", "c.customer", "The customer."),
                ("currency", "String", "c.currency", "Currency, ISO 4217; amounts of two are never added."),
                ("orders", "UInt64", "c.orders", "Orders with an amount in it."),
                ("gross_minor", "Int64", "c.gross_minor", "Their amounts, in minor units."),
                ("refunded_minor", "Int64", "c.refunded_minor", "Refunds in it."),
                ("net_minor", "Int64", "c.net_minor", "Amounts less refunds."),
                ("first_order_at", MILLIS, "c.first_order_at", "First of these orders."),
                ("last_order_at", MILLIS, "c.last_order_at", "Last of these orders."),
            ]
        ),
        source=f"FROM\n({customer_values()}\n) AS c",
        question="Who are the most valuable customers?",
        example="SELECT customer_uid, currency, orders, net_minor\nFROM v_customer_values\n"
        "ORDER BY currency, net_minor DESC\nLIMIT 10",
    )
