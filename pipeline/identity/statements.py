"""
What was said about identity and still holds: aliases, unlinks and their withdrawals (CONTRACT: Identifiers).

The rule owned here: of several contents of one touchpoint only the greatest says anything, be it another pair, the
other type or a withdrawal. A withdrawal takes back every statement of the same source, type and pair that has the id it
names, whatever arrived first; it says nothing itself and cannot be withdrawn.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

ALIAS: Final = 1
UNLINK: Final = 2


@dataclass(frozen=True, slots=True)
class Statements:
    """
    The statements in force.

    Attributes:
        aliases: a, b, first_seen: pairs of accounts that are one person; a is the lower key.
        unlinks: a, b: pairs that are not; a is the lower key.
    """

    aliases: pl.DataFrame
    unlinks: pl.DataFrame


def statements_that_hold(statements: pl.DataFrame) -> Statements:
    """
    Resolve contents and withdrawals.

    Args:
        statements: Rows of `identity_statements`, in one direction or in both: a, b (Binary), statement (Int8),
            withdraws, source, event_id (String), occurred_at, event_uid, content_version (Binary). All rows of the
            pairs they name must be there.

    Returns:
        Each pair at most once per kind of statement, with the earliest occurred_at that still stands.
    """
    if statements.is_empty():
        nobody = statements.select("a", "b", first_seen="occurred_at")
        return Statements(aliases=nobody, unlinks=nobody.select("a", "b"))
    said = (
        statements.with_columns(
            pl.min_horizontal("a", "b").alias("a"),
            pl.max_horizontal("a", "b").alias("b"),
            pl.col("statement").cast(pl.Int8),
        )
        .sort("content_version", descending=True)
        .unique("event_uid", keep="first", maintain_order=True)
    )
    withdrawals = said.filter(pl.col("withdraws") != "").select(
        "a", "b", "statement", "source", pl.col("withdraws").alias("event_id")
    )
    standing = said.filter(pl.col("withdraws") == "").join(
        withdrawals, on=["a", "b", "statement", "source", "event_id"], how="anti"
    )
    pairs = standing.group_by("a", "b", "statement").agg(pl.col("occurred_at").min().alias("first_seen")).sort("a", "b")
    return Statements(
        aliases=pairs.filter(pl.col("statement") == ALIAS).select("a", "b", "first_seen"),
        unlinks=pairs.filter(pl.col("statement") == UNLINK).select("a", "b"),
    )
