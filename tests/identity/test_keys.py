"""Keys are the same for ever, differ where anything differs, and are alike one by one and in columns."""

from datetime import UTC, datetime
from hashlib import blake2b

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import KINDS
from pipeline.identity.keys import (
    KeyRing,
    content_hash,
    content_version,
    content_versions,
    event_uid,
    event_uids,
    ident_key,
)

SECRET = b"a secret of tests"
SETTINGS = IdentitySettings.model_validate({"hash_key": SECRET.decode()})


def test_the_bytes_are_pinned() -> None:
    assert ident_key("email", "anna@example.org", SECRET).hex() == "9a7869f960fadb6c2afd87de8c2f9158"
    assert event_uid("shop", "e-1", 1_772_359_440_000, bytes(16), SECRET).hex() == "ffdbeea9c1f9a1919d4e3edc57a0ec57"
    assert content_hash(b"{}", SECRET).hex() == "5cfe2c9a71d2"
    by_hand = blake2b(b"5:email16:anna@example.org", digest_size=16, key=SECRET, person=b"tl.identifier")
    assert ident_key("email", "anna@example.org", SECRET) == by_hand.digest()


def test_another_secret_of_any_length_gives_other_keys() -> None:
    secrets = [b"", b"k", b"k" * 64, b"k" * 65, b"k" * 66]
    assert len({ident_key("email", "a", secret) for secret in secrets}) == len(secrets)


def test_no_two_inputs_share_a_message() -> None:
    keys = {ident_key("other", "1:x", SECRET), ident_key("other", "x", SECRET), ident_key("email", "x", SECRET)}
    assert len(keys) == 3
    uids = {
        event_uid("a", "b", 1, bytes(16), SECRET),
        event_uid("ab", "", 1, bytes(16), SECRET),
        event_uid("", "ab", 1, bytes(16), SECRET),
        event_uid("a", "b", 11, bytes(16), SECRET),
        event_uid("a", "b1", 1, bytes(16), SECRET),
        event_uid("a", "b", 1, b"\x01" * 16, SECRET),
    }
    assert len(uids) == 6


def test_lone_surrogates_are_hashed_like_any_text() -> None:
    assert len(ident_key("other", "\ud800", SECRET)) == 16


def test_the_greatest_content_is_the_latest_revision_then_the_hash_then_the_earliest_received() -> None:
    ranked = [
        content_version(0, 5, 2_000),
        content_version(0, 5, 1_000),
        content_version(0, 6, 9_000),
        content_version(1, 0, 9_000),
        content_version(2**32, 0, 9_000),
    ]
    assert ranked == sorted(ranked)
    assert len(set(ranked)) == len(ranked)
    assert content_version(-1, 0, -5) == content_version(0, 0, 0)
    assert content_version(1, 2, 3).hex() == "00000001" + "000000000002" + f"{2**48 - 4:012x}"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.integers(-(2**41), 2**43)
plain = st.one_of(
    st.text(st.characters(min_codepoint=0, max_codepoint=0x7F), max_size=6),
    st.sampled_from(
        ["0", "000", "0x0", " a", "a ", "NULL", "Unknown", "A B", "None", "+49 170 1234567", "\x1ca", "a\n"]
    ),
)


@settings(deadline=None)
@given(st.lists(st.tuples(texts, texts, times, st.binary(min_size=16, max_size=16)), max_size=5))
def test_event_uids_of_a_column(rows: list[tuple[str, str, int, bytes]]) -> None:
    frame = pl.DataFrame(
        rows,
        schema={"source": pl.String, "event_id": pl.String, "occurred_at": pl.Int64, "subject": pl.Binary},
        orient="row",
    )
    expected = [event_uid(*row, SECRET) for row in rows]
    assert event_uids(frame, SECRET).to_list() == expected
    as_times = frame.with_columns(pl.col("occurred_at").cast(pl.Datetime("ms", "UTC")))
    assert event_uids(as_times, SECRET).to_list() == expected


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 2**33), texts, times), max_size=5))
def test_content_versions_of_a_column(rows: list[tuple[int, str, int]]) -> None:
    frame = pl.DataFrame(
        rows, schema={"revision": pl.Int64, "content": pl.String, "received_at": pl.Int64}, orient="row"
    )
    expected = [
        content_version(revision, int.from_bytes(content_hash(content.encode(), SECRET), "big"), received)
        for revision, content, received in rows
    ]
    assert content_versions(frame, SECRET).to_list() == expected


def test_a_ring_gives_the_key_of_the_normal_form_and_null_for_nobody() -> None:
    frame = pl.DataFrame({"kind": ["email", "phone", "email", "email"], "value": ["A@B.C", "null", "a@b.c ", None]})
    key = ident_key("email", "a@b.c", SECRET)
    assert KeyRing(SETTINGS).keys_of(frame).to_list() == [key, None, key, None]
    kinds = frame.with_columns(pl.col("kind").cast(pl.Categorical))
    assert KeyRing(SETTINGS).keys_of(kinds).to_list() == [key, None, key, None]
    assert KeyRing(SETTINGS).keys_of(frame.head(0)).dtype == pl.Binary


def test_a_ring_forgets_beyond_its_bound_and_still_answers() -> None:
    ring = KeyRing(SETTINGS, most=3)
    frame = pl.DataFrame({"kind": ["cookie_id", "device_id"] * 10, "value": [f"c{number}" for number in range(20)]})
    expected = [ident_key(kind, value, SECRET) for kind, value in frame.iter_rows()]
    assert ring.keys_of(frame).to_list() == expected
    assert ring.keys_of(frame).to_list() == expected
    assert ring.remembered <= 3


def test_times_of_a_column_are_milliseconds() -> None:
    at = datetime(2026, 3, 1, 10, 4, tzinfo=UTC)
    frame = pl.DataFrame({"source": ["s"], "event_id": ["e"], "occurred_at": [at], "subject": [bytes(16)]})
    expected = event_uid("s", "e", 1_772_359_440_000, bytes(16), SECRET)
    assert event_uids(frame, SECRET).to_list() == [expected]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.one_of(texts, plain)), max_size=8))
def test_a_ring_gives_for_a_column_what_it_gives_one_by_one(pairs: list[tuple[str, str]]) -> None:
    ring = KeyRing(SETTINGS)
    frame = pl.DataFrame(pairs, schema={"kind": pl.String, "value": pl.String}, orient="row")
    assert ring.keys_of(frame).to_list() == [ring.key_of(kind, value) for kind, value in pairs]
