"""One bad record is one verdict, whatever it tries on its neighbours."""

import random
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.schemas import writer_schema
from pipeline.contracts.skim import fault_of
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.contracts.types import FAMILIES
from pipeline.contracts.wire import HEADER_BYTES
from pipeline.streaming.decode.reader import Reader
from pipeline.streaming.decode.reframe import TRAILER_BYTES, read_block
from pipeline.streaming.decode.values import Decoded, ValueDecoder
from pipeline.streaming.decode.walk import in_doubt
from tests.streaming.samples import all_golden, encoded, event, golden, read_back

DECODER = ValueDecoder(1_048_576)
READERS = {(schema := writer_schema(family)).fingerprint: Reader(schema) for family in FAMILIES}
GOOD = encoded(event(id="good"))
ABSURD = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # the length 2^63 - 1


def decode(values: Sequence[bytes | None]) -> Decoded:
    return DECODER.decode(values)


def rows_of(decoded: Decoded) -> list[int]:
    return sorted(row for frame in decoded.families.values() for row in frame["row"])


def verdicts(decoded: Decoded) -> dict[int, Reason]:
    return {rejection.row: rejection.problem.reason for rejection in decoded.rejections}


def test_every_type_reads_as_the_contract_reads_it() -> None:
    values = all_golden()
    decoded = decode(values)
    assert decoded.rejections == []
    for family, frame in decoded.families.items():
        for row, found in zip(frame["row"], read_back(frame, family), strict=True):
            expected = decode_touchpoint(values[row])
            assert isinstance(expected, dict)
            found["channel"], found["direction"] = expected["channel"], expected["direction"]
            assert found == expected


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(GOOD[:-1], id="truncated"),
        pytest.param(GOOD + b"\x00", id="trailing byte"),
        pytest.param(GOOD + GOOD, id="twice"),
        pytest.param(GOOD[:HEADER_BYTES], id="no payload"),
        pytest.param(GOOD[:HEADER_BYTES] + ABSURD, id="absurd length"),
        pytest.param(GOOD[:HEADER_BYTES] + b"\x01" + GOOD[HEADER_BYTES + 1 :], id="negative length"),
        pytest.param(GOOD.replace(b"good", b"go\xff\xfe"), id="invalid UTF-8"),
        pytest.param(GOOD[:HEADER_BYTES] + bytes(range(256)), id="garbage"),
        pytest.param(GOOD[:HEADER_BYTES] + b"\x80" * 12 + GOOD[HEADER_BYTES + 1 :], id="endless number"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_record_is_one_verdict(bad: bytes, place: int) -> None:
    values = [encoded(event(id="first")), encoded(event(id="last"))]
    values.insert(place, bad)
    decoded = decode(values)
    assert verdicts(decoded) == {place: Reason.UNDECODABLE}
    assert decoded.families["web"]["id"].to_list() == ["first", "last"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"\x02\x06", b"\x02\x40", id="channel beyond its symbols"),
        pytest.param(b"ck-1\x00\x00", b"ck-1\x00\x02", id="boolean that is no boolean"),
    ],
)
def test_a_value_outside_its_type_is_undecodable_and_shifts_nobody(before: bytes, after: bytes) -> None:
    sent = encoded(event(channel="phone"))
    assert sent.count(before) >= 1
    decoded = decode([GOOD, sent.replace(before, after, 1), GOOD])
    assert verdicts(decoded) == {1: Reason.UNDECODABLE}
    assert rows_of(decoded) == [0, 2]


def test_a_record_cannot_swallow_its_neighbour() -> None:
    """
    A text whose length reaches over the trailer and into the next record, which is built to go on from there.

    Without nonces this reads as two rows; with them the block is refused and the liar found.
    """
    tail = encoded(event(id="x" * 40))
    for reach in range(1, len(GOOD) + TRAILER_BYTES + 40):
        liar = bytearray(GOOD)
        liar[HEADER_BYTES : HEADER_BYTES + 1] = _zigzag(4 + reach)
        decoded = decode([bytes(liar), tail, GOOD])
        assert rows_of(decoded)[-2:] == [1, 2]
        assert decoded.families["web"]["id"].to_list()[-2:] == ["x" * 40, "good"]


