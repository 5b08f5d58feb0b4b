"""ClickHouse types that several tables share, written as ClickHouse writes them back in `system.columns`."""

from pipeline.contracts.kinds import KINDS

MILLIS = "DateTime64(3, 'UTC')"
MICROS = "DateTime64(6, 'UTC')"
LOW = "LowCardinality(String)"
KIND = "Enum8(" + ", ".join(f"'{kind}' = {rank}" for rank, kind in enumerate(KINDS)) + ")"
IDENTIFIERS = f"Array(Tuple(kind {KIND}, ident_key UUID))"
MONEY = "Array(Tuple(currency String, minor Int64))"
