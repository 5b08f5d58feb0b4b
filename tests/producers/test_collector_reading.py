"""From the bytes of a request to its events."""

import gzip
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from http import HTTPStatus

import numpy as np
import orjson
import pytest

from pipeline.producers.admission import LARGEST_EVENT_BYTES
from pipeline.producers.collector import apart
from pipeline.producers.collector.answers import RequestRefused
from pipeline.producers.collector.keys import WriteKey
from pipeline.producers.collector.reading import Arrival, Unreadable, read_json, read_lines
from pipeline.producers.collector.unpacking import BodyReader, Room

LIMIT = 1_000_000


def arrival(most: int = 10) -> Arrival:
    return Arrival(WriteKey("shop"), 0, most)


async def read_body(chunks: AsyncIterator[bytes], encoding: str, limit: int, room: Room | None = None) -> bytes:
    return await BodyReader(encoding, limit, room or Room(1 << 30)).read(chunks)


async def pieces(data: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def refused(data: bytes, encoding: str = "gzip", size: int = 65_536) -> HTTPStatus:
    with pytest.raises(RequestRefused) as error:
        await read_body(pieces(data, size), encoding, LIMIT)
    return error.value.status


@pytest.mark.parametrize("size", [1, 7, 65_536])
async def test_gzip_is_unpacked_however_it_is_cut(size: int) -> None:
    text = orjson.dumps(list(range(2_000)))
    packed = gzip.compress(text[:500], mtime=0) + gzip.compress(text[500:], mtime=0)
    assert await read_body(pieces(packed, size), "gzip", LIMIT) == text
    assert await read_body(pieces(text, size), "", LIMIT) == text


@pytest.mark.parametrize("size", [1, 2, 65_536])
@pytest.mark.parametrize("window", [15, -15])
async def test_deflate_is_unpacked_as_the_standard_says_and_as_many_send_it(size: int, window: int) -> None:
    text = orjson.dumps(list(range(2_000)))
    packer = zlib.compressobj(wbits=window)
    packed = packer.compress(text) + packer.flush()
    assert await read_body(pieces(packed, size), "deflate", LIMIT) == text
    for broken in (packed[:-5], packed + b"rest", b"\x78", b"nonsense"):
        assert await refused(broken, "deflate", size) is HTTPStatus.BAD_REQUEST
    assert await read_body(pieces(b""), "deflate", LIMIT) == b""


async def test_all_requests_together_hold_no_more_than_their_room() -> None:
    room = Room(1_500)
    first, second = BodyReader("", LIMIT, room), BodyReader("", LIMIT, room)
    assert len(await first.read(pieces(b" " * 1_000))) == 1_000
    with pytest.raises(RequestRefused) as refusal:
        await second.read(pieces(b" " * 1_000, 100))
    assert (refusal.value.status, refusal.value.retry_after_s) == (HTTPStatus.SERVICE_UNAVAILABLE, 1)
    first.close()
    second.close()
    assert len(await BodyReader("", LIMIT, room).read(pieces(b" " * 1_500))) == 1_500, "all was given back"


async def test_the_limit_itself_is_taken_and_one_byte_more_is_not() -> None:
    for data, encoding in ((b" " * LIMIT, "identity"), (gzip.compress(b" " * LIMIT, mtime=0), "gzip")):
        assert len(await read_body(pieces(data), encoding, LIMIT)) == LIMIT
    assert await refused(b" " * (LIMIT + 1), "") is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert await refused(gzip.compress(b" " * (LIMIT + 1))) is HTTPStatus.REQUEST_ENTITY_TOO_LARGE


async def test_a_bomb_never_unfolds() -> None:
    bomb = gzip.compress(b"\0" * 60_000_000, 9, mtime=0)
    tracemalloc.start()
    try:
        assert await refused(bomb, size=len(bomb)) is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 8 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data", [b"{}", gzip.compress(b"{}", mtime=0)[:-5], gzip.compress(b"{}", mtime=0) + b"rest", b"\x1f\x8b"]
)
async def test_broken_packing_is_told(data: bytes) -> None:
    assert await refused(data) is HTTPStatus.BAD_REQUEST


async def test_an_unknown_packing_is_told() -> None:
    assert await refused(b"{}", "br") is HTTPStatus.UNSUPPORTED_MEDIA_TYPE


def test_one_object_or_an_array() -> None:
    assert list(read_json(b'{"id": 1}', arrival())) == [{"id": 1}]
    assert list(read_json(b'[{"id": 1}, 2]', arrival())) == [{"id": 1}, 2]
    assert list(read_json(b"[]", arrival())) == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 200_000, b'[1, {"a": NaN}]', b'[{"a": 1e400}, {]']
)
def test_what_is_no_json_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(RequestRefused) as error:
        read_json(body, arrival())
    assert error.value.status is HTTPStatus.BAD_REQUEST