def test_a_forged_trailer_is_data_like_any_other() -> None:
    forged = bytes(12) + (0).to_bytes(4, "big")
    values = [encoded(event(id="a")) + forged + GOOD[:HEADER_BYTES], GOOD, encoded(event(id="\x00" * 16))]
    decoded = decode(values)
    assert verdicts(decoded) == {0: Reason.UNDECODABLE}
    assert rows_of(decoded) == [1, 2]


def test_an_array_that_claims_a_billion_items_costs_little() -> None:
    sent = encoded(event(attributes=[{"key": "k", "value": "v"}]))
    place = sent.rindex(b"\x02\x02k")
    decoded = decode([GOOD, sent[:place] + b"\x80\xa8\xd6\xb9\x07" + sent[place + 1 :], GOOD])
    assert verdicts(decoded) == {1: Reason.UNDECODABLE}


def test_many_bad_records_are_found_among_many_good_ones() -> None:
    chooser = random.Random(7)
    values = [
        GOOD if chooser.random() < 0.7 else GOOD[: chooser.randrange(HEADER_BYTES, len(GOOD))] for _ in range(2000)
    ]
    decoded = decode(values)
    good = [row for row, value in enumerate(values) if value == GOOD]
    assert rows_of(decoded) == good
    assert sorted(verdicts(decoded)) == sorted(set(range(2000)) - set(good))


def mutations() -> st.SearchStrategy[bytes]:
    """Golden values with bytes changed, cut out or put in behind the head."""

    def mutate(value: bytes, edits: list[tuple[int, int, int]]) -> bytes:
        out = bytearray(value)
        for what, place, byte in edits:
            at = HEADER_BYTES + place % max(1, len(out) - HEADER_BYTES)
            if what == 0:
                out[at : at + 1] = bytes([byte])
            elif what == 1:
                del out[at : at + 1 + byte % 4]
            else:
                out[at:at] = bytes([byte])
        return bytes(out)

    edit = st.tuples(st.integers(0, 2), st.integers(0, 400), st.integers(0, 255))
    return st.builds(mutate, st.sampled_from(all_golden()), st.lists(edit, max_size=3))


# Two records that once made each other's verdict: fastavro, then the judge, took a negative index of a union.
ODD_UNION = golden("order.changed").replace(b"\x00\x00\x00\x02\x02\x06o-7", b"\x00\x00\x00\x03\x02\x06o-7")


@settings(max_examples=120, deadline=None)
@given(st.lists(mutations(), min_size=1, max_size=30))
@example([golden("order.placed")[:-1], ODD_UNION])
def test_company_changes_no_verdict_and_no_value(values: list[bytes]) -> None:
    together = decode(values)
    bad = verdicts(together)
    assert sorted([*rows_of(together), *bad]) == list(range(len(values)))
    for row, value in enumerate(values):
        alone = decode([value])
        assert verdicts(alone).get(0) == bad.get(row)
        if row not in bad:
            (family, frame), (same,) = *alone.families.items(), list(alone.families.values())
            assert together.families[family].filter(pl.col("row") == row).drop("row").equals(same.drop("row"))
            assert frame.height == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(mutations(), min_size=5, max_size=5))
def test_a_record_in_which_skimming_finds_nothing_is_believed(values: list[bytes]) -> None:
    for value in values:
        reader = READERS[value[2:HEADER_BYTES]]
        if fault_of(reader.skim, value, HEADER_BYTES) is None:
            assert read_block(reader.frame, [value]) is not None


