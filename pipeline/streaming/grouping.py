"""
Which customers are read together, and which of these are made and written together.

Nothing is read or written here. Keys are spread evenly over the tables, so every read of many customers passes nearly
all of a table: few large reads cost a fraction of many small ones. What was read waits compressed, what is being made
takes ten times as much, so customers are read in large loads and made in small groups.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

# Customers of at most so many identifiers and facts are read together: a fact that waits takes about 90 bytes.
_LOAD_IDENTIFIERS = 300_000
_LOAD_FACTS = 600_000
# Of these so many are made and written together, which bounds what is in memory as it is made.
_GROUP_IDENTIFIERS = 60_000
_GROUP_FACTS = 80_000
# Of what a load has is nothing known before one was read: rather too many, for the first load and its groups of every
# batch are as large as this allows, and with half as many they take twice the memory.
_FACTS_PER_IDENTIFIER = 6.0


@dataclass(slots=True)
class Sizes:
    """How many identifiers loads and groups may have, by how many facts those of the last load had."""

    facts_per_identifier: float = _FACTS_PER_IDENTIFIER

    @property
    def load(self) -> int:
        """Identifiers of the next load."""
        return self._fitting(_LOAD_IDENTIFIERS, _LOAD_FACTS)

    @property
    def group(self) -> int:
        """Identifiers of a group."""
        return self._fitting(_GROUP_IDENTIFIERS, _GROUP_FACTS)

    def learn(self, identifiers: int, facts: int) -> None:
        """Take note of how many facts identifiers had."""
        self.facts_per_identifier = max(facts / identifiers, 0.1)

    def _fitting(self, identifiers: int, facts: int) -> int:
        return max(1, min(identifiers, int(facts / self.facts_per_identifier)))


def loads_of(identities: pl.DataFrame, dirty: pl.Series, hubs: pl.DataFrame, sizes: Sizes) -> Iterator[pl.DataFrame]:
    """
    Split identities into loads of whole customers, each as large as may be, in the order of writing.

    A worker may die between two groups, and what the sweep had found is not delivered again. Whoever the sweep would
    find again is therefore written after those that are only found through him: first who is not dirty himself, then
    the dirty, last the hubs whose crossing made their neighbours dirty.

    Args:
        identities: ident_key, kind, customer_uid, shared.
        dirty: Dirty identifiers.
        hubs: ident_key of hubs.
        sizes: Asked before each load.

    Yields:
        Rows of `identities`; those of a customer stand together.
    """
    if identities.is_empty():
        return
    turns = pl.concat(
        [dirty.rename("ident_key").unique().to_frame().with_columns(turn=pl.lit(1)), hubs.with_columns(turn=pl.lit(2))]
    )
    turned = identities.select("ident_key", "customer_uid").join(turns, on="ident_key", how="left")
    customers = (
        turned.group_by("customer_uid")
        .agg(pl.col("ident_key").n_unique().alias("len"), pl.col("turn").max().fill_null(0))
        .sort("turn", "customer_uid")
    )
    ordered = identities.join(
        customers.select("customer_uid").with_row_index("customer"), on="customer_uid", maintain_order="left"
    ).sort("customer", maintain_order=True)
    for start, end in _spans(customers["len"], lambda: sizes.load):
        yield ordered[start:end].drop("customer")


def grouped(load: pl.DataFrame, identifiers: int) -> pl.DataFrame:
    """
    Number the groups of a load, in the order of writing.

    Args:
        load: Identities of whole customers, those of a customer together.
        identifiers: Most identifiers of a group; a customer of more is a group of his own.

    Returns:
        The load with `group`, from 0.
    """
    spans = list(_spans(load.select(pl.col("customer_uid").rle().struct.field("len")).to_series(), lambda: identifiers))
    group = np.repeat(np.arange(len(spans), dtype=np.uint32), [end - start for start, end in spans])
    return load.with_columns(pl.Series("group", group))


def _spans(lengths: pl.Series, limit: Callable[[], int]) -> Iterator[tuple[int, int]]:
    """Cut rows of customers of these lengths into spans of whole customers, each as long as the limit of then."""
    ends = lengths.cum_sum().to_numpy()
    start = 0
    while start < ends[-1]:
        fitting = int(np.searchsorted(ends, start + limit(), side="right"))
        # A customer of more identifiers than fit is alone.
        end = int(ends[max(fitting - 1, int(np.searchsorted(ends, start, side="right")))])
        yield start, end
        start = end


def without_large(
    load: pl.DataFrame, before: pl.DataFrame, dirty: pl.Series, large: int, defer: Callable[[pl.Series], None]
) -> pl.DataFrame:
    """
    Hand over the dirty identifiers of large customers, and return everybody else.

    How large a customer is, is told by the journeys that were there before and by his identifiers now. Who is not dirty
    is made anew however large: his rows may be what keeps a hub from looking up to date.

    Args:
        load: Identities of whole customers.
        before: Their journeys as they are, `StitchStore.journeys`.
        dirty: Dirty identifiers.
        large: Touchpoints or identifiers beyond which a customer is large.
        defer: Takes the identifiers.

    Returns:
        The other customers, in their order.
    """
    known = before.group_by("ident_key").agg(size=pl.col("touchpoints").sum())
    sizes = (
        load.select("ident_key", "customer_uid")
        .join(known, on="ident_key", how="left")
        .group_by("customer_uid")
        .agg(pl.col("size").sum(), pl.len())
    )
    outsize = sizes.filter((pl.col("size") > large) | (pl.col("len") > large)).select("customer_uid")
    if outsize.is_empty():
        return load
    theirs = load.join(outsize, on="customer_uid", how="semi")
    deferred = theirs.join(dirty.rename("ident_key").unique().to_frame(), on="ident_key", how="semi")
    defer(deferred["ident_key"])
    return load.join(deferred, on="customer_uid", how="anti", maintain_order="left")
