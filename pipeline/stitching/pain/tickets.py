"""
reopened_ticket: what was called solved was not.

The rule owned here: which reopening counts. A ticket that is solved again within the grace was opened by accident, as
by a mail that says thank you; so a reopening is due when the grace is over. Reopenings of one ticket are numbered.
"""

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import found

_TICKET = ["customer", "ticket_id"]


def reopened_tickets(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find tickets that were opened again: the first time low, the second medium, each further one high."""
    at = pl.col("occurred_at")
    reopened = steps.filter(pl.col("type") == "support.ticket_reopened").sort("occurred_at", maintain_order=True)
    solved = (
        steps.filter((pl.col("type") == "support.ticket_solved") & (pl.col("ticket_id") != ""))
        .select(*_TICKET, "occurred_at", at.alias("solved_at"), pl.col("row").alias("witness"))
        .sort("occurred_at", maintain_order=True)
    )
    again = reopened.join_asof(
        solved.select(*_TICKET, "occurred_at", pl.col("solved_at").alias("again_at")),
        on="occurred_at",
        by=_TICKET,
        strategy="forward",
        check_sortedness=False,
    ).filter((pl.col("again_at") - at > settings.reopened_grace).fill_null(value=True))
    before = again.join_asof(
        solved.unique([*_TICKET, "occurred_at"], keep="first", maintain_order=True).sort("occurred_at"),
        on="occurred_at",
        by=_TICKET,
        strategy="backward",
        check_sortedness=False,
    )
    number = pl.when(pl.col("ticket_id") == "").then(1).otherwise(pl.int_range(1, pl.len() + 1).over(_TICKET))
    return found(
        before.sort("row")
        .with_columns(number.alias("number"))
        .with_columns(
            pl.when(pl.col("number") >= 3)
            .then(pl.lit("high"))
            .when(pl.col("number") == 2)
            .then(pl.lit("medium"))
            .otherwise(pl.lit("low"))
            .alias("severity"),
            (at + settings.reopened_grace).alias("due_at"),
            pl.when(pl.col("number") > 1)
            .then(pl.format("A solved ticket was opened again, for the {}. time.", "number"))
            .otherwise(pl.lit("A solved ticket was opened again."))
            .alias("detail"),
        )
    )
