"""Facts for tests: one by hand with everything else absent, frames of them, and small adversarial lists of them."""

from typing import Any

import polars as pl
from hypothesis import strategies as st

from pipeline.stitching.frames import FACTS_SCHEMA, IDENTITIES_SCHEMA, NULLABLE_FACTS, ORDERED_PRODUCTS, conform_facts

Fact = dict[str, Any]
MINUTE = 60_000
DAY = 24 * 60 * MINUTE


def uid(number: int) -> bytes:
    """Return a 16-byte id by number."""
    return number.to_bytes(16, "big")


def fact(who: bytes, number: int, at: int, type_name: str, **fields: Any) -> Fact:
    """Return a fact in which only what is named is there."""
    empty: Fact = {name: None if name in NULLABLE_FACTS else "" for name in FACTS_SCHEMA}
    empty[ORDERED_PRODUCTS] = []
    named = {
        "ident_key": who,
        "event_uid": uid(number),
        "content_version": uid(1),
        "occurred_at": at,
        "type": type_name,
    }
    return empty | named | fields


def facts_frame(facts: list[Fact]) -> pl.DataFrame:
    """Return the facts as the read of a block returns them."""
    schema: dict[str, pl.DataType] = {
        name: pl.Int64() if isinstance(dtype, pl.Datetime) else dtype for name, dtype in FACTS_SCHEMA.items()
    }
    return conform_facts(pl.DataFrame(facts, schema=schema, orient="row"))


def identities_frame(rows: list[tuple[bytes, int, bytes]]) -> pl.DataFrame:
    """Return identities of (ident_key, kind, customer_uid), none of them shared."""
    return pl.DataFrame([(*row, False) for row in rows], schema=dict(IDENTITIES_SCHEMA), orient="row")


_TYPES = (
    "web.page_viewed",
    "order.placed",
    "payment.failed",
    "payment.made",
    "delivery.shipped",
    "delivery.delivered",
    "order.cancelled",
    "return.requested",
    "refund.issued",
    "support.call_ended",
    "support.chat_message",
    "support.chat_ended",
    "survey.answered",
    "identity.unlinked",
)
_TEXT = st.sampled_from(["", "x", "y"])
_TIMES = st.sampled_from(
    [0, 1, 10 * MINUTE, 30 * MINUTE, 30 * MINUTE + 1, 60 * MINUTE, DAY, 8 * DAY, 30 * DAY, 60 * DAY + 1]
)
_OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "order.placed": {
        "promised_delivery_at": st.none() | _TIMES,
        "amount_minor": st.none() | st.integers(0, 5),
        "currency": st.sampled_from(["EUR", "USD"]),
        ORDERED_PRODUCTS: st.lists(st.sampled_from(["p", "q"]), max_size=2, unique=True),
    },
    "delivery.shipped": {"promised_until": st.none() | _TIMES},
    "delivery.delivered": {"delivered_at": st.none() | _TIMES, "carrier": st.none() | st.sampled_from(["", "dhl"])},
    "refund.issued": {"amount_minor": st.none() | st.integers(0, 5), "currency": st.sampled_from(["EUR", "USD"])},
    "survey.answered": {
        "instrument": st.sampled_from(["nps", "csat", "ces", "star", "text"]),
        "score": st.integers(0, 10).map(float),
        "scale_min": st.none() | st.sampled_from([0.0, 1.0, 5.0]),
        "scale_max": st.none() | st.sampled_from([5.0, 7.0, 10.0]),
    },
}
_CONTACT: dict[str, st.SearchStrategy[Any]] = {
    "wait_s": st.none() | st.sampled_from([0.0, 180.0, 180.5, 360.0, 900.0]),
    "resolved": st.none() | st.booleans(),
}
_TEXTS = (
    "order_id",
    "shipment_id",
    "ticket_id",
    "conversation_id",
    "url",
    "channel_group",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "campaign",
)


@st.composite
def contents(draw: st.DrawFn, who: list[bytes]) -> Fact:
    """Draw one content of one of few touchpoints; contents of one touchpoint share subject and time."""
    number = draw(st.integers(0, 4))
    at = draw(_TIMES)
    type_name = draw(st.sampled_from(_TYPES))
    own = _CONTACT if type_name.startswith("support.") else _OWN.get(type_name, {})
    fields: Fact = {name: draw(_TEXT) for name in _TEXTS} | {name: draw(drawn) for name, drawn in own.items()}
    channel = draw(st.sampled_from(["web", "app", "phone", "email", "post"]))
    version = uid(draw(st.integers(0, 2)))
    # event_uid stands for subject and time, as the real one does; its first bytes are shuffled against both.
    subject = draw(st.sampled_from(range(len(who))))
    name = uid(((number * 2_654_435_761) % 97) << 121 | at << 16 | number << 4 | subject)
    return fact(who[subject], 0, at, type_name, **fields, event_uid=name, channel=channel, content_version=version)
