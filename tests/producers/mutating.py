"""Changing touchpoints and bytes a little, in the ways in which senders and networks get them wrong."""

import random
from copy import deepcopy
from typing import Any

import orjson

ODD_TEXTS = (
    "", "null", "0", "NaN", "1e400", "-0.0", "\u0000", "\ud7ff", "ä" * 300, "x" * 7_000, "2026-03-01T10:04:00Z",
    "2026-02-30T00:00:00Z", "99999-01-01T00:00:00Z", "EUR", "[object Object]", "/~0~1", "../..", "%00", "\u202e",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1 << 31, 1 << 63, 1 << 70, -(1 << 63), 0.5, 1e308, [], {}, [[]], [{}], {"": None},
    *ODD_TEXTS,
)  # fmt: skip
ODD_BYTES = (
    b"",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"\\u0000",
    b"\xff",
    b"\xc3\x28",
    b"NaN",
    b"1e999",
    b"\n",
    b"\x00",
)


class Mutator:
    """
    Changes values and bytes.

    Args:
        chance: Where the changes come from.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def value(self, value: Any) -> Any:
        """Return a copy with a few places changed; sometimes none."""
        copied = orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)) if not is_large(value) else value
        for _ in range(self.chance.choice((0, 0, 1, 1, 1, 2, 5))):
            place = copied
            while isinstance(place, dict | list) and place:
                step = self.chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
                inner = place[step]
                if not (isinstance(inner, dict | list) and inner) or self.chance.random() < 0.3:
                    self._change(place, step)
                    break
                place = inner
        return copied

    def _change(self, place: Any, step: Any) -> None:
        match self.chance.randrange(5):
            case 0:
                del place[step]
            case 1 if isinstance(place, dict):
                place[self.chance.choice(ODD_TEXTS[:12]) or "new"] = place[step]
            case 2:
                deep: Any = self._odd()
                for _ in range(self.chance.choice((3, 40, 400))):
                    deep = [deep] if self.chance.random() < 0.5 else {"a": deep}
                place[step] = deep
            case _:
                place[step] = self._odd()

    def _odd(self) -> Any:
        # A copy: it may be changed in its turn, and must not come to hold itself.
        return deepcopy(self.chance.choice(ODD_VALUES))

    def data(self, data: bytes) -> bytes:
        out = bytearray(data)
        for _ in range(self.chance.choice((1, 1, 2, 8))):
            at = self.chance.randrange(len(out) + 1)
            match self.chance.randrange(5):
                case 0:
                    del out[at : at + self.chance.choice((1, 4, 64))]
                case 1:
                    out[at:at] = self.chance.choice(ODD_BYTES)
                case 2:
                    out[at:at] = self.chance.randbytes(self.chance.choice((1, 3, 16)))
                case 3 if at < len(out):
                    out[at] ^= 1 << self.chance.randrange(8)
                case _ if at < len(out):
                    out[at] = self.chance.choice((0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF))
        return bytes(out)


def is_large(value: object) -> bool:
    """Tell whether orjson cannot write it: numbers of more than 64 bits, or nested very deep."""
    try:
        orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        return True
    return False
