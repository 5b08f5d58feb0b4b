"""Mail threads and tickets: which messages belong to one matter at the help desk."""

import polars as pl

from pipeline.stitching.pain.found import first_of

_THREAD = ["customer", "thread_id"]


def with_threads(messages: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """
    Add `thread`: the ticket, else the ticket of the mail thread, else the mail thread, else "".

    A mail system knows its thread and a help desk its ticket; the first touchpoint that names both joins them.
    """
    known = steps.filter((pl.col("thread_id") != "") & (pl.col("ticket_id") != ""))
    tickets = first_of(known, _THREAD).select(*_THREAD, pl.col("ticket_id").alias("its_ticket"))
    thread = (
        pl.when(pl.col("ticket_id") != "")
        .then(pl.format("ticket:{}", "ticket_id"))
        .when(pl.col("its_ticket").is_not_null())
        .then(pl.format("ticket:{}", "its_ticket"))
        .when((pl.col("thread_id") != "").fill_null(value=False))
        .then(pl.format("thread:{}", "thread_id"))
        .otherwise(pl.lit(""))
    )
    joined = messages.join(tickets, on=_THREAD, how="left", maintain_order="left")
    return joined.with_columns(thread.alias("thread")).drop("its_ticket")
