"""Small adversarial stories about one matter each: few ids and moments, so that rules meet their boundaries."""

from random import Random
from typing import Any

from tests.stitching.facts import DAY, MINUTE, Fact, fact, uid

HOUR = 60 * MINUTE
# A Thursday, noon.
NOON = 20 * 365 * DAY + 5 * DAY + 12 * HOUR

_TEXT = ("", "x", "x", "y")
_MAYBE = (None, False, True)
_SOON = (0, 1, 500, 500, 1000, 1000, 1001, 10 * MINUTE, 10 * MINUTE + 1, 30 * MINUTE, 30 * MINUTE + 1)
_QUICK = (0, 1, 500, 999, 1000)
_LATER = (
    *(HOUR, 5 * HOUR, 5 * HOUR + 1, 24 * HOUR, 2 * DAY, 7 * DAY, 7 * DAY + 1),
    *(14 * DAY, 21 * DAY, 30 * DAY, 30 * DAY + 1),
)
_AFTER = (*_SOON, *_LATER)
_MOMENT = (None, *(NOON + after for after in _AFTER))

_Fields = dict[str, tuple[Any, ...]]
_CHAT: _Fields = {
    "conversation_id": _TEXT,
    "channel": ("bot", "bot", "bot", "chat"),
    "party": (None, "bot", "bot", "customer", "agent"),
    "text_hash": (None, "a", "a", "b"),
    "handoff": (None, None, False, True),
    "resolved": (None, None, False, True),
    "wait_s": (None, 180.0, 200.0),
}
_MAIL: _Fields = {
    "thread_id": (None, "t", "u"),
    "direction": ("inbound", "inbound", "outbound"),
    "source": ("desk", "night", ""),
    "calendar": ("", "", "shop", "unheard of"),
}
_CALL: _Fields = {
    **_MAIL,
    "conversation_id": _TEXT,
    "transfers": (None, 0, 1, 2, 4),
    "resolved": _MAYBE,
    "wait_s": (None, 180.0, 360.0, 900.0),
}
_LINE: _Fields = {"shipment_id": _TEXT}
_BACK: _Fields = {"return_id": _TEXT, "product_id": _TEXT}
_ERROR: _Fields = {"code": (None, "e", "f")}
_CLICK: _Fields = {
    "url": ("", "", "x"),
    "element": (None, None, "a", "a", "a", "b"),
    "x": (None, 0.0, 0.0, 30.0),
    "y": (None, 0.0, 0.0, 1.0),
    "ok": (None, None, None, False, False, True),
}
MATTERS: dict[str, dict[str, _Fields]] = {
    "parcel": {
        "order.placed": {"promised_delivery_at": _MOMENT, **_LINE},
        "delivery.shipped": {"promised_until": _MOMENT, **_LINE},
        "delivery.status_changed": {
            "status": (None, "lost", "damaged", "in_transit", "delayed"),
            **_LINE,
        },
        "delivery.delivered": {
            "delivered_at": _MOMENT,
            "condition": (None, "intact", "Damaged", "broken"),
            **_LINE,
        },
        "order.cancelled": {},
        "return.requested": {"reason": ("damaged", "not_as_described", "fit"), **_BACK},
        "return.received": _BACK,
        "refund.issued": _BACK,
        "review.published": {
            "rating": (None, 1.0, 2.0, 2.25, 3.0),
            "scale": (None, 1.0, 5.0, 10.0),
            "product_id": _TEXT,
        },
    },
    "delivery": {
        "order.placed": {"promised_delivery_at": _MOMENT, **_LINE},
        "delivery.shipped": {"promised_until": _MOMENT, **_LINE},
        "delivery.delivered": {"delivered_at": _MOMENT, **_LINE},
    },
    "return": {
        "return.requested": {"reason": ("not_as_described", "fit", None), **_BACK},
        "return.received": _BACK,
        "refund.issued": _BACK,
    },
    "checkout": {
        "checkout.step_reached": {},
        "payment.failed": {"code": (None, "e")},
        "payment.made": {},
        "order.placed": {},
        "subscription.started": {"subscription_id": _TEXT},
        "subscription.renewed": {"subscription_id": _TEXT},
        "subscription.cancelled": {"subscription_id": _TEXT, "effective_at": _MOMENT, "voluntary": _MAYBE},
    },
    "desk": {
        "support.email_received": _MAIL,
        "support.email_sent": _MAIL,
        "support.ticket_created": _MAIL,
        "support.ticket_updated": {**_MAIL, "public_reply": _MAYBE},
        "support.ticket_solved": _MAIL,
        "support.ticket_reopened": _MAIL,
        "support.call_ended": _CALL,
    },
    "contact": {
        "support.call_ended": _CALL,
        "support.chat_started": _CHAT,
        "support.chat_message": _CHAT,
        "support.email_received": _MAIL,
        "support.ticket_created": _MAIL,
        "support.escalated": {"conversation_id": _TEXT, "from": (None, "Bot", "billing")},
    },
    "bot": {
        "support.chat_started": _CHAT,
        "support.chat_message": _CHAT,
        "support.chat_ended": _CHAT,
        "support.escalated": {"conversation_id": _TEXT, "channel": ("bot",)},
    },
    "page": {"ui.clicked": _CLICK, "ui.error_shown": _ERROR},
    "opinion": {
        "complaint.raised": {
            "severity": (None, "Major", "low", "strange"),
            "regulator_ref": (None, None, "", "r-1"),
            "category": (None, "", "late"),
        },
        "review.published": {
            "rating": (None, 1.0, 2.0, 3.25),
            "scale": (None, 1.0, 10.0),
            "product_id": _TEXT,
        },
        "survey.answered": {"instrument": ("star",), "score": (1.0, 2.0, 3.0)},
    },
}


def matter(random: Random, who: list[bytes], first_number: int) -> list[Fact]:
    """
    Make touchpoints of one matter.

    Each happens some while after the one before, or at one of few moments after noon; some stories are quick ones.

    Args:
        random: Chooses.
        who: Subjects, one of whom each touchpoint has.
        first_number: The touchpoints' ids are made of this and the numbers after it.
    """
    types = MATTERS[random.choice(list(MATTERS))]
    whole = random.choice([list(types), random.sample(list(types), random.randint(1, min(3, len(types))))])
    pauses = random.choice([_QUICK, _SOON, _AFTER])
    at, facts = NOON, []
    for number in range(random.randint(1, 9)):
        at = at + random.choice(pauses) if random.random() < 0.7 else NOON + random.choice(_AFTER)
        type_name = random.choice(whole)
        fields: Fact = {"order_id": random.choice(_TEXT), "ticket_id": random.choice(_TEXT)}
        fields |= {"direction": "inbound", "channel": "web"}
        fields |= {name: random.choice(values) for name, values in types[type_name].items()}
        # Ids out of step with time, so that ties are broken by the id and by nothing else.
        name = uid((random.getrandbits(64) << 40) + first_number + number)
        facts.append(fact(random.choice(who), 0, at, type_name, **fields, event_uid=name))
    return facts
