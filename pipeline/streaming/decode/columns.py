"""
From the wire form of a block to the columns of our own schema, whatever version of it the writer had.

The rule it owns: a value is judged by the type that its writer declared (an enum's index, a boolean's byte, an int's
32 bits) before it becomes a value of ours. What the writer did not know is null, an empty list, or the default.

Columns are flat: the fields of `refs`, `context` and `amount` and those of `body` are columns `refs.order_id`,
`body.wait_s`, … A record inside a body (a, b of a statement) stays a struct. Kinds of identifiers become ranks. The
flags of an identity keep their wire form (0, and -1 for yes): so its items need no conversion, and there are many.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from pipeline.contracts.kinds import KIND_RANK, KINDS
from pipeline.contracts.reasons import Problem, Reason
from pipeline.streaming.decode.reframe import Leaf, Many, Row, Shape, UnreadableSchemaError

_INT32 = (-(2**31), 2**31 - 1)
_FLAT_RECORDS = ("refs", "context", "amount", "body")
_DTYPES: Mapping[str, pl.DataType] = {
    "boolean": pl.Boolean(),
    "int": pl.Int64(),
    "long": pl.Int64(),
    "float": pl.Float64(),
    "double": pl.Float64(),
    "string": pl.String(),
    "bytes": pl.Binary(),
    "enum": pl.String(),
}
_FLOATS = frozenset({"float", "double"})
_NUMBERS = _FLOATS | {"int", "long"}


@dataclass(frozen=True, slots=True)
class Check:
    """
    One place where a value may lie outside its writer's type.

    Attributes:
        problem: What such a value is: no Avro of the schema, or a number that is none.
        found: Whether any row of a frame has such a value (one Boolean).
        rows: Which rows do.
    """

    problem: Problem
    found: pl.Expr
    rows: pl.Expr


def checks_of(shape: Row) -> tuple[Check, ...]:
    """Return all checks of a writer's rows; what makes a record undecodable first, for it outweighs the rest."""
    checks = _checks(shape, None, "")
    return tuple(sorted(checks, key=lambda check: check.problem.reason is not Reason.UNDECODABLE))


def misfits(wire: pl.DataFrame, checks: tuple[Check, ...]) -> dict[int, Problem]:
    """Return, for each row with a value outside its writer's type, what is wrong with it."""
    found: dict[int, Problem] = {}
    if not checks:
        return found
    any_of = wire.select(check.found.alias(str(number)) for number, check in enumerate(checks)).row(0)
    for check, has_any in zip(checks, any_of, strict=True):
        if has_any:
            for row in wire.select(check.rows.fill_null(value=False).arg_true()).to_series():
                found.setdefault(row, check.problem)
    return found


def flatten(shape: Row) -> Row:
    """Return the shape whose fields are the flat columns of a schema."""
    flat: dict[str, Shape] = {}
    for name, part in shape.fields.items():
        if name in _FLAT_RECORDS and isinstance(part, Row):
            flat |= {f"{name}.{inner}": inner_part for inner, inner_part in part.fields.items()}
        else:
            flat[name] = _identities(part) if name == "identities" else part
    return Row(flat)


def conversions(writer: Row, reader: Row) -> list[pl.Expr]:
    """
    Return the expressions that make our columns from the wire form of a writer's rows.

    Args:
        writer: Shape of the writer's schema.
        reader: Flat shape (`flatten`) of ours.

    Raises:
        UnreadableSchemaError: If a field has a type in the writer's schema that cannot become ours.
    """
    written = flatten(writer)
    out = []
    for name, wanted in reader.fields.items():
        given = written.fields.get(name)
        outer, _, inner = name.partition(".")
        column = pl.col(outer).struct.field(inner) if inner else pl.col(outer)
        value = _absent(wanted) if given is None else _value(column, given, wanted)
        out.append(value.alias(name))
    return out


def dtype_of(shape: Shape) -> pl.DataType:
    """Return the polars type of a value of ours."""
    if isinstance(shape, Leaf):
        return pl.Int64() if _is_kind(shape) else _DTYPES[shape.kind]
    if isinstance(shape, Many):
        return pl.List(dtype_of(shape.item))
    return pl.Struct({name: dtype_of(part) for name, part in shape.fields.items()})


def _identities(shape: Shape) -> Shape:
    """Return identities with their flags as numbers."""
    if not isinstance(shape, Many) or not isinstance(shape.item, Row):
        return shape
    fields = shape.item.fields.items()
    return Many(Row({name: Leaf("long") if part == Leaf("boolean") else part for name, part in fields}))


