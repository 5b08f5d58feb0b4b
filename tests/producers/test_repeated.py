"""A name that stands twice in an object is found, wherever it is, and nothing else is taken for one."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.producers.collector.keys import WriteKey
from pipeline.producers.collector.reading import Arrival, Event, Unreadable, read_json, read_lines
from pipeline.producers.repeated import has_repeated, problem_in, repeated


class Pairs(list[Any]):
    """An object as its pairs, in which a name may stand twice."""


NAMES = st.sampled_from(["a", "b", 'c":', "d\\", "ä", ":"])
VALUES = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(st.sampled_from('a":\\ä{},'), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=3).map(Pairs),
    max_leaves=8,
)
ARRIVAL = Arrival(WriteKey("shop"), 0, 10)


def written(value: object, *, ascii_only: bool, gap: str) -> str:
    if isinstance(value, Pairs):
        inner = (
            f"{json.dumps(name, ensure_ascii=ascii_only)}{gap}:{gap}{written(item, ascii_only=ascii_only, gap=gap)}"
            for name, item in value
        )
        return "{" + f",{gap}".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(item, ascii_only=ascii_only, gap=gap) for item in value) + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


def is_doubled(value: object) -> bool:
    if isinstance(value, Pairs):
        return len({name for name, _ in value}) < len(value) or any(is_doubled(item) for _, item in value)
    return isinstance(value, list) and any(map(is_doubled, value))


@given(VALUES, st.booleans(), st.sampled_from(["", " ", "\n\t"]))
def test_exactly_what_stands_twice_is_found(value: object, ascii_only: bool, gap: str) -> None:
    text = written(value, ascii_only=ascii_only, gap=gap).encode()
    read = orjson.loads(text)
    assert (problem_in(text, read) is not None) == is_doubled(value)
    assert bool(repeated(text)) == is_doubled(value)
    if is_doubled(value):
        assert has_repeated(text, read)


def test_an_escaped_colon_hides_nothing() -> None:
    text = rb'{"a":"\u003a","a":"x"}'
    assert problem_in(text, orjson.loads(text)) is not None


def test_the_place_is_told_and_neighbours_are_read() -> None:
    good, bad = b'{"id":"1"}', b'{"id":"2","body":{"lines":[{"quantity":1,"quantity":2}]}}'
    for read, body in ((read_json, b"[" + good + b"," + bad + b"]"), (read_lines, good + b"\n" + bad)):
        events = read(body, ARRIVAL)
        assert events[0] == {"id": "1"}
        assert _told(events[1]) == ("2", "/body/lines/0/quantity")
    (alone,) = read_json(bad, ARRIVAL)
    assert _told(alone) == ("2", "/body/lines/0/quantity")


def test_what_hides_in_the_depth_is_refused() -> None:
    deep = b'{"id":"1","a":' + b"[" * 1_000 + b"]" * 1_000 + b',"a":1}'
    (event,) = read_json(deep, ARRIVAL)
    assert _told(event) == ("1", "")


@pytest.mark.parametrize("read", [read_json, read_lines])
def test_a_byte_order_mark_may_begin_a_request_and_stand_nowhere_else(
    read: Callable[[bytes, Arrival], Any],
) -> None:
    assert read(b'\xef\xbb\xbf{"id":"1"}', ARRIVAL) == [{"id": "1"}]
    _, second = read_lines(b'{"id":"1"}\n\xef\xbb\xbf{"id":"2"}', ARRIVAL)
    assert isinstance(second, Unreadable)
    assert "byte order mark" in second.problem.detail


def _told(event: Event) -> tuple[str | None, str]:
    assert isinstance(event, Unreadable)
    return event.event_id, event.problem.pointer
