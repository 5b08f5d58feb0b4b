"""
Bodies compressed as HTTP says it, in both directions: gzip, deflate, zstd and lz4 frames.

Streams may consist of several frames, one after the other, as clients write them block by block.
"""

import zlib
from collections.abc import Callable
from typing import Protocol

import lz4.frame  # type: ignore[import-untyped] # it has neither types nor stubs
import zstandard

from pipeline.embedded.warehouse.faults import INCORRECT_DATA, UNKNOWN_COMPRESSION_METHOD, Fault

_GZIP_WINDOW, _ZLIB_WINDOW = 31, 15
# The loopback is quick: compressing hard would take longer than sending.
_ZLIB_LEVEL, _ZSTD_LEVEL = 3, 1


class _Frame(Protocol):
    """A decompressor of one frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


_DECOMPRESSORS: dict[str, Callable[[], _Frame]] = {
    "gzip": lambda: zlib.decompressobj(_GZIP_WINDOW),
    "deflate": lambda: zlib.decompressobj(_ZLIB_WINDOW),
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "lz4": lz4.frame.LZ4FrameDecompressor,
}


class Decompressor:
    """
    Undoes a request's Content-Encoding, part by part.

    Args:
        encoding: The header's value; empty or identity means none.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity") and name not in _DECOMPRESSORS:
            raise Fault(UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method: {encoding}; use gzip, zstd or lz4")
        self._new = _DECOMPRESSORS.get(name)
        self._frame: _Frame | None = None

    def feed(self, data: bytes) -> bytes:
        """Return what this part of the body decompresses to."""
        if self._new is None:
            return data
        found: list[bytes] = []
        try:
            while data:
                frame = self._frame or self._new()
                found.append(frame.decompress(data))
                data = frame.unused_data if frame.eof else b""
                self._frame = None if frame.eof else frame
        except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
            raise Fault(INCORRECT_DATA, f"The body does not decompress: {error}") from error
        return b"".join(found)

    def finish(self) -> None:
        """Refuse a body that ends within a frame: something of it is missing."""
        if self._frame is not None:
            raise Fault(INCORRECT_DATA, "The compressed body ends too early")


class Compressor:
    """Applies one Content-Encoding to an answer, part by part."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._begun = False
        if encoding in ("gzip", "deflate"):
            zlibs = zlib.compressobj(_ZLIB_LEVEL, zlib.DEFLATED, _GZIP_WINDOW if encoding == "gzip" else _ZLIB_WINDOW)
            self._compress: Callable[[bytes], bytes] = zlibs.compress
            self._flush: Callable[[], bytes] = zlibs.flush
        elif encoding == "zstd":
            zstds = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
            self._compress, self._flush = zstds.compress, zstds.flush
        else:
            frames = lz4.frame.LZ4FrameCompressor()
            self._head = frames.begin()
            self._compress, self._flush = frames.compress, frames.flush

    def feed(self, data: bytes) -> bytes:
        """Return what may be sent of this part."""
        head = b"" if self._begun or self.encoding != "lz4" else self._head
        self._begun = True
        return head + self._compress(data)

    def finish(self) -> bytes:
        """Return the end."""
        return self.feed(b"") + self._flush()


def choose_encoding(accepted: str) -> str | None:
    """Return the first encoding of an Accept-Encoding header that we speak, or None."""
    for choice in accepted.split(","):
        name, _, quality = choice.strip().lower().partition(";")
        if name in _DECOMPRESSORS and quality.replace(" ", "") not in ("q=0", "q=0.0"):
            return name
    return None
