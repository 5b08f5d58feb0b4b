"""
`v_channel_spread`: how far channels lie apart in what customers say, wait for and get.

The rule owned here: six metrics are made from one look at the touchpoints, because to read them costs more than
anything that follows. What counts and what it is worth is said by the metrics themselves, and a test holds this view
to theirs.
"""

from typing import Final

from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.bodies import body_of
from pipeline.warehouse.tables.numbers import CALLS_AND_CHATS
from pipeline.warehouse.tables.types import LOW
from pipeline.warehouse.views.metrics.declaration import Metric, periods, typed
from pipeline.warehouse.views.metrics.support import (
    ANSWERS,
    ASKS,
    ITS_TICKET,
    MATTER,
    MESSAGES,
    TICKETED,
    support_metrics,
)
from pipeline.warehouse.views.metrics.surveys import SCORES, survey_metrics

_OVER: Final = (*SCORES, "wait", "first_reply", "resolution")
_NOT_COMPARED: Final = ("p90", "p99")
_SURVEY: Final = "survey.answered"
_BODY: Final = (
    f"JSONExtract({body_of((_SURVEY, *CALLS_AND_CHATS))}, 'Tuple(instrument String, score Nullable(Float64), "
    "scale_min Nullable(Float64), scale_max Nullable(Float64), wait_s Nullable(Float64))')"
)


def spread_view() -> View:
    """Declare `v_channel_spread`."""
    return View(
        name="v_channel_spread",
        comment="Consistency between channels: how far the best and the worst lie apart in score, wait and resolution.",
        columns=view_columns_of(
            [
                ("metric", LOW, "c.metric", f"One of {', '.join(_OVER)}."),
                ("period", LOW, "c.period", "day, week, month or all."),
                ("period_start", "Nullable(Date)", "c.period_start", "First day of the period, UTC; NULL: all."),
                ("statistic", LOW, "c.result.1", "What is compared: net, share, mean, or p50."),
                ("channels", "UInt64", "count()", "Channels that have a value."),
                ("least_n", "UInt64", "min(c.result.2)", "Cases of the channel with the fewest."),
                ("lowest", "String", "min((c.value, c.channel)).2", "Channel with the lowest value."),
                ("highest", "String", "max((c.value, c.channel)).2", "Channel with the highest value."),
                ("spread", "Float64", "max(c.value) - min(c.value)", "Highest less lowest value."),
                (
                    "differ",
                    "Bool",
                    "ifNull(argMax(c.result.4, (c.value, c.channel)) > argMin(c.result.5, (c.value, c.channel)), "
                    "false)",
                    "Whether the intervals of highest and lowest lie apart.",
                ),
                ("unit", LOW, "any(c.unit)", "Unit of spread."),
            ]
        ),
        source=f"FROM\n({_compared()}\n) AS c\nGROUP BY c.metric, c.period, c.period_start, c.result.1",
        question="Is the service the same on every channel?",
        example="SELECT metric, statistic, lowest, highest, spread, least_n, differ\n"
        "FROM v_channel_spread\nWHERE period = 'all'\nORDER BY metric",
    )


def _metrics() -> tuple[Metric, ...]:
    named = {metric.name: metric for metric in (*survey_metrics(), *support_metrics())}
    return tuple(named[name] for name in _OVER)


def _compared() -> str:
    """Select the value of each metric for each channel and period: result (statistic, n, value, low, high), value."""
    # Of the same names the statistics mean the same numbers, for every base is 1.
    aggregates = {name: sql for metric in _metrics() for name, sql in metric.statistic.aggregates.items()}
    summed = ", ".join(f"{expression} AS {name}" for name, expression in aggregates.items())
    results = ", ".join(
        f"metric = {quote_text(metric.name)}, ({quote_text(label)}, toUInt64({n}), toNullable(toFloat64({value})), "
        f"toNullable(toFloat64({low})), toNullable(toFloat64({high})))"
        for metric in _metrics()
        for label, n, value, low, high in metric.statistic.results
        if label not in _NOT_COMPARED
    )
    units = ", ".join(f"metric = {quote_text(metric.name)}, {quote_text(metric.unit)}" for metric in _metrics())
    none = "('', toUInt64(0), CAST(NULL, 'Nullable(Float64)'), CAST(NULL, 'Nullable(Float64)'), "
    return f"""
    SELECT *, multiIf({results}, {none}CAST(NULL, 'Nullable(Float64)'))) AS result,
        assumeNotNull(result.3) AS value, multiIf({units}, '') AS unit
    FROM
    (
        SELECT metric, p.1 AS period, p.2 AS period_start, channel, {summed}
        FROM
        ({_cases()}
        )
        ARRAY JOIN {periods("dated")} AS p
        WHERE channel != ''
        GROUP BY metric, period, period_start, channel
    )"""


