"""
Telling the parts of a JSON array or object apart without reading them.

Some JSON is refused by every strict reader, as half a surrogate pair, 1e400 or a thousand brackets, and one such event
must not cost its neighbours. The one rule: time and memory grow with the bytes and with nothing inside of them, so
brackets are counted in blocks and never followed one by one. Whether a part is JSON is not judged here.
"""

import re
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.producers.admission import BYTE_ORDER_MARK

_BLOCK_BYTES: Final = 1 << 18
_MOST_MEMBERS: Final = 10_000
_QUOTE, _BACKSLASH, _COMMA = b'"\\,'
_NAMED: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"\s*:\s*', re.DOTALL)
_PAIRS: Final = {ord("["): ord("]"), ord("{"): ord("}")}

Places = npt.NDArray[np.int64]
"""Places in a text, ascending."""

_Mask = npt.NDArray[np.bool_]


def cuts(text: bytes) -> Places | None:
    """
    Find where an array or an object is to be cut.

    Args:
        text: JSON without space around it.

    Returns:
        The places of its first bracket, of the commas between its parts and of its last bracket; None where it is no
        array or object that is closed by its last byte.
    """
    if len(text) < 2 or _PAIRS.get(text[0]) != text[-1]:
        return None
    scan = _Scan()
    found = [np.zeros(1, np.int64)]
    for start in range(0, len(text), _BLOCK_BYTES):
        commas, end = scan.read(np.frombuffer(text, np.uint8, min(_BLOCK_BYTES, len(text) - start), start))
        found.append(commas + start)
        if end is not None:
            found.append(np.full(1, start + end, np.int64))
            return np.concatenate(found) if start + end == len(text) - 1 else None
    return None


def between(text: bytes, places: Places) -> list[bytes]:
    """Return what stands between places where a text is cut; nothing for an empty array or object."""
    parts = [text[left + 1 : right].strip() for left, right in pairwise(places.tolist())]
    return [] if parts == [b""] else parts


def members(text: bytes) -> dict[str, bytes] | None:
    """Return the values of an object by their names, unread; None where it is no object. Names are as written."""
    text = text.removeprefix(BYTE_ORDER_MARK).strip()
    places = cuts(text) if text.startswith(b"{") else None
    if places is None or len(places) > _MOST_MEMBERS:
        return None
    found: dict[str, bytes] = {}
    for part in between(text, places):
        named = _NAMED.match(part)
        if named is None:
            return None
        found[named[1].decode(errors="replace")] = part[named.end() :]
    return found


class _Scan:
    """Reads a text block by block: how deep it is, and whether inside of a string."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._is_escaped = False

    def read(self, block: npt.NDArray[np.uint8]) -> tuple[Places, int | None]:
        """Return the commas directly inside of the first bracket, and where this one is closed."""
        quotes = block == _QUOTE
        backslashes = block == _BACKSLASH
        if self._is_escaped or backslashes.any():
            quotes &= ~self._escaped(backslashes)
        inside = (np.cumsum(quotes) & 1).astype(np.bool_) ^ self._in_string
        self._in_string = bool(inside[-1])
        steps = _STEPS[block]
        steps[inside] = 0
        depths = np.cumsum(steps, dtype=np.int32) + self._depth
        self._depth = int(depths[-1])
        closed = np.flatnonzero((depths == 0) & (steps < 0))
        commas = np.flatnonzero((block == _COMMA) & ~inside & (depths == 1))
        return (commas[commas < closed[0]], int(closed[0])) if len(closed) else (commas, None)

    def _escaped(self, backslashes: _Mask) -> _Mask:
        """Tell which bytes follow an odd number of backslashes."""
        places = np.arange(len(backslashes))
        before = -1 - int(self._is_escaped)
        runs = places - np.maximum.accumulate(np.where(backslashes, before, places))
        escaped = np.empty_like(backslashes)
        escaped[0] = self._is_escaped
        escaped[1:] = runs[:-1] & 1
        self._is_escaped = bool(runs[-1] & 1)
        return escaped


def _steps() -> npt.NDArray[np.int8]:
    steps = np.zeros(256, np.int8)
    for opening, closing in _PAIRS.items():
        steps[opening], steps[closing] = 1, -1
    return steps


_STEPS: Final = _steps()
