"""Subjects, links and announcements of a batch."""

import polars as pl
from pydantic import SecretStr

from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import KIND_RANK
from pipeline.contracts.reasons import Reason
from pipeline.identity.keys import KeyRing
from pipeline.streaming.decode.values import ValueDecoder
from pipeline.streaming.decode.verdicts import Judged, judge
from pipeline.streaming.landing import identifiers as module
from pipeline.streaming.landing.identifiers import Identifiers, identify, statement_sides
from tests.streaming.samples import encoded, event, identity, places, statement

RING = KeyRing(IdentitySettings(hash_key=SecretStr("s" * 32)))
T0 = 1_700_000_000_000


def judged(*sent: dict[str, object], family: str = "web") -> Judged:
    return judge(ValueDecoder(10_000).decode([encoded(one) for one in sent]), places([family] * len(sent)))


def identified(*sent: dict[str, object]) -> Identifiers:
    found, problems = identify(judged(*sent).envelopes, RING)
    assert problems == {}
    return found


def key(kind: str, value: str) -> bytes:
    found = RING.key_of(kind, value)
    assert found is not None
    return found


def test_the_subject_is_the_strongest_and_of_equals_the_least_key() -> None:
    emails = [f"{number}@example.com" for number in range(9)]
    weak_first = [identity("cookie_id", "c"), *(identity("email", email) for email in emails)]
    found = identified(event(identities=weak_first, refs={"order_id": "o", "product_ids": []})).subjects()
    keys = sorted(key("email", email) for email in emails)
    expected = [*((KIND_RANK["email"], one) for one in keys), (6, key("order_id", "o")), (13, key("cookie_id", "c"))]
    assert found["ident_key"].to_list() == [keys[0]]
    assert [(entry["kind"], entry["ident_key"]) for entry in found["identities"][0]] == expected


def test_spellings_of_one_identifier_are_one_and_values_that_say_nothing_are_none() -> None:
    spellings = ["Ann@Example.com", " ann@example.com", "unknown", "ANN@EXAMPLE.COM"]
    found = identified(event(identities=[identity("email", spelling) for spelling in spellings]))
    assert found.subjects()["identities"].list.len().to_list() == [1]
    assert found.links(pl.DataFrame({"row": [0], "occurred_at": [T0]}, schema_overrides={"row": pl.UInt32})).is_empty()


def test_an_event_of_which_nobody_is_known_is_rejected_alone() -> None:
    envelopes = judged(event(), event(identities=[identity("email", "none")]), event()).envelopes
    found, problems = identify(envelopes, RING)
    assert {row: problem.reason for row, problem in problems.items()} == {1: Reason.NO_IDENTIFIER}
    assert found.subjects()["row"].to_list() == [0, 2]


def test_nobody_at_all() -> None:
    found, problems = identify(judged(event(identities=[identity("email", "none")])).envelopes, RING)
    assert list(problems) == [0]
    assert found.subjects().is_empty()
    assert found.announcements().is_empty()


def test_links_join_the_subject_to_each_other_identifier_once() -> None:
    everyone = [identity("email", "a@b"), identity("cookie_id", "c"), identity("device_id", "d")]
    found = identified(event(identities=everyone), event(identities=everyone[:2]))
    times = pl.DataFrame({"row": [0, 1], "occurred_at": [T0 + 5, T0]}, schema_overrides={"row": pl.UInt32})
    links = {(row[0], row[2]): row[4] for row in found.links(times).iter_rows()}
    email, cookie, device = key("email", "a@b"), key("cookie_id", "c"), key("device_id", "d")
    assert links == {(email, cookie): T0, (cookie, email): T0, (email, device): T0 + 5, (device, email): T0 + 5}
    only_second = found.of_rows(pl.Series([1], dtype=pl.UInt32))
    assert only_second.links(times).height == 2


def test_announcements_name_everyone_under_each_subject() -> None:
    found = identified(event(), event(identities=[identity("email", "other@b"), identity("cookie_id", "ck-1")]))
    pairs = set(found.announcements().iter_rows())
    first, second, cookie = key("email", "ann@example.com"), key("email", "other@b"), key("cookie_id", "ck-1")
    assert pairs == {(first, first), (first, cookie), (second, second), (second, cookie)}


def test_keys_that_begin_alike_are_still_told_apart() -> None:
    keys = [b"\xff" * 15 + bytes([last]) for last in (3, 1, 2, 1)]
    keyed = pl.DataFrame({"kind": [2, 2, 2, 2], "ident_key": keys})
    known, orders = module._in_order(keyed)
    assert known["ident_key"].to_list() == sorted(set(keys))
    assert known["ident_key"][orders].to_list() == keys


def test_sides_of_statements() -> None:
    customer = {"kind": "customer_id", "value": "alice"}
    nobody = statement("unlinked", customer, {"kind": "email", "value": "null"}, id="1")
    same = statement(
        "unlinked", {"kind": "phone", "value": "+49 30 1234567"}, {"kind": "phone", "value": "004930 1234567"}
    )
    good = statement("unlinked", customer, {"kind": "email", "value": "A@B"})
    bodies = judged(nobody, same, good, family="accounts").bodies["accounts"]
    sides, problems = statement_sides(bodies, RING)
    assert {row: problem.pointer for row, problem in problems.items()} == {0: "/body/b/value", 1: "/body/b"}
    assert sides.rows() == [(2, "identity.unlinked", key("customer_id", "alice"), 0, key("email", "a@b"), 2)]
