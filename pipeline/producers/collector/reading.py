"""
From the bytes of a request to its events, within limits that hold while the bytes still come.

The one rule: never more than the limit in memory, however small a bomb arrives packed. A line or an element that is
no touchpoint is that event's fault; a request as a whole is refused only if it is too large or no JSON at all.
"""

import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from http import HTTPStatus
from typing import Final

import orjson

from pipeline.contracts.reasons import Problem
from pipeline.producers.admission import LARGEST_EVENT_BYTES, not_json, too_large
from pipeline.producers.collector.answers import RequestRefused

Event = object | Problem
"""Decoded JSON of one event, or why there is none."""

ReadEvents = Callable[[bytes, int], Sequence[Event]]
"""Reads the events of a decoded body; refuses more than the given number."""

_GZIP: Final = 31


async def read_body(chunks: AsyncIterator[bytes], encoding: str, limit: int) -> bytes:
    """
    Collect and unpack the bytes of a request.

    Args:
        chunks: The bytes as they come.
        encoding: The Content-Encoding: nothing, identity or gzip.
        limit: Most decoded bytes.

    Raises:
        RequestRefused: If there are more (413), or the packing is broken (400) or unknown (415).
    """
    encoding = encoding.strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        detail = f"Content-Encoding {encoding} is not understood; send gzip, or plain JSON"
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    body = bytearray()
    unpacker = _Unpacker() if encoding.endswith("gzip") else None
    async for chunk in chunks:
        body += unpacker.unpack(chunk, limit + 1 - len(body)) if unpacker else chunk
        if len(body) > limit:
            detail = f"more than {limit} bytes decoded; send smaller requests"
            raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    if unpacker and not unpacker.is_complete:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "the gzip data breaks off; send the request again")
    return bytes(body)


class _Unpacker:
    """Unpacks gzip piece by piece, several members in a row included, never more than asked for."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._has_begun = False

    @property
    def is_complete(self) -> bool:
        """Tell whether the bytes so far end where a member ends."""
        return self._member.eof or not self._has_begun

    def unpack(self, chunk: bytes, room: int) -> bytes:
        """Return at most `room` unpacked bytes; the caller gives up when there are as many."""
        unpacked = bytearray()
        while chunk and len(unpacked) < room:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            self._has_begun = True
            try:
                unpacked += self._member.decompress(chunk, room - len(unpacked))
            except zlib.error as error:
                raise RequestRefused(HTTPStatus.BAD_REQUEST, f"not gzip as its header says: {error}") from error
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return bytes(unpacked)


def read_json(body: bytes, most: int) -> Sequence[Event]:
    """
    Read one touchpoint, or an array of them.

    Raises:
        RequestRefused: If it is no JSON (400), or there are too many events (413).
    """
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, not_json(body, error).detail) from error
    events: list[object] = value if isinstance(value, list) else [value]
    _check_number(len(events), most)
    if len(body) <= LARGEST_EVENT_BYTES:
        return events
    return [_sized(event) for event in events]


def read_lines(body: bytes, most: int) -> Sequence[Event]:
    """
    Read JSON lines, each by itself; empty lines are passed over.

    Raises:
        RequestRefused: If there are too many events (413), or none (400).
    """
    lines = [line for line in body.split(b"\n") if line.strip()]
    _check_number(len(lines), most)
    if not lines:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "no touchpoint in the request; send one JSON object a line")
    return [_line(line.strip()) for line in lines]


def _line(line: bytes) -> Event:
    if len(line) > LARGEST_EVENT_BYTES:
        return too_large(len(line))
    try:
        value: object = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return not_json(line, error)
    return value


def _sized(event: object) -> Event:
    size = len(orjson.dumps(event))
    return too_large(size) if size > LARGEST_EVENT_BYTES else event


def _check_number(events: int, most: int) -> None:
    if events > most:
        detail = f"{events} events; a request has at most {most}"
        raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
