"""
repeat_contact: the customer had to turn to us again.

The rule owned here: what one contact is, and which earlier one it repeats. A contact is a call, a conversation, or a
mail thread or ticket with everything that is written in it; what the business begins is none. It repeats the latest
earlier contact of the customer about the same order or ticket, or about anything within a shorter time; but where both
name an order, it must be the same. A chain (call, then chat, then mail) hurts more with every link.
"""

from typing import Final

import numpy as np
import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.columns import Ints
from pipeline.stitching.pain.contacts import CALL, CHAT
from pipeline.stitching.pain.found import first_of, found, spoken
from pipeline.stitching.pain.threads import with_threads

MAIL: Final = "support.email_received"
TICKET: Final = "support.ticket_created"
CONTACT_TYPES: Final = (CALL, *CHAT, MAIL, TICKET)


def repeat_contacts(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find contacts that repeat an earlier one: the second low, the third medium, each further one high."""
    contacts = contacts_of(steps)
    earlier = _earlier(contacts, settings)
    number = chain_numbers(earlier)
    again = np.flatnonzero(earlier >= 0)
    before = earlier[again]
    repeated = contacts[again].with_columns(
        pl.Series("witness", contacts["row"].gather(before)),
        pl.Series("before", contacts["medium"].gather(before)),
        pl.Series("before_at", contacts["occurred_at"].gather(before)),
        pl.Series("number", number[again]),
    )
    about = pl.when(pl.col("order_id") != "").then(pl.format(" about order {}", "order_id")).otherwise(pl.lit(""))
    after = spoken((pl.col("occurred_at") - pl.col("before_at")).dt.total_milliseconds())
    nth = pl.format("Contact {} in a row{}: a {}, {} after a {}.", "number", about, "medium", after, "before")
    return found(
        repeated.with_columns(
            pl.when(pl.col("number") >= 4)
            .then(pl.lit("high"))
            .when(pl.col("number") == 3)
            .then(pl.lit("medium"))
            .otherwise(pl.lit("low"))
            .alias("severity"),
            nth.alias("detail"),
        )
    )


def contacts_of(steps: pl.DataFrame) -> pl.DataFrame:
    """
    Return every contact that the customers began, in order.

    Returns:
        row, customer, occurred_at of its first touchpoint, `medium`, and the first order_id and ticket_id it names.
    """
    inbound = with_threads(
        steps.filter(pl.col("type").is_in(CONTACT_TYPES) & (pl.col("direction") != "outbound")), steps
    )
    type_ = pl.col("type")
    medium = (
        pl.when(type_ == CALL)
        .then(pl.lit("call"))
        .when(type_.is_in(CHAT))
        .then(pl.lit("chat"))
        .otherwise(pl.lit("mail"))
    )
    # A call or mail that names neither conversation nor thread is a contact of its own; a chat message is not.
    own = pl.format("#{}", "row")
    key = (
        pl.when((medium != "mail") & (pl.col("conversation_id") != ""))
        .then("conversation_id")
        .when((medium == "mail") & (pl.col("thread") != ""))
        .then("thread")
        .otherwise(own)
    )
    begun = inbound.filter(
        (type_ != TICKET)
        & ((type_ != "support.chat_message") | (pl.col("conversation_id") != ""))
        & ((type_ != "support.chat_ended") | (pl.col("conversation_id") != ""))
    )
    # A ticket that the help desk opened for a call, chat or mail is no contact beside it.
    alone = inbound.filter(type_ == TICKET).join(
        begun.filter(pl.col("ticket_id") != ""), on=["customer", "ticket_id"], how="anti", maintain_order="left"
    )
    named = pl.concat([begun, alone]).sort("row").with_columns(medium.alias("medium"), key.alias("key"))
    parts = ["customer", "medium", "key"]
    said = [_first_said(named, parts, column) for column in ("order_id", "ticket_id")]
    firsts = first_of(named, parts).drop("order_id", "ticket_id")
    for column in said:
        firsts = firsts.join(column, on=parts, how="left", maintain_order="left")
    return firsts.with_columns(pl.col("order_id", "ticket_id").fill_null(""))


def _first_said(named: pl.DataFrame, parts: list[str], column: str) -> pl.DataFrame:
    return first_of(named.filter(pl.col(column) != ""), parts).select(*parts, column)


def _earlier(contacts: pl.DataFrame, settings: PainPointSettings) -> Ints:
    """Return the number of the contact that each contact repeats; -1 where it repeats none."""
    here = pl.col("place")
    on_order, on_ticket = ["customer", "order_id"], ["customer", "ticket_id"]
    unsaid = pl.when(pl.col("order_id") == "").then(here)
    candidates = contacts.with_row_index("place").select(
        same_order=pl.when(pl.col("order_id") != "").then(here.shift(1).over(on_order)),
        same_ticket=pl.when(pl.col("ticket_id") != "").then(here.shift(1).over(on_ticket)),
        # Somebody who names an order may go on about what was said without one, and the other way round.
        loose=pl.when(pl.col("order_id") == "")
        .then(here.shift(1).over("customer"))
        .otherwise(unsaid.forward_fill().shift(1).over("customer")),
    )
    at = contacts["occurred_at"].to_physical().to_numpy()
    latest = np.full(contacts.height, -1, dtype=np.int64)
    for name, window in (
        ("same_order", settings.repeat_contact_matter),
        ("same_ticket", settings.repeat_contact_matter),
        ("loose", settings.repeat_contact),
    ):
        chosen = candidates[name].fill_null(-1).to_numpy().astype(np.int64)
        near = (chosen >= 0) & (at - at[chosen] <= round(window.total_seconds() * 1000))
        latest = np.where(near & (chosen > latest), chosen, latest)
    return latest


def chain_numbers(earlier: Ints) -> Ints:
    """Return the place of every contact in its chain, from 1, by doubling the reach of every look back."""
    number = (earlier >= 0).astype(np.int64)
    back = earlier.copy()
    while (back >= 0).any():
        linked = np.flatnonzero(back >= 0)
        number[linked] += number[back[linked]]
        back[linked] = back[back[linked]]
    return number + 1