def _checks(shape: Shape, outer: pl.Expr | None, pointer: str) -> Iterator[Check]:
    if isinstance(shape, Row):
        for name, part in shape.fields.items():
            yield from _checks(part, _field(outer, name), f"{pointer}/{name}")
    elif isinstance(shape, Leaf):
        if outer is not None and (judged := _misfit(shape, outer)) is not None:
            is_wrong, expected = judged
            problem = Problem(Reason.UNDECODABLE, "", f"{pointer}: {expected}")
            if shape.kind in _FLOATS:
                problem = Problem(Reason.INVALID_VALUE, pointer.partition("/-")[0], expected)
            yield Check(problem, is_wrong.any(), is_wrong)
    elif outer is not None:
        below = f"{pointer}/-"
        outside, within = _checks(shape.item, outer.explode(), below), _checks(shape.item, pl.element(), below)
        for check, inside in zip(outside, within, strict=True):
            yield Check(check.problem, check.found, outer.list.eval(inside.rows).list.any())


def _field(outer: pl.Expr | None, name: str) -> pl.Expr:
    return pl.col(name) if outer is None else outer.struct.field(name)


def _misfit(leaf: Leaf, value: pl.Expr) -> tuple[pl.Expr, str] | None:
    """Return whether a wire value lies outside its type, and what the type takes."""
    match leaf.kind:
        case "enum":
            return ~value.is_between(0, len(leaf.symbols) - 1), f"the enum has {len(leaf.symbols)} symbols"
        case "boolean":
            # The bytes 0 and 1, read as zigzag numbers.
            return ~value.is_between(-1, 0), "a boolean is the byte 0 or 1"
        case "int":
            return ~value.is_between(*_INT32), "an int has 32 bits"
        case "float" | "double":
            return ~value.is_finite(), "not a finite number"
        case _:
            return None


def _value(given: pl.Expr, writer: Shape, reader: Shape) -> pl.Expr:
    """Turn a wire value of the writer's shape into a value of ours."""
    match writer, reader:
        case Leaf(), Leaf():
            return _leaf(given, writer, reader)
        case Many(item=was), Many(item=wanted):
            return given if _is_same(was, wanted) else given.list.eval(_value(pl.element(), was, wanted))
        case Row(), Row():
            made = [
                (
                    _value(given.struct.field(name), writer.fields[name], part)
                    if name in writer.fields
                    else _absent(part)
                ).alias(name)
                for name, part in reader.fields.items()
            ]
            return pl.when(given.is_not_null()).then(pl.struct(made))
        case _:
            raise UnreadableSchemaError(f"{writer} cannot become {reader}")


def _leaf(given: pl.Expr, writer: Leaf, reader: Leaf) -> pl.Expr:
    if writer.kind == "enum" and reader.kind == "enum":
        known = [symbol if symbol in reader.symbols else reader.default for symbol in writer.symbols]
        if _is_kind(reader):
            return pl.lit(pl.Series([KIND_RANK[symbol] for symbol in known], dtype=pl.Int64)).gather(given)
        return pl.lit(pl.Series(known, dtype=pl.String)).gather(given)
    if writer.kind == reader.kind == "boolean":
        return given == -1
    if writer.kind == reader.kind:
        return given
    if writer.kind in _NUMBERS and reader.kind in _NUMBERS:
        return given.cast(_DTYPES[reader.kind])
    raise UnreadableSchemaError(f"{writer.kind} cannot become {reader.kind}")


def _is_same(writer: Shape, reader: Shape) -> bool:
    """Whether the wire form is already a value of ours."""
    if isinstance(writer, Leaf) and isinstance(reader, Leaf):
        is_number = writer.kind == reader.kind and writer.kind not in ("enum", "boolean", "float")
        return is_number or (writer == reader and _is_kind(writer))
    if isinstance(writer, Row) and isinstance(reader, Row):
        return list(writer.fields) == list(reader.fields) and all(
            _is_same(writer.fields[name], part) for name, part in reader.fields.items()
        )
    return False


def _is_kind(leaf: Leaf) -> bool:
    return leaf.kind == "enum" and leaf.symbols == KINDS


def _absent(shape: Shape) -> pl.Expr:
    dtype = dtype_of(shape)
    if isinstance(shape, Many):
        return pl.lit(pl.Series([[]], dtype=dtype)).first()
    return pl.lit(None, dtype=dtype)
