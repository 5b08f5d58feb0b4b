"""
The bytes of a request, unpacked while they come and never more of them than allowed.

The one rule: never more than the limit in memory, however small a bomb arrives packed; and all requests together never
hold more than their common room.
"""

import zlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

from pipeline.producers.collector.answers import RequestRefused

_GZIP: Final = 31
_ZLIB: Final = 15
_RAW: Final = -15
_ENCODINGS: Final = {"": None, "identity": None, "gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
_RETRY_SOON_S: Final = 1


class Room:
    """
    Memory that the requests at work share; used from one event loop.

    Args:
        most_bytes: What they may hold together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._free = most_bytes

    def take(self, size: int) -> None:
        """
        Take memory for a request that comes.

        Raises:
            RequestRefused: If there is not as much (503).
        """
        if size > self._free:
            detail = "too many requests are at work; send this one again a little later"
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, detail, _RETRY_SOON_S)
        self._free -= size

    def give_back(self, size: int) -> None:
        """Return what a request has taken."""
        self._free += size


class BodyReader:
    """
    Reads the body of one request; its memory is given back by `close`.

    Args:
        encoding: The Content-Encoding: nothing, identity, gzip or deflate.
        limit: Most decoded bytes.
        room: Where the memory comes from.

    Raises:
        RequestRefused: If the encoding is unknown (415).
    """

    def __init__(self, encoding: str, limit: int, room: Room) -> None:
        encoding = encoding.strip().lower()
        if encoding not in _ENCODINGS:
            detail = f"Content-Encoding {encoding} is not understood; send gzip, deflate, or plain JSON"
            raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
        kind = _ENCODINGS[encoding]
        self._unpacker = _Unpacker(kind) if kind else None
        self._limit = limit
        self._room = room
        self._taken = 0

    async def read(self, chunks: AsyncIterator[bytes]) -> bytes:
        """
        Collect and unpack the bytes.

        Raises:
            RequestRefused: If there are too many (413), no room for them (503), or the packing is broken (400).
        """
        body = bytearray()
        async for chunk in chunks:
            piece = self._unpacker.unpack(chunk, self._limit + 1 - len(body)) if self._unpacker else chunk
            self._room.take(len(piece))
            self._taken += len(piece)
            body += piece
            if len(body) > self._limit:
                detail = f"more than {self._limit} bytes decoded; send smaller requests"
                raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
        if self._unpacker and not self._unpacker.is_complete:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "the packed data breaks off; send the request again")
        return bytes(body)

    def close(self) -> None:
        """Give the memory back; the body must not be used any more."""
        self._room.give_back(self._taken)
        self._taken = 0


class _Unpacker:
    """Unpacks piece by piece, several gzip members in a row included, never more than asked for."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._begun = b""
        self._member = zlib.decompressobj(_GZIP) if kind == "gzip" else None

    @property
    def is_complete(self) -> bool:
        """Tell whether the bytes so far end where a member ends."""
        return not self._begun or (self._member is not None and self._member.eof)

    def unpack(self, chunk: bytes, room: int) -> bytes:
        """Return at most `room` unpacked bytes; the caller gives up when there are as many."""
        unpacked = bytearray()
        if self._member is None:
            chunk = self._begun + chunk
            self._begun = chunk[:2]
            if len(chunk) < 2:
                return b""
            # RFC 9110 means zlib's form by deflate, and many send it raw: the header's check digits tell.
            is_zlib = chunk[0] & 0x0F == 8 and (chunk[0] << 8 | chunk[1]) % 31 == 0
            self._member = zlib.decompressobj(_ZLIB if is_zlib else _RAW)
        while chunk and len(unpacked) < room:
            if self._member.eof:
                if self._kind != "gzip":
                    raise RequestRefused(HTTPStatus.BAD_REQUEST, "bytes follow the end of the packed data")
                self._member = zlib.decompressobj(_GZIP)
            self._begun = self._begun or chunk[:1]
            try:
                unpacked += self._member.decompress(chunk, room - len(unpacked))
            except zlib.error as error:
                detail = f"not {self._kind} as its header says: {error}"
                raise RequestRefused(HTTPStatus.BAD_REQUEST, detail) from error
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return bytes(unpacked)