def _cases() -> str:
    """Select every case of every metric: metric, dated, channel, hit, base."""
    solved, reopened = "type = 'support.ticket_solved'", "type = 'support.ticket_reopened'"
    begins = f"multiIf(metric = 'first_reply', {ASKS}, metric = 'resolution', type = 'support.ticket_created', 1)"
    milliseconds = "toInt64(dateDiff('millisecond', began.1, {}))"
    hit = (
        f"multiIf(metric = 'first_reply', {milliseconds.format('replies[1]')}, "
        f"metric = 'resolution', {milliseconds.format('standing[1].1')}, own)"
    )
    return f"""
        SELECT metric, began.1 AS dated, toString(began.3) AS channel, {hit} AS hit, toInt64(1) AS base
        FROM
        (
            SELECT use.1 AS metric, minIf((at, uid, channel), {begins}) AS began, countIf({begins}) AS beginnings,
                max(worth) AS own,
                arrayFilter(a -> a >= began.1, arraySort(groupArrayIf(at, metric = 'first_reply' AND ({ANSWERS}))))
                    AS replies,
                maxIf((at, uid), {reopened}) AS last_reopened, countIf({reopened}) AS reopenings,
                arrayFilter(s -> reopenings = 0 OR s > last_reopened,
                    arraySort(groupArrayIf((at, uid), metric = 'resolution' AND {solved}))) AS standing
            FROM
            ({_uses()}
            )
            ARRAY JOIN arrayFilter(u -> u.1 != '' AND u.2 != '', uses) AS use
            GROUP BY use.1, use.2
        )
        WHERE beginnings > 0 AND (metric != 'first_reply' OR notEmpty(replies))
            AND (metric != 'resolution' OR (notEmpty(standing) AND standing[1].1 >= began.1))"""


def _uses() -> str:
    """Select the touchpoints, each with the (metric, case) that it belongs to and what it is worth by itself."""
    survey = f"type = '{_SURVEY}'"
    valid = " OR ".join(f"(instrument = '{name}' AND {score.condition})" for name, score in SCORES.items())
    low, high = (_end_of_scale(end, f"said.{place}") for end, place in enumerate((3, 4)))
    hits = ", ".join(f"instrument = '{name}', {score.hit}" for name, score in SCORES.items())
    call = "if(type = 'support.call_ended', 'call:', 'chat:')"
    conversation = f"concat({call}, if(conversation = '', hex(uid), conversation))"
    return f"""
                SELECT *, {MATTER} AS matter,
                    if(is_of_survey, multiIf({hits}, 0), toInt64(round(1000 * ifNull(said.5, 0)))) AS worth,
                    [(if(is_answer, instrument, ''), hex(uid)),
                        (if(waited, 'wait', ''), {conversation}),
                        ('first_reply', matter), (if(is_ticket, 'resolution', ''), ticket)] AS uses
                FROM
                (
                    SELECT * REPLACE (if(is_answer, score, low) AS score, if(is_answer, high, low + 1) AS high),
                        {ITS_TICKET} AS its_ticket
                    FROM
                    (
                        SELECT {_BODY} AS said, t.occurred_at AS at, UUIDToNum(t.event_uid) AS uid,
                            toString(t.type) AS type, t.channel AS channel, t.direction AS direction,
                            t.ticket_id AS is_of, t.conversation_id AS conversation,
                            type IN ({_listed(MESSAGES)}) AS is_message, type IN ({_listed(TICKETED)}) AS is_ticket,
                            if(is_message, is_of, '') AS ticket, if(is_message, t.body_thread_id, '') AS thread,
                            t.body_public_reply AS is_public, isNotNull(said.5) AND NOT is_of_survey AS waited,
                            {survey} AS is_of_survey, said.1 AS instrument, assumeNotNull(said.2) AS score,
                            {low} AS low, {high} AS high,
                            is_of_survey AND isNotNull(said.2) AND ({valid}) AND score BETWEEN low AND high
                                AS is_answer
                        FROM {{db}}.touchpoints AS t FINAL
                        WHERE {typed(_SURVEY, *dict.fromkeys((*CALLS_AND_CHATS, *MESSAGES)))}
                    )
                )"""


def _end_of_scale(end: int, said: str) -> str:
    usual = ", ".join(f"instrument = '{name}', {float(score.scale[end])}" for name, score in SCORES.items())
    return f"ifNull({said}, multiIf({usual}, 0))"


def _listed(types: tuple[str, ...]) -> str:
    return ", ".join(map(quote_text, types))
