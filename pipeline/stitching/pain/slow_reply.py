"""
slow_reply: a message waited for an answer longer than the opening hours allow.

The rule owned here: which message waits, what answers it, and by whose clock. A customer's mail or ticket waits from
the first that nobody answered; a mail to the customer, a public reply, an outbound call or the solution ends the wait.
What comes in after the ticket was solved waits for nothing until the ticket is opened again (people say thank you).
The time is counted in the opening hours of a business calendar, and the wait is an absence: due when it ran out.
"""

from typing import Final

import numpy as np
import polars as pl

from pipeline.config_pain import DEFAULT_CALENDAR, PainPointSettings
from pipeline.stitching.columns import Ints
from pipeline.stitching.frames import TIME
from pipeline.stitching.pain.calendars import NEVER, OpeningHours
from pipeline.stitching.pain.found import found, spoken
from pipeline.stitching.pain.threads import with_threads

_CALL: Final = "support.call_ended"
_SOLVED: Final = "support.ticket_solved"
_REOPENED: Final = "support.ticket_reopened"
_ASKS: Final = ("support.email_received", "support.ticket_created", _REOPENED)
_THREAD: Final = ["customer", "thread"]

SLOW_REPLY_TYPES: Final = (*_ASKS, "support.email_sent", "support.ticket_updated", _SOLVED, _CALL)


def slow_replies(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find waits longer than the setting: from twice as long, or for ever, medium; from five times as long high."""
    waits = _waits(steps).with_columns(_calendar(settings).alias("calendar"))
    limit = round(settings.slow_reply.total_seconds() * 1000)
    starts = waits["occurred_at"].to_physical().to_numpy()
    due, medium, high = (_due(waits, starts, times * limit, settings) for times in (1, 2, 5))
    answered = waits["answered_at"].to_physical().fill_null(NEVER).to_numpy()
    hurts = np.flatnonzero((due != NEVER) & (answered > due))
    answer = pl.col("answered_at").is_not_null()
    waited = spoken((pl.col("answered_at") - pl.col("occurred_at")).dt.total_milliseconds())
    hours = f"{settings.slow_reply.total_seconds() / 3600:g}"
    return found(
        waits[hurts]
        .with_columns(
            pl.Series("due_at", due[hurts]).cast(TIME),
            pl.Series("occurred_at", due[hurts]).cast(TIME),
            pl.Series("is_medium", answered[hurts] >= medium[hurts]),
            pl.Series("is_high", answered[hurts] >= high[hurts]),
            pl.col("answer").alias("witness"),
            pl.when(answer)
            .then(pl.format("A message was answered only after {}", waited))
            .otherwise(pl.lit("A message was not answered"))
            .alias("detail"),
        )
        .with_columns(
            pl.when(answer & pl.col("is_high"))
            .then(pl.lit("high"))
            .when(pl.col("is_medium"))
            .then(pl.lit("medium"))
            .otherwise(pl.lit("low"))
            .alias("severity"),
            pl.format("{}; the limit is {} opening hours.", "detail", pl.lit(hours)).alias("detail"),
        )
    )


def _waits(steps: pl.DataFrame) -> pl.DataFrame:
    """Return the message that begins each wait, with the row and time of its answer; null where none came."""
    type_, outbound = pl.col("type"), pl.col("direction") == "outbound"
    answers = (
        type_.is_in(["support.email_sent", _SOLVED])
        | ((type_ == "support.ticket_updated") & pl.col("public_reply").fill_null(value=False))
        | ((type_ == _CALL) & outbound)
    )
    told = with_threads(steps, steps).with_columns(
        (type_.is_in(_ASKS) & ~outbound).alias("asks"),
        answers.alias("answers"),
        pl.when(type_ == _SOLVED).then(True).when(type_ == _REOPENED).then(False).alias("closes"),  # noqa: FBT003
    )
    # A mail that names no thread can be answered by nothing that we would recognise, so it waits for nothing.
    named = told.filter(pl.col("thread") != "")
    is_closed = pl.col("closes").forward_fill().over(_THREAD).fill_null(value=False)
    relevant = named.filter(pl.col("answers") | (pl.col("asks") & ~is_closed))
    begins = pl.col("asks") & pl.col("asks").shift(1).over(_THREAD).not_().fill_null(value=True)
    answer = pl.when("answers")
    return relevant.with_columns(
        answer.then("row").backward_fill().over(_THREAD).alias("answer"),
        answer.then("occurred_at").backward_fill().over(_THREAD).alias("answered_at"),
    ).filter(begins)


def _calendar(settings: PainPointSettings) -> pl.Expr:
    """Return the name of the calendar that a message is measured by: its attribute, its source's, the default."""
    told = pl.col("calendar")
    by_source = settings.calendar_of_source
    of_source = (
        pl.col("source").replace_strict(by_source, default=DEFAULT_CALENDAR, return_dtype=pl.String)
        if by_source
        else pl.lit(DEFAULT_CALENDAR)
    )
    return pl.when(told.is_in(list(settings.calendars))).then(told).otherwise(of_source)


def _due(waits: pl.DataFrame, starts: Ints, open_ms: int, settings: PainPointSettings) -> Ints:
    """Return when each wait had lasted so long by its own calendar."""
    due = np.full(len(starts), NEVER, dtype=np.int64)
    for name in waits["calendar"].unique():
        chosen = np.flatnonzero((waits["calendar"] == name).to_numpy())
        mine = starts[chosen]
        hours = OpeningHours.between(settings.calendars[name], int(mine.min()), int(mine.max()))
        due[chosen] = hours.after(mine, open_ms)
    return due
