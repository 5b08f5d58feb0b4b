"""
What incidents are found in: chances of pain and what came of them, counted day by day by the warehouse.

One rule: everything comes from `v_pain_chances` and `v_pain_points`, so that an analyst can count the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.journey_filters import milliseconds
from pipeline.findings.candidates import COUNTS, Candidate, with_causes
from pipeline.findings.incidents import HITS
from pipeline.warehouse.ddl import quote_text

Row = dict[str, Any]

_PARTS: Final = (
    "arrayConcat([('', '', false)], arrayMap((n, v) -> (n, v, false), mapKeys(segments), mapValues(segments)), "
    "if(hurt, arrayMap((n, v) -> (n, v, true), mapKeys(causes), mapValues(causes)), []))"
)
_COUNTS: Final = f"""
SELECT toString(kind) AS kind, part.1 AS segment, part.2 AS value, part.3 AS is_cause,
    toInt32(toDate(occurred_at)) AS day, toUInt32(count()) AS cases, toUInt32(countIf(hurt)) AS hits
FROM v_pain_chances
ARRAY JOIN {_PARTS} AS part
GROUP BY kind, segment, value, is_cause, day
"""
_HITS: Final = f"""
SELECT toString(kind) AS kind, part.1 AS segment, part.2 AS value, toUnixTimestamp64Milli(c.occurred_at) AS at,
    toString(customer_uid) AS customer_uid, toString(event_uid) AS event_uid
FROM v_pain_chances AS c
ARRAY JOIN {_PARTS} AS part
WHERE hurt AND (kind, segment, value) IN ({{series}})
    AND c.occurred_at >= fromUnixTimestamp64Milli({{since:Int64}})
    AND c.occurred_at < fromUnixTimestamp64Milli({{until:Int64}})
"""
_DETAILS: Final = """
SELECT toString(p.customer_uid) AS customer, toString(p.kind) AS kind, toUnixTimestamp64Milli(p.occurred_at) AS at,
    p.detail AS detail
FROM v_pain_points AS p
WHERE p.customer_uid IN {customers:Array(UUID)}
ORDER BY at, detail
"""


def read_counts(warehouse: Warehouse) -> pl.DataFrame:
    """Return `COUNTS` of everything that is watched."""
    schema = {**COUNTS, "is_cause": pl.Boolean(), "day": pl.Int32()}
    rows = pl.DataFrame(warehouse.rows(_COUNTS), schema=schema).with_columns(pl.col("day").cast(pl.Date))
    is_cause = pl.col("is_cause")
    counts, causes = rows.filter(~is_cause).drop("is_cause"), rows.filter(is_cause).drop("is_cause", "cases")
    return with_causes(counts, causes)


def read_hits(warehouse: Warehouse, candidates: Sequence[Candidate]) -> pl.DataFrame:
    """Return `HITS` of the candidates."""
    schema = {("at" if name == "occurred_at" else name): dtype for name, dtype in HITS.items()} | {"at": pl.Int64()}
    rows: list[Row] = []
    if candidates:
        series = sorted({(one.kind, one.segment, one.value) for one in candidates})
        listed = ", ".join(f"({', '.join(map(quote_text, name))})" for name in series)
        span = {
            "since": str(milliseconds(min(one.from_at for one in candidates))),
            "until": str(milliseconds(max(one.until_at for one in candidates))),
        }
        rows = warehouse.rows(_HITS.replace("{series}", listed), span)
    frame = pl.DataFrame([_numbered(row, "at") for row in rows], schema=schema)
    return frame.rename({"at": "occurred_at"}).select(pl.col(name).cast(dtype) for name, dtype in HITS.items())


def read_details(
    warehouse: Warehouse, customers: Iterable[str]
) -> Mapping[tuple[str, str], list[tuple[datetime, str]]]:
    """Return what hurt customers, in words: by customer and kind, in order of time."""
    listed = "[" + ", ".join(quote_text(customer) for customer in sorted(set(customers))) + "]"
    told: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
    for row in warehouse.rows(_DETAILS, {"customers": listed}):
        at = datetime.fromtimestamp(int(row["at"]) / 1000, UTC)
        told.setdefault((row["customer"], row["kind"]), []).append((at, row["detail"]))
    return told


def _numbered(row: Row, name: str) -> Row:
    return {**row, name: int(row[name])}
