"""
bot_loop: a machine that talks in circles and lets nobody through to a person.

The rule owned here: a conversation with a bot that no person took over, and that was not resolved, is a loop when it
ended unresolved, when the bot gave the same answer again and again, or when a hand-off was refused (a touchpoint
before the end says `handoff` false). While nobody has said that it ended, it may still turn: it is due after a silence.
"""

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.contacts import CHAT, ESCALATED
from pipeline.stitching.pain.found import found

_TALK = ["customer", "conversation_id"]


def bot_loops(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find looping conversations: medium with one of the three signs, high with more."""
    talks = steps.filter(pl.col("conversation_id") != "")
    by_bot = (pl.col("channel") == "bot") | (pl.col("party") == "bot").fill_null(value=False)
    type_ = pl.col("type")
    same_answer = (
        talks.filter((pl.col("party") == "bot") & pl.col("text_hash").is_not_null())
        .group_by(*_TALK, "text_hash")
        .len("times")
        .group_by(_TALK)
        .agg(pl.col("times").max().cast(pl.Int64))
    )
    person = ((pl.col("party") == "agent") | pl.col("handoff").fill_null(value=False) | (type_ == ESCALATED)).fill_null(
        value=False
    )
    ended = type_ == CHAT[-1]
    told = talks.group_by(_TALK, maintain_order=True).agg(
        pl.col("row").first(),
        pl.col("row").last().alias("witness"),
        pl.col("occurred_at").last(),
        pl.col("order_id").filter(pl.col("order_id") != "").first().fill_null(""),
        pl.col("ticket_id").filter(pl.col("ticket_id") != "").first().fill_null(""),
        by_bot.any().alias("is_bot"),
        # A conversation that leaves the bot's channel has reached somebody.
        (person.any() | ((pl.col("channel") == "bot").any() & (pl.col("channel") != "bot").any())).alias("is_taken"),
        pl.col("resolved").fill_null(value=False).any().alias("is_resolved"),
        ended.any().alias("is_over"),
        (ended & ~pl.col("resolved").fill_null(value=True)).any().alias("is_unresolved"),
        (~ended & ~pl.col("handoff").fill_null(value=True)).any().alias("is_refused"),
    )
    signs = pl.sum_horizontal("is_unresolved", "is_refused", pl.col("times") >= settings.bot_repeats)
    loops = (
        told.join(same_answer, on=_TALK, how="left", maintain_order="left")
        .with_columns(pl.col("times").fill_null(0))
        .filter(pl.col("is_bot") & ~pl.col("is_taken") & ~pl.col("is_resolved") & (signs > 0))
    )
    what = (
        pl.when(pl.col("times") >= settings.bot_repeats)
        .then(pl.format("A bot gave the same answer {} times", "times"))
        .when("is_refused")
        .then(pl.lit("A bot refused to hand over"))
        .otherwise(pl.lit("A bot left the matter open"))
    )
    return found(
        loops.with_columns(
            pl.when(signs > 1).then(pl.lit("high")).otherwise(pl.lit("medium")).alias("severity"),
            pl.when(~pl.col("is_over")).then(pl.col("occurred_at") + settings.bot_silence).alias("due_at"),
            pl.format("{}, and nobody took over.", what).alias("detail"),
        )
    )
