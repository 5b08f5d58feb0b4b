"""Small histories in which everything contradicts: few identifiers, few ids, few moments, low caps."""

from typing import Any

from hypothesis import strategies as st

from pipeline.config import IdentitySettings

Event = dict[str, Any]

START_MS = 1_735_689_600_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000
# Ties, visits' and journeys' gaps to the millisecond, and far apart.
MOMENTS = (0, 1, 30 * MINUTE_MS, 30 * MINUTE_MS + 1, 31 * DAY_MS, 61 * DAY_MS, 61 * DAY_MS + 1)
NAMES = {
    "customer_id": ("anna", "bert", "cara"),
    "loyalty_id": ("L1",),
    "email": ("a@x.org", " A@X.ORG ", "b@x.org", "guest"),
    "phone": ("+49301234567", "0049 30 1234567", "000"),
    "order_id": ("o1", "o2"),
    "device_id": ("d1",),
    "cookie_id": ("c1", "c2", "null"),
    "other": ("x", "y"),
}
TYPES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("web.page_viewed", {}),
    ("app.screen_viewed", {}),
    ("order.placed", {"amount": {"minor": 1999, "currency": "EUR"}, "refs": {"order_id": "o1"}}),
    ("payment.failed", {"refs": {"order_id": "o1"}}),
    ("support.call_ended", {"body": {"wait_s": 700.0, "resolved": False}}),
    ("delivery.delivered", {"refs": {"order_id": "o1", "shipment_id": "s1"}}),
    ("custom.tracked", {"body": {"name": "thing"}}),
)
ACCOUNTS = tuple({"kind": "customer_id", "value": value} for value in NAMES["customer_id"])

identifiers = st.sampled_from([{"kind": kind, "value": value} for kind, values in NAMES.items() for value in values])
moments = st.sampled_from([START_MS + moment for moment in MOMENTS])
caps = st.fixed_dictionaries(
    {
        "cap_other_accounts": st.integers(1, 3),
        "cap_contact_accounts": st.integers(1, 3),
        "cap_other_contacts": st.integers(1, 2),
        "cap_weaker_devices": st.integers(1, 3),
        "cap_same_kind": st.integers(1, 2),
    }
)


@st.composite
def contacts(draw: st.DrawFn) -> Event:
    """Draw a touchpoint; the same id at the same moment with another content is common."""
    type_name, more = draw(st.sampled_from(TYPES))
    named = draw(st.lists(identifiers, min_size=1, max_size=3))
    return {
        "id": draw(st.sampled_from("pqrstuvw")),
        "type": type_name,
        "source": "shop",
        "occurred_at": draw(moments),
        "identities": named,
        "revision": draw(st.sampled_from((0, 0, 0, 1, 2))),
        **more,
    }


@st.composite
def statements(draw: st.DrawFn) -> Event:
    """Draw a statement about identity or a withdrawal, of few ids."""
    is_alias = draw(st.booleans())
    sides = st.sampled_from(ACCOUNTS) if is_alias else identifiers.filter(lambda side: side["value"] not in NOBODY)
    a = draw(sides)
    b = draw(sides.filter(lambda side: side["kind"] != a["kind"] or _plain(side["value"]) != _plain(a["value"])))
    event: Event = {
        "id": draw(st.sampled_from("1234")),
        "type": "identity.aliased" if is_alias else "identity.unlinked",
        "source": "crm",
        "occurred_at": draw(moments),
        "identities": [draw(st.sampled_from((a, {"kind": "other", "value": "crm"})))],
        "revision": draw(st.sampled_from((0, 0, 1))),
        "body": {"a": a, "b": b},
    }
    withdraws = draw(st.sampled_from((None, None, "1", "2", "3")))
    return {**event, "withdraws": withdraws} if withdraws else event


NOBODY = ("guest", "000", "null")


def _plain(value: str) -> str:
    return value.strip().lower().replace("0049 30 ", "+4930")


histories = st.lists(st.one_of(contacts(), contacts(), contacts(), statements()), min_size=1, max_size=14)


@st.composite
def identities(draw: st.DrawFn) -> IdentitySettings:
    """Draw caps that small histories reach."""
    return IdentitySettings.model_validate({"hash_key": "properties", **draw(caps)})
