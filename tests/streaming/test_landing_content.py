"""The canonical content: what it covers, what it does not, and that it will never change for what was already sent."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.types import touchpoint_types
from pipeline.streaming.decode.values import ValueDecoder
from pipeline.streaming.decode.verdicts import Judged, judge
from pipeline.streaming.landing.bodies import by_type
from pipeline.streaming.landing.content import canonical_content
from tests.streaming.samples import all_golden, bits_of, encoded, event, golden, identity, places

DECODER = ValueDecoder(1_048_576)


def judged(values: Sequence[bytes], families: Sequence[str] = ()) -> Judged:
    return judge(DECODER.decode(values), places(families or ["web"] * len(values)))


def contents(values: Sequence[bytes], families: Sequence[str] = ()) -> list[str]:
    found = judged(values, families)
    assert found.rejections == []
    return canonical_content(found.envelopes, by_type(found.bodies)).to_list()


def content_of(**changed: Any) -> str:
    return contents([encoded(event(**changed))])[0]


def test_the_text_is_made_as_it_is_described() -> None:
    sent = event(
        id="o",
        type="order.placed",
        identities=[{**identity("email", "a@b"), "verified": True}],
        refs={"product_ids": ["p", ""], "campaign": "c"},
        consent=[{"purpose": "ads", "granted": False}],
        body={"lines": [{"quantity": 2.5, "price_minor": 7}], "promised_delivery_at": -5},
    )
    (found,) = contents([encoded(sent)], ["orders"])
    assert found == (
        "\x1eo\x1eorder.placed\x1eshop\x1e\x1e1700000000000\x1e0\x1e\x1eweb\x1einbound\x1e2\x1da@b\x1d0\x1d1\x1f"
        + "\x1e" * 8
        + "p\x1f\x1f\x1ec"
        + "\x1e" * 13
        + "ads\x1d0\x1f\x1e\x1e\x1e"
        + f"lines\x1d\x1d\x1d\x1d\x1d{bits_of(2.5)}\x1d7\x1d\x1f\x1epromised_delivery_at\x1d-5\x1e"
    )


def test_contents_of_golden_examples_never_change() -> None:
    """A new version of a library or of the code that changes them would make second contents of old events."""
    names = ("order.placed", "survey.answered", "web.page_viewed", "identity.aliased")
    families = [touchpoint_types()[name].family for name in names]
    text = "".join(contents([golden(name) for name in names], families))
    assert hashlib.blake2b(text.encode(), digest_size=16).hexdigest() == "42def9b0d1824d410376396eb385f706"


def test_receipt_and_coordinates_are_no_content() -> None:
    same = content_of()
    assert content_of(sent_at=1, received_at=1_700_000_000_000) == same


@pytest.mark.parametrize(
    "changed",
    [
        {"revision": 1},
        {"session_id": "s"},
        {"subject": "order:1"},
        {"channel": "app"},
        {"identities": [identity("cookie_id", "ck-1"), {**identity("email", "Ann@Example.com"), "hashed": True}]},
        {"context": {"ip": "203.0.113.9"}},
        {"context": {"user_agent": "x"}},
        {"consent": [{"purpose": "ads", "granted": False}]},
        {"amount": {"minor": 0, "currency": "EUR"}},
        {"attributes": [{"key": "a", "value": ""}]},
        {"body": {"dwell_ms": 0}},
        {"body": {"content_group": ""}},
    ],
)
def test_everything_else_is(changed: dict[str, Any]) -> None:
    assert content_of(**changed) != content_of()


def test_neither_company_nor_the_order_of_columns_matters() -> None:
    families = [row.family for row in touchpoint_types().values()]
    together = contents(all_golden(), families)
    assert together == [contents([value], [family])[0] for value, family in zip(all_golden(), families, strict=True)]
    found = judged(all_golden(), families)
    turned = {family: frame.select(reversed(frame.columns)) for family, frame in found.bodies.items()}
    envelopes = found.envelopes.select(reversed(found.envelopes.columns))
    assert canonical_content(envelopes, by_type(dict(reversed(turned.items())))).to_list() == together


def test_a_type_among_others_of_its_family_keeps_its_content() -> None:
    alone = contents([golden("order.placed")], ["orders"])
    assert contents([golden("order.changed"), golden("order.placed")], ["orders"] * 2)[1:] == alone


CONTROLS = st.text(alphabet="a\x1b\x1c\x1d\x1e\x1f\x20", max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CONTROLS, CONTROLS, CONTROLS, CONTROLS), min_size=2, max_size=12, unique=True))
def test_control_characters_in_texts_cannot_make_two_contents_one(texts: list[tuple[str, str, str, str]]) -> None:
    values = [
        encoded(event(session_id=a, context={"url": b}, attributes=[{"key": c, "value": d}])) for a, b, c, d in texts
    ]
    together = contents(values)
    assert len(set(together)) == len(texts)
    assert [*contents(values[:1]), *contents(values[1:])] == together
    plain = [not any(set(text) & set("\x1c\x1d\x1e\x1f") for text in line) for line in texts]
    assert all(content.count("\x1c") == 0 for content, is_plain in zip(together, plain, strict=True) if is_plain)