NOT_TAKEN = {
    b'{"id": "b", "body": {"name": "\\ud83d"}}': ("b", "invalid_value", "/body/name"),
    b'{"id": "b", "body": {"score": 1e400}}': ("b", "invalid_value", "/body/score"),
    b'{"id": "b", "amount": {"\\udc00": 1}}': ("b", "invalid_value", "/amount"),
    b'{"id": "\\ud83d"}': (None, "invalid_value", "/id"),
    b'{"id": "b", "body": ' + b"[" * 2_000 + b"]" * 2_000 + b"}": (None, "too_large", ""),
    b'{"id": "b", "body": ' + b'{"]\\"":[{"a":1},' * 2_000 + b"0" + b"]}" * 2_000 + b"}": (None, "too_large", ""),
}


@pytest.mark.parametrize("event", NOT_TAKEN)
def test_what_no_strict_reader_takes_is_its_own_fault(event: bytes) -> None:
    first, last = rb'{"id": "a", "s": "]\\\"],["}', b'{"id": "c", "s": ["\xf0\x9f\x98\x80", {}]}'
    body = b" [" + b" , ".join((first, event, last)) + b"]\n"
    told = (*read_json(body, arrival()), *read_json(event, arrival()), *read_lines(event, arrival()))
    assert [told[0], told[2]] == [orjson.loads(first), orjson.loads(last)]
    for each in (told[1], *told[3:]):
        assert isinstance(each, Unreadable)
        assert (each.event_id, each.problem.reason, each.problem.pointer) == NOT_TAKEN[event]


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 18])
def test_an_array_is_cut_where_it_is_however_it_is_read(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_BLOCK_BYTES", block)
    parts = [b'"\\\\"', b'{"a\\"],": [1, {"b": "}"}]}', b'"\\\\\\",["', b"[[],[{}]]", b"7", b'"\\u005c"']
    text = b"[" + b",".join(parts) + b"]"
    places = apart.cuts(text)
    assert places is not None
    assert apart.between(text, places) == parts
    assert read_json(b"[ ] ", arrival()) == apart.between(b"[ ]", np.array([0, 2])) == []
    assert [apart.cuts(each) for each in (text[:-1], text + b"]", b"[1]2]", b"{]", b"1", b"")] == [None] * 6
    assert apart.members(b'{"a,:": [1, 2], "b" :"}"}') == {"a,:": b"[1, 2]", "b": b'"}"'}


def test_many_brackets_cost_little() -> None:
    bomb = b"[" + b"[]," * 1_000_000 + b"1e400]"
    began = time.process_time()
    places = apart.cuts(bomb)
    assert places is not None
    assert len(places) == 1_000_002
    with pytest.raises(RequestRefused) as error:
        read_json(bomb, arrival())
    assert error.value.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    events = read_json(b'[7,{"a":' + bomb + b"},8]", arrival())
    assert (events[0], events[2]) == (7, 8)
    assert isinstance(events[1], Unreadable)
    assert time.process_time() - began < 3


def test_lines_are_read_each_by_itself() -> None:
    events = read_lines(b'{"id": 1}\r\n\nnot json\n{"id": NaN}\n\xff\n{"id": 2}', arrival())
    assert [isinstance(event, Unreadable) for event in events] == [False, True, True, True, False]
    assert (events[0], events[-1]) == ({"id": 1}, {"id": 2})


@pytest.mark.parametrize("body", [b"", b"\n \n"])
def test_no_line_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRefused) as error:
        read_lines(body, arrival())
    assert error.value.status is HTTPStatus.BAD_REQUEST


def test_too_many_events_are_refused() -> None:
    assert len(read_json(b"[1,2,3]", arrival(3))) == len(read_lines(b"1\n2\n3\n", arrival(3))) == 3
    for read, body in ((read_json, b"[1,2,3,4]"), (read_lines, b"1\n2\n3\n4")):
        with pytest.raises(RequestRefused) as error:
            read(body, arrival(3))
        assert error.value.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_one_event_above_a_mebibyte_is_its_own_fault() -> None:
    large, small = {"id": "x" * LARGEST_EVENT_BYTES}, {"id": "y"}
    in_array = read_json(orjson.dumps([small, large]), arrival())
    in_lines = read_lines(orjson.dumps(small) + b"\n" + orjson.dumps(large), arrival())
    for events in (in_array, in_lines):
        assert events[0] == small
        assert isinstance(events[1], Unreadable)
        assert events[1].problem.reason == "too_large"
