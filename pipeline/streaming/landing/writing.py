"""
Writing rows that the warehouse may refuse: the batch is halved until each refused record stands alone.

Only `WarehouseRefused` is caught, for it is about the rows; everything else is the caller's. Rows that went in with
one half are the same facts when they go in again, so halving needs no memory of what was taken.
"""

from collections.abc import Callable
from datetime import datetime

import polars as pl

from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.types import family_of
from pipeline.streaming.decode.values import Rejection
from pipeline.streaming.landing.facts import Facts
from pipeline.streaming.ports import FactStore
from pipeline.warehouse.errors import WarehouseRefused

# When this many records are refused one by one and none is taken, the fault is not the records'.
REFUSED_BEFORE_DOUBT = 100
_STAMP = pl.Datetime("us", "UTC")


def write_facts(store: FactStore, facts: Facts, landed_at: datetime) -> list[Rejection]:
    """
    Insert touchpoints, then links, then statements.

    Args:
        store: Where they go.
        facts: The facts, their touchpoints with coordinates.
        landed_at: Stamp taken before.

    Returns:
        A rejection for each record that the warehouse refuses; all others are in.

    Raises:
        WarehouseUnavailable: Some of it may be in; write all of it again.
        WarehouseRefused: If nothing at all is taken.
    """
    stamp = pl.lit(landed_at).cast(_STAMP).alias("landed_at")
    first_stamp = stamp.alias("first_landed_at")

    def insert(rows: pl.Series) -> None:
        part = facts if len(rows) == facts.touchpoints.height else facts.of_rows(rows)
        store.insert_touchpoints(part.touchpoints.drop("row").with_columns(stamp))
        store.insert_links(part.links().with_columns(stamp, first_stamp))
        store.insert_statements(part.statements.drop("row").with_columns(stamp))

    refused = insert_halving(facts.touchpoints["row"], insert)
    types = dict(facts.touchpoints.filter(pl.col("row").is_in(list(refused))).select("row", "type").iter_rows())
    return [
        Rejection(row, Problem(Reason.REFUSED_BY_WAREHOUSE, "", detail), family_of(types[row]) or "")
        for row, detail in refused.items()
    ]


def write_rejected(store: FactStore, rejected: pl.DataFrame) -> None:
    """
    Insert rows of `rejected`; one that is refused goes in without its bytes.

    Raises:
        WarehouseUnavailable: Some of it may be in; write all of it again.
        WarehouseRefused: If a row is refused even so.
    """
    places = pl.Series(range(rejected.height), dtype=pl.UInt32)
    refused = insert_halving(places, lambda part: store.insert_rejected(rejected[part]))
    if refused:
        bare = rejected[list(refused)].with_columns(
            key=pl.lit(b""),
            payload=pl.lit(None, pl.Binary),
            detail=pl.concat_str("detail", pl.lit("; key and payload are left out: the warehouse refuses them")),
        )
        store.insert_rejected(bare)


def insert_halving(rows: pl.Series, insert: Callable[[pl.Series], None]) -> dict[int, str]:
    """
    Insert rows, halving them where they are refused.

    Args:
        rows: Numbers of the rows.
        insert: Inserts those rows; may be called with any part of them, more than once.

    Returns:
        Why, for each row that is refused alone.

    Raises:
        WarehouseRefused: If very many are refused and none is taken.
    """
    refused: dict[int, str] = {}
    waiting = [rows]
    is_any_taken = False
    while waiting:
        part = waiting.pop()
        if part.is_empty():
            continue
        try:
            insert(part)
            is_any_taken = True
        except WarehouseRefused as error:
            if len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
                continue
            refused[int(part[0])] = str(error)
            if not is_any_taken and len(refused) >= REFUSED_BEFORE_DOUBT:
                raise
    return refused
