"""
A writer schema made ready for reading: its re-framed header, its checks, and the way from its columns to ours.

Made once per writer schema and kept; it holds no state. A schema that cannot be read as columns or is unsafe to read
(recursive, with items of no width) is refused here, before any byte of a record is looked at.
"""

from functools import cache

import polars as pl

from pipeline.contracts.reasons import Problem
from pipeline.contracts.schemas import WriterSchema, family_schema
from pipeline.contracts.skim import skimmer
from pipeline.streaming.decode.columns import checks_of, conversions, dtype_of, flatten, misfits
from pipeline.streaming.decode.reframe import Row, prepare_frame
from pipeline.streaming.decode.walk import walker

ROW_DTYPE = pl.UInt32()


class Reader:
    """
    Reads one writer schema into the flat columns of its family.

    Args:
        schema: The writer schema; its `name` is the family.

    Raises:
        UnreadableSchemaError: If it cannot be read as columns.
    """

    def __init__(self, schema: WriterSchema) -> None:
        self.family = schema.name
        self.frame = prepare_frame(schema.schema)
        self.skim = skimmer(schema.schema)
        self.walk = walker(schema.schema)
        self._checks = checks_of(self.frame.shape)
        self._conversions = conversions(self.frame.shape, flat_shape(schema.name))

    def misfits(self, wire: pl.DataFrame) -> dict[int, Problem]:
        """Return, for each row with a value outside its declared type, what is wrong with it."""
        return misfits(wire, self._checks)

    def columns_from(self, wire: pl.DataFrame) -> pl.DataFrame:
        """Return `row` and our flat columns."""
        return wire.select("row", *self._conversions)

    def no_rows(self) -> pl.DataFrame:
        """Return our flat columns without rows."""
        return empty_columns(self.family)


@cache
def flat_shape(family: str) -> Row:
    """Return the flat columns of a family's newest schema."""
    return flatten(prepare_frame(family_schema(family)).shape)


def empty_columns(family: str) -> pl.DataFrame:
    """Return the flat columns of a family without rows."""
    columns = {name: dtype_of(shape) for name, shape in flat_shape(family).fields.items()}
    return pl.DataFrame(schema={"row": ROW_DTYPE, **columns})
