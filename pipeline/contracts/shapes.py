"""
Writing records by the shape of what was sent: the names of an object, in their order.

Senders have few shapes, so a plan that holds only what an object has, with the bytes of all that it lacks put together
beforehand, serves nearly every one of them. The rule owned here: where a plan does not fit, it is a doubt, never an
error; whether anything is wrong is judged elsewhere.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from pipeline.contracts.encoding import Write, write_long

_MOST_SHAPES = 1_000
_USUAL_SIZES = 512
_T = TypeVar("_T")


class Doubt(Exception):  # noqa: N818 - nothing is wrong yet
    """This touchpoint goes the careful way."""


class Field(NamedTuple):
    """A field of a record: how a value is written, and the bytes that stand for its absence (None: a doubt)."""

    name: str
    write: Write
    present: bytes
    absent: bytes | None


class Plan(NamedTuple):
    """How records are written that have just these fields: each with the constant bytes before it, and the rest."""

    steps: tuple[tuple[str, Write, bytes], ...]
    tail: bytes


class Remembered(dict[tuple[Any, ...], _T]):
    """
    What was found for each shape, a shape being the names of an object in their order.

    Senders have few shapes, so nearly every object is written by a plan that holds only what it has. Shapes without
    end, as nobody but a fuzzer sends them, are forgotten again.
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
    """The fields of a record in their order, and the plans for the names that an object has."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._fields = tuple(fields)
        self.names = frozenset(field.name for field in self._fields)

    def plan(self, names: frozenset[Any]) -> Plan:
        """Return the plan for an object with these names; others than its own are somebody else's."""
        steps: list[tuple[str, Write, bytes]] = []
        constant = b""
        for field in self._fields:
            if field.name in names:
                steps.append((field.name, field.write, constant + field.present))
                constant = b""
            elif field.absent is None:
                raise Doubt
            else:
                constant += field.absent
        return Plan(tuple(steps), constant)


def record_of(fields: Iterable[Field], *, may_be_empty: bool = True, foreign: Iterable[str] = ()) -> Write:
    """Return a writer of objects with these fields, in which none of the foreign ones may be."""
    shapes = Shapes(fields)
    own = shapes.names - frozenset(foreign)

    def plan(shape: tuple[Any, ...]) -> Plan:
        if not own.issuperset(shape) or not (shape or may_be_empty):
            raise Doubt
        return shapes.plan(frozenset(shape))

    plans = Remembered(plan)

    def write(out: bytearray, value: Any) -> None:  # noqa: ANN401 - decoded JSON
        if type(value) is not dict:
            raise Doubt
        fill(out, plans[tuple(value)], value)

    return write


def fill(out: bytearray, plan: Plan, value: Any) -> None:  # noqa: ANN401 - decoded JSON
    """Write an object by the plan for its shape."""
    for name, write, constant in plan.steps:
        out += constant
        if write is write_text:  # most fields are; a call for each would cost as much as the work
            data = value[name].encode()
            size = len(data)
            if size < _USUAL_SIZES:
                out += _SIZE[size]
            else:
                write_long(out, size)
            out += data
        else:
            write(out, value[name])
    out += plan.tail


def write_text(out: bytearray, value: str) -> None:
    """Write a text, or raise what `str` raises for anything else."""
    data = value.encode()
    size = len(data)
    if size < _USUAL_SIZES:
        out += _SIZE[size]
    else:
        write_long(out, size)
    out += data


def _size_bytes(size: int) -> bytes:
    out = bytearray()
    write_long(out, size)
    return bytes(out)


_SIZE = tuple(_size_bytes(size) for size in range(_USUAL_SIZES))
