"""A little of what `make fuzz` does a million times, and bytes that nobody sends on purpose."""

from http import HTTPStatus

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.reasons import Problem
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.producers.collector.answers import RequestRefused
from pipeline.producers.collector.cloudevents import read_batched, read_binary, read_structured
from pipeline.producers.collector.reading import Arrival, ReadEvents, read_json, read_lines
from pipeline.producers.collector.segment import KINDS, reader
from pipeline.producers.segment import VOCABULARIES
from tests.producers.fuzzing import KEY, NOW, Fuzzer

READERS = (read_json, read_lines, read_structured, read_batched, read_binary, reader("USD", VOCABULARIES))


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_mutated_requests_are_taken_or_refused_whole_and_mutated_records_cost_nobody(seed: int) -> None:
    fuzzer = Fuzzer(seed)
    for _ in range(60):
        fuzzer.request()
    fuzzer.records()
    assert fuzzer.accepted
    assert fuzzer.rejected


@settings(max_examples=80, deadline=None)
@given(
    read=st.sampled_from(READERS),
    body=st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr).map(str.encode),
    kind=st.sampled_from(sorted(KINDS)),
)
def test_no_body_breaks_a_reader(read: ReadEvents, body: bytes, kind: str) -> None:
    try:
        read(body, Arrival(KEY, NOW, 10, {"ce-id": "\udcff", "ce-specversion": "1.0"}, kind))
    except RequestRefused as refused:
        assert refused.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: b"\xc3\x01" + data))
def test_no_bytes_break_the_decoder(value: bytes) -> None:
    assert isinstance(decode_touchpoint(value), dict | Problem)


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 500 + b"]" * 500])
def test_depth_is_no_danger(deep: bytes) -> None:
    for read in READERS:
        try:
            events = read(deep, Arrival(KEY, NOW, 10, kind="batch"))
        except RequestRefused:
            continue
        assert len(events) <= 10
        assert orjson.dumps(len(events))
