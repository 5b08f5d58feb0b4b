"""
long_wait and unresolved_contact: calls and chats that cost the customer time or led nowhere.

The rule owned here: a contact is one call or one chat. A call is its `support.call_ended`. A chat may tell its wait
with any of its touchpoints, so of one conversation the first that waited too long counts.
"""

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import found, severity, spoken

_CALL = "support.call_ended"
_CHAT = ("support.chat_started", "support.chat_message", "support.chat_ended")


def long_waits(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find waits longer than the setting: from twice as long medium, from five times as long high."""
    limit_s = settings.long_wait.total_seconds()
    waited = steps.filter(
        pl.col("type").is_in([_CALL, *_CHAT]) & pl.col("wait_s").is_finite() & (pl.col("wait_s") > limit_s)
    )
    chat = waited.filter((pl.col("type") != _CALL) & (pl.col("conversation_id") != ""))
    counted = pl.concat(
        [
            waited.filter((pl.col("type") == _CALL) | (pl.col("conversation_id") == "")),
            chat.unique(["customer", "conversation_id"], keep="first", maintain_order=True),
        ]
    )
    wait = spoken((pl.col("wait_s") * 1000).cast(pl.Int64, strict=False).fill_null(0))
    contact = pl.when(pl.col("type") == _CALL).then(pl.lit("call")).otherwise(pl.lit("chat"))
    return found(
        counted.with_columns(
            severity(pl.col("wait_s"), 2 * limit_s, 5 * limit_s).alias("severity"),
            pl.format("The customer waited {} for an answer in a {}.", wait, contact).alias("detail"),
        )
    )


def unresolved_contacts(steps: pl.DataFrame, _settings: PainPointSettings) -> pl.DataFrame:
    """Find calls and chats that ended with `resolved` false: medium, as nobody said what was left open."""
    unresolved = steps.filter(pl.col("type").is_in([_CALL, "support.chat_ended"]) & ~pl.col("resolved"))
    contact = pl.when(pl.col("type") == _CALL).then(pl.lit("call")).otherwise(pl.lit("chat"))
    return found(
        unresolved.with_columns(
            pl.lit("medium").alias("severity"),
            pl.format("A {} ended without a solution.", contact).alias("detail"),
        )
    )