FORBIDDEN = [
    pytest.param(b"\x00\x00\x00\x02\x02\x06o-7", b"\x00\x00\x00\x04\x02\x06o-7", id="branch that is not there"),
    pytest.param(b"\x00\x00\x00\x02\x02\x06o-7", b"\x00\x00\x00\x03\x02\x06o-7", id="branch below zero"),
    pytest.param(b"\x02\x06o-7", b"\x82\x02\x06o-7", id="branch of two bytes"),
]


@pytest.mark.parametrize(("before", "after"), FORBIDDEN)
@pytest.mark.parametrize("neighbours", [0, 100])
def test_branches_that_a_union_has_not_are_undecodable_by_both_readers(
    before: bytes, after: bytes, neighbours: int
) -> None:
    good = golden("order.changed")
    assert good.count(before) == 1
    bad = good.replace(before, after)
    decoded = decode([good] * neighbours + [bad] + [good] * neighbours)
    assert verdicts(decoded) == {neighbours: Reason.UNDECODABLE}
    alone = decode_touchpoint(bad)
    assert isinstance(alone, Problem)
    assert alone.reason == Reason.UNDECODABLE


def test_numbers_that_are_longer_than_they_need_are_read_alike_by_both_readers() -> None:
    good = golden("order.changed")
    long = good.replace(b"\x02\x06o-7", b"\x82\x00\x06o-7", 1)
    decoded = decode([good] * 50 + [long] + [good] * 50)
    assert decoded.rejections == []
    assert decode_touchpoint(long) == decode_touchpoint(good)


@settings(max_examples=60, deadline=None)
@given(st.lists(mutations(), min_size=1, max_size=8), st.integers(0, 1 << 32))
def test_who_is_not_in_doubt_has_nothing_to_be_found(odd: list[bytes], seed: int) -> None:
    """In a believed block of many, and hardly any whole record is in doubt."""
    for fingerprint, reader in READERS.items():
        whole = [value for value in all_golden() if value[2:HEADER_BYTES] == fingerprint]
        block = [value for value in odd if value[2:HEADER_BYTES] == fingerprint] + 40 * whole
        random.Random(seed).shuffle(block)
        if read_block(reader.frame, block) is None:
            continue
        doubtful = set(in_doubt(reader.walk, block))
        for at, value in enumerate(block):
            is_broken = fault_of(reader.skim, value, HEADER_BYTES) is not None
            assert at in doubtful or not is_broken or reader.misfits(read_alone(reader, value))
            assert at not in doubtful or value not in whole


def read_alone(reader: Reader, value: bytes) -> pl.DataFrame:
    wire = read_block(reader.frame, [value])
    assert wire is not None
    return wire


@settings(max_examples=100, deadline=None)
@given(st.lists(mutations(), min_size=1, max_size=20))
@example([golden("account.registered").replace(b"account.reg", b"\0ccount.reg").replace(b"4711\0", b"4711\x80")])
@example([golden("social.mentioned").replace(b"maja.outdoors\x00", b"maja.outdoors\x80")])
def test_columns_hold_what_record_by_record_decoding_reads(values: list[bytes]) -> None:
    """Fastavro is the other reader; what is no Avro is none to both, and whatever both read is the same."""
    decoded = decode(values)
    for family, frame in decoded.families.items():
        for row, found in zip(frame["row"], read_back(frame, family), strict=True):
            expected = decode_touchpoint(values[row])
            if isinstance(expected, dict):
                found["channel"], found["direction"] = expected["channel"], expected["direction"]
                assert found == expected
            else:
                assert expected.reason != Reason.UNDECODABLE
    for rejection in decoded.rejections:
        expected = decode_touchpoint(values[rejection.row])
        assert isinstance(expected, Problem)
        is_unread = rejection.problem.reason == Reason.UNDECODABLE
        assert is_unread == (expected.reason == Reason.UNDECODABLE), (rejection, expected)


def _zigzag(number: int) -> bytes:
    number <<= 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
