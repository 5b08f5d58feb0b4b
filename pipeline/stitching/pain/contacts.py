"""
long_wait, unresolved_contact and transferred: calls and chats that cost the customer time or led nowhere.

The rule owned here: a contact is one call or one chat. A call is its `support.call_ended`. A chat may tell its wait
with any of its touchpoints, so of one conversation the first that waited too long counts. Handing a customer from the
bot to a person is what they want, so it is no transfer.
"""

from typing import Final

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import first_of, found, one_of, severity, spoken

CALL: Final = "support.call_ended"
CHAT: Final = ("support.chat_started", "support.chat_message", "support.chat_ended")
ESCALATED: Final = "support.escalated"
_MACHINES: Final = ("bot", "chatbot", "voicebot", "ivr", "virtual_agent", "virtual agent")


def long_waits(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find waits longer than the setting: from twice as long medium, from five times as long high."""
    limit_s = settings.long_wait.total_seconds()
    waited = steps.filter(pl.col("wait_s").is_finite() & (pl.col("wait_s") > limit_s))
    chat = waited.filter((pl.col("type") != CALL) & (pl.col("conversation_id") != ""))
    counted = pl.concat(
        [
            waited.filter((pl.col("type") == CALL) | (pl.col("conversation_id") == "")),
            first_of(chat, ["customer", "conversation_id"]),
        ]
    )
    wait = spoken((pl.col("wait_s") * 1000).cast(pl.Int64, strict=False).fill_null(0))
    return found(
        counted.with_columns(
            severity(pl.col("wait_s"), 2 * limit_s, 5 * limit_s).alias("severity"),
            pl.format("The customer waited {} for an answer in a {}.", wait, _contact()).alias("detail"),
        )
    )


def unresolved_contacts(steps: pl.DataFrame, _settings: PainPointSettings) -> pl.DataFrame:
    """Find calls and chats that ended with `resolved` false: medium, as nobody said what was left open."""
    return found(
        steps.filter(~pl.col("resolved")).with_columns(
            pl.lit("medium").alias("severity"),
            pl.format("A {} ended without a solution.", _contact()).alias("detail"),
        )
    )


def transfers(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find contacts handed on at least as often as the setting says: medium, from twice as often high."""
    calls = steps.filter((pl.col("type") == CALL) & (pl.col("transfers") >= settings.transfers)).with_columns(
        pl.col("transfers").alias("times"), pl.lit(None, pl.UInt32).alias("witness")
    )
    # One conversation may be told by its call and by its escalations: it is one.
    known = calls.filter(pl.col("conversation_id") != "")
    keys = ["customer", "conversation_id", "its_ticket"]
    is_named = (pl.col("conversation_id") != "") | (pl.col("ticket_id") != "")
    escalated = (
        steps.filter((pl.col("type") == ESCALATED) & is_named & ~one_of(pl.col("from"), _MACHINES))
        .join(known, on=["customer", "conversation_id"], how="anti", maintain_order="left")
        .with_columns(
            pl.when(pl.col("conversation_id") == "").then("ticket_id").otherwise(pl.lit("")).alias("its_ticket")
        )
        .with_columns(
            pl.len().over(keys).cast(pl.Int64).alias("times"),
            pl.int_range(1, pl.len() + 1).over(keys).alias("number"),
            pl.col("row").first().over(keys).alias("witness"),
        )
        .filter((pl.col("number") == settings.transfers) & (pl.col("times") >= settings.transfers))
    )
    handed_on = pl.concat([calls, escalated.select(calls.columns)])
    return found(
        handed_on.with_columns(
            severity(pl.col("times"), settings.transfers, 2 * settings.transfers).alias("severity"),
            pl.format("The customer was handed on {} times in one contact.", "times").alias("detail"),
        )
    )


def _contact() -> pl.Expr:
    return pl.when(pl.col("type") == CALL).then(pl.lit("call")).otherwise(pl.lit("chat"))
