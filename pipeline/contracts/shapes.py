"""
Writing records by the shape of what was sent: the names of an object, in their order.

Senders have few shapes. For each a function is made that holds only what an object of that shape has, with the bytes of
all that it lacks put together beforehand. The rule owned here: where such a function does not fit, it is a doubt, never
an error; whether anything is wrong is judged elsewhere.

The functions are made as source and compiled, as `dataclasses` does it: a loop over the fields that asks each how it is
written takes twice the time. Into the source go names of our schemas and constant bytes, never anything that was sent.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from pipeline.contracts.encoding import write_long

_MOST_SHAPES = 1_000
_MOST_SIZES = 65_536
_LEAST_SIX_BYTES = 1 << 35
_LEAST_SEVEN_BYTES = 1 << 42
_T = TypeVar("_T")

Dump = Callable[[Any], bytes]
"""Returns one value as it is on the wire; raises `Doubt`, or what any value raises that is not what it should be."""


class Doubt(Exception):  # noqa: N818 - nothing is wrong yet
    """This touchpoint goes the careful way."""


class Field(NamedTuple):
    """
    A field of a record.

    Attributes:
        name: As in the object.
        dump: How a value is written, or the bytes of each value that it may have.
        present: Bytes before a value.
        absent: Bytes that stand for its absence; None: a doubt.
    """

    name: str
    dump: Dump | Mapping[str, bytes]
    present: bytes
    absent: bytes | None


class Remembered(dict[tuple[Any, ...], _T]):
    """
    What was found for each shape, a shape being the names of an object in their order.

    Senders have few shapes, so nearly every object is written by a function made for it. Shapes without end, as nobody
    but a fuzzer sends them, are forgotten again.
    """

    def __init__(self, find: Callable[[tuple[Any, ...]], _T]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, shape: tuple[Any, ...]) -> _T:
        found = self._find(shape)
        if len(self) >= _MOST_SHAPES:
            self.clear()
        self[shape] = found
        return found


class Shapes:
    """The fields of a record in their order, and the functions for the names that an object has."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._fields = tuple(fields)
        self._made: dict[frozenset[Any], Dump] = {}
        self.names = frozenset(field.name for field in self._fields)

    def dump_of(self, names: Iterable[Any]) -> Dump:
        """Return the function for an object with these names; others than its own are somebody else's."""
        wanted = self.names.intersection(names)
        made = self._made.get(wanted)
        if made is None:
            if len(self._made) >= _MOST_SHAPES:
                self._made.clear()
            made = self._made[wanted] = self._make(wanted)
        return made

    def _make(self, names: frozenset[Any]) -> Dump:
        scope: dict[str, Any] = {"sizes": _SIZES}
        parts: list[str] = []
        constant = b""
        for number, field in enumerate(self._fields):
            if field.name not in names:
                if field.absent is None:
                    raise Doubt
                constant += field.absent
                continue
            if constant + field.present:
                parts.append(repr(constant + field.present))
                constant = b""
            value = f"value[{field.name!r}]"
            if field.dump is dump_text:
                parts += [f"sizes[len(text := {value}.encode())]", "text"]
                continue
            scope[f"dump{number}"] = field.dump
            parts.append(f"dump{number}[{value}]" if isinstance(field.dump, Mapping) else f"dump{number}({value})")
        parts.append(repr(constant))
        exec(f"def dump(value): return b''.join(({', '.join(parts)},))", scope)
        made: Dump = scope["dump"]
        return made


def record_of(fields: Iterable[Field], *, may_be_empty: bool = True, foreign: Iterable[str] = ()) -> Dump:
    """Return a writer of objects with these fields, in which none of the foreign ones may be."""
    shapes = Shapes(fields)
    own = shapes.names - frozenset(foreign)

    def find(shape: tuple[Any, ...]) -> Dump:
        if not own.issuperset(shape) or not (shape or may_be_empty):
            raise Doubt
        return shapes.dump_of(shape)

    dumps = Remembered(find)

    def dump(value: Any) -> bytes:  # noqa: ANN401 - decoded JSON
        if type(value) is not dict:
            raise Doubt
        return dumps[tuple(value)](value)

    return dump


def list_of(dump_item: Dump) -> Dump:
    """Return a writer of arrays of such items."""

    def dump(items: Any) -> bytes:  # noqa: ANN401 - decoded JSON
        if type(items) is not list:
            raise Doubt
        if len(items) == 1:
            return b"\2" + dump_item(items[0]) + b"\0"
        return b"".join((dump_long(len(items)), *map(dump_item, items), b"\0")) if items else b"\0"

    return dump


def dump_text(value: str) -> bytes:
    """Return a text on the wire, or raise what `str` raises for anything else."""
    data = value.encode()
    return _SIZES[len(data)] + data


def dump_long(value: int) -> bytes:
    """Return a whole number of up to 64 bits on the wire."""
    rest = value << 1 if value >= 0 else ~(value << 1)
    if rest < 0x80:
        return _SMALL[rest]
    if rest < 0x4000:
        return bytes((rest & 0x7F | 0x80, rest >> 7))
    if _LEAST_SIX_BYTES <= rest < _LEAST_SEVEN_BYTES:  # times of our days
        return _PAIRS[rest & 0x3FFF] + _PAIRS[rest >> 14 & 0x3FFF] + _LAST_PAIRS[rest >> 28]
    out = bytearray()
    write_long(out, value)
    return bytes(out)


class _Pairs(dict[int, bytes]):
    """The two bytes of fourteen bits of a number, made when they are needed."""

    def __init__(self, *, ends: bool) -> None:
        super().__init__()
        self._end = 0 if ends else 0x80

    def __missing__(self, bits: int) -> bytes:
        made = self[bits] = bytes((bits & 0x7F | 0x80, bits >> 7 | self._end))
        return made


class _Sizes(dict[int, bytes]):
    """The bytes before a text of each size, made when one is needed."""

    def __missing__(self, size: int) -> bytes:
        made = dump_long(size)
        if size < _MOST_SIZES:
            self[size] = made
        return made


_SMALL = tuple(bytes((number,)) for number in range(0x80))
_SIZES = _Sizes()
_PAIRS = _Pairs(ends=False)
_LAST_PAIRS = _Pairs(ends=True)
