"""The caps are those of the contract's table, and what is beyond them is shared or loses its links."""

import polars as pl
import pytest

from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import KIND_RANK, KINDS
from pipeline.identity.links import judge, live_links
from pipeline.identity.rules import Cap, Effect, cap_towards

SETTINGS = IdentitySettings()
SHARED, DIE = Effect.SHARED, Effect.LINKS_DIE
BUSINESS = ("order_id", "shipment_id", "return_id", "ticket_id", "conversation_id", "subscription_id")
DEVICES = ("device_id", "cookie_id", "other")


def cap(kind: str, neighbour: str) -> Cap | None:
    return cap_towards(KIND_RANK[kind], KIND_RANK[neighbour], SETTINGS)


@pytest.mark.parametrize(
    ("kind", "neighbour", "expected"),
    [
        ("loyalty_id", "customer_id", Cap(1, SHARED)),
        ("email", "customer_id", Cap(2, SHARED)),
        ("email", "loyalty_id", Cap(2, SHARED)),
        ("phone", "loyalty_id", Cap(2, SHARED)),
        ("phone", "email", Cap(5, SHARED)),
        ("ticket_requester", "customer_id", Cap(1, SHARED)),
        ("social_handle", "phone", Cap(3, SHARED)),
        ("social_handle", "ticket_requester", None),
        ("order_id", "loyalty_id", Cap(1, SHARED)),
        ("cookie_id", "email", Cap(3, SHARED)),
        ("cookie_id", "device_id", None),
        ("other", "cookie_id", None),
        ("email", "phone", Cap(50, DIE)),
        ("customer_id", "loyalty_id", Cap(50, DIE)),
        ("customer_id", "cookie_id", Cap(1000, DIE)),
        ("order_id", "device_id", Cap(1000, DIE)),
        ("device_id", "cookie_id", Cap(1000, DIE)),
        ("customer_id", "customer_id", Cap(10, DIE)),
        ("cookie_id", "cookie_id", Cap(10, DIE)),
        ("other", "other", Cap(10, DIE)),
    ],
)
def test_caps_of_the_contract(kind: str, neighbour: str, expected: Cap | None) -> None:
    assert cap(kind, neighbour) == expected


def test_every_pair_of_kinds_follows_the_table() -> None:
    for kind in KINDS[4:]:
        assert cap(kind, "customer_id") == cap(kind, "loyalty_id") == Cap(1, SHARED)
        assert cap(kind, "email") == cap(kind, "phone") == Cap(3, SHARED)
    for kind in KINDS:
        assert all(cap(kind, order) is None for order in BUSINESS), "no cap towards orders, shipments and their like"
        for device in DEVICES:
            if KIND_RANK[kind] < KIND_RANK[device]:
                assert cap(kind, device) == Cap(1000, DIE)


def degrees(*rows: tuple[bytes, str, str, int]) -> pl.DataFrame:
    ranked = [(key, KIND_RANK[kind], KIND_RANK[neighbour], count) for key, kind, neighbour, count in rows]
    schema = {"ident_key": pl.Binary, "kind": pl.Int8, "neighbour_kind": pl.Int8, "neighbours": pl.UInt32}
    return pl.DataFrame(ranked, schema=schema, orient="row")


def test_at_the_cap_nothing_happens_and_one_more_is_too_many() -> None:
    judgement = judge(
        degrees(
            (b"at", "cookie_id", "email", 3),
            (b"beyond", "cookie_id", "email", 4),
            (b"each kind counts apart", "email", "customer_id", 2),
            (b"each kind counts apart", "email", "loyalty_id", 2),
            (b"bot", "customer_id", "cookie_id", 1001),
            (b"fine", "customer_id", "cookie_id", 1000),
            (b"shop", "customer_id", "order_id", 1_000_000),
        ),
        SETTINGS,
    )
    assert judgement.shared["ident_key"].to_list() == [b"beyond"]
    assert judgement.dead.rows() == [(b"bot", KIND_RANK["cookie_id"])]


def test_a_shared_end_kills_a_link_and_a_dead_kind_only_the_links_to_it() -> None:
    customer, email, cookie = (KIND_RANK[kind] for kind in ("customer_id", "email", "cookie_id"))
    links = pl.DataFrame(
        [
            (b"bot", customer, b"c1", cookie, 1),
            (b"c1", cookie, b"bot", customer, 1),
            (b"bot", customer, b"mail", email, 2),
            (b"anna", customer, b"kiosk", cookie, 3),
            (b"kiosk", cookie, b"anna", customer, 3),
            (b"anna", customer, b"c1", cookie, 4),
        ],
        schema={"a": pl.Binary, "a_kind": pl.Int8, "b": pl.Binary, "b_kind": pl.Int8, "first_seen": pl.Int64},
        orient="row",
    )
    judgement = judge(
        degrees((b"bot", "customer_id", "cookie_id", 1001), (b"kiosk", "cookie_id", "customer_id", 2)), SETTINGS
    )
    left = live_links(links, judgement)
    assert left.select("a", "b").rows() == [(b"bot", b"mail"), (b"anna", b"c1")]
    assert left.columns == links.columns
