"""
The events every contestant gets: believable touchpoints of many customers, the same bytes for all.

Each customer browses with a cookie, orders with an account and an e-mail address, is delivered to and calls; gaps of
more than 30 minutes and of more than 30 days occur, so visits and journeys really open and close.
"""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fastavro

from pipeline.contracts.kinds import KINDS
from pipeline.contracts.schemas import writer_schema
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.wire import encode_single_object

FIRST_MS = 1_750_000_000_000
MINUTE_MS = 60_000
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One record to produce."""

    topic: str
    key: bytes
    value: bytes


def encoded_events(events: int, customers: int, seed: int = 7, more_bytes: int = 0) -> Iterator[Encoded]:
    """
    Make events in an order that mixes all customers, as a live topic does.

    Args:
        events: How many.
        customers: How many people they are spread over.
        seed: Same seed, same bytes.
        more_bytes: How much longer every event is made, by an attribute of so much random text.
    """
    chance = random.Random(seed)
    clocks = [FIRST_MS + chance.randrange(0, 86_400_000) for _ in range(customers)]
    turns = [0] * customers
    for number in range(events):
        customer = chance.randrange(customers)
        clocks[customer] += _gap_ms(chance)
        family, event = _touchpoint(customer, turns[customer], clocks[customer], number, chance)
        turns[customer] += 1
        if more_bytes:
            event["attributes"] = [{"key": "more", "value": chance.randbytes(more_bytes // 2).hex()}]
        buffer = io.BytesIO()
        schema = writer_schema(family)
        fastavro.schemaless_writer(buffer, schema.parsed, event)
        value = encode_single_object(schema.fingerprint, buffer.getvalue())
        yield Encoded(topic_of_family(family), f"customer:{customer}".encode(), value)


def _gap_ms(chance: random.Random) -> int:
    draw = chance.random()
    if draw < 0.80:
        return chance.randrange(5_000, 10 * MINUTE_MS)
    if draw < 0.97:
        return chance.randrange(31 * MINUTE_MS, 5 * 1440 * MINUTE_MS)
    return chance.randrange(31 * 1440 * MINUTE_MS, 60 * 1440 * MINUTE_MS)


def _touchpoint(customer: int, turn: int, at: int, number: int, chance: random.Random) -> tuple[str, dict[str, Any]]:
    """Return family and Avro form of a customer's next touchpoint."""
    cookie = {"kind": "cookie_id", "value": f"c-{customer}-{turn // 12}"}
    account = {"kind": KINDS[0], "value": f"u-{customer}"}
    mail = {"kind": "email", "value": f"person{customer}@example.com"}
    order = f"o-{customer}-{turn // 8}"
    event: dict[str, Any] = {"id": f"e-{number:012d}", "occurred_at": at, "sent_at": at + 40, "identities": [cookie]}
    step = turn % 8
    if step in (0, 1, 2, 4):
        event |= {"type": "product.viewed", "source": "shop", "body": {"product": f"p-{chance.randrange(5000)}"}}
        event["identities"] = [cookie, account] if step == 4 else [cookie]
        event["context"] = {
            "url": f"https://shop.example/p/{chance.randrange(5000)}?utm_source=news&utm_medium=email",
            "user_agent": _AGENT,
        }
        return "web", event
    if step == 3:
        event |= {
            "type": "order.placed",
            "source": "shop",
            "identities": [account, mail, cookie],
            "refs": {"order_id": order},
        }
        event |= {
            "amount": {"minor": chance.randrange(500, 30_000), "currency": "EUR"},
            "body": {"promised_delivery_at": at + 3 * 86_400_000},
        }
        return "orders", event
    if step == 5:
        event |= {
            "type": "delivery.delivered",
            "source": "carrier",
            "identities": [],
            "refs": {"order_id": order},
            "body": {"delivered_at": at},
        }
        return "deliveries", event
    if step == 6:
        event |= {
            "type": "support.call_ended",
            "source": "calls",
            "identities": [mail],
            "body": {"wait_s": float(chance.randrange(400)), "resolved": chance.random() < 0.8},
        }
        return "support", event
    event |= {
        "type": "survey.answered",
        "source": "survey",
        "identities": [mail],
        "refs": {"order_id": order},
        "body": {"instrument": "csat", "score": float(chance.randrange(1, 6)), "scale_min": 1.0, "scale_max": 5.0},
    }
    return "feedback", event
