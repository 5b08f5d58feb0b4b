"""
Who is the same customer: clusters inside blocks, and their anchors (CONTRACT: Identifiers, «Joining», «Customer»).

The rule owned here: the answer is a function of the set of links, aliases and unlinks, never of their order of
arrival. A block in which nothing can be forbidden (at most one account, nobody kept apart) is one cluster; all others
go through the ordered joining of `pipeline.identity.joining`. Shared identifiers are customers of their own.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.identity.joining import Clusters
from pipeline.identity.rules import ACCOUNT_RANK

_Ints = npt.NDArray[np.int64]
_NEVER: Final = np.iinfo(np.int64).max
_TIME: Final = pl.Datetime("ms", "UTC")


def cluster(
    identifiers: pl.DataFrame, links: pl.DataFrame, aliases: pl.DataFrame, unlinks: pl.DataFrame
) -> pl.DataFrame:
    """
    Say which customer each identifier belongs to.

    Args:
        identifiers: ident_key (Binary), kind (Int8), shared (Boolean) and, where some links of theirs are dead,
            first_seen (Datetime, may be null): the earliest over *all* their links. Whole blocks, each identifier once.
        links: The live links: a, b (Binary), first_seen, in one direction or in both; ends that are not among the
            identifiers or are shared are passed over.
        aliases: a, b, first_seen of the aliases in force.
        unlinks: a, b of the unlinks in force.

    Returns:
        ident_key, kind, customer_uid, shared: one row per identifier, in order of ident_key.
    """
    nodes = identifiers.sort("ident_key").with_row_index("node")
    ranks = nodes["kind"].cast(pl.Int64).to_numpy()
    joinable = nodes.filter(~pl.col("shared")).select("ident_key", pl.col("node").cast(pl.Int64))
    link_ends = _pairs(links, joinable, ranks)
    alias_ends = _pairs(aliases, joinable, ranks)
    apart = _pairs(unlinks.with_columns(pl.lit(None, dtype=_TIME).alias("first_seen")), joinable, ranks)
    first_seen = _first_seen(nodes, link_ends, alias_ends)
    labels = _blocks(nodes.height, link_ends, alias_ends)
    labels = _part(labels, ranks, (link_ends, alias_ends, apart))
    anchors = _anchors(labels, ranks, first_seen)
    return nodes.select("ident_key", "kind", nodes["ident_key"].gather(anchors).alias("customer_uid"), "shared")


def first_seen_of(links: pl.DataFrame, aliases: pl.DataFrame) -> pl.DataFrame:
    """
    Return when each identifier was first seen: the earliest over all its links, dead ones too, and its aliases.

    Args:
        links: a, b, first_seen of all links, in one direction or in both.
        aliases: a, b, first_seen of the aliases in force.

    Returns:
        ident_key, first_seen.
    """
    ends = [
        frame.select(pl.col(end).alias("ident_key"), pl.col("first_seen").cast(_TIME))
        for frame in (links, aliases)
        for end in ("a", "b")
    ]
    return pl.concat(ends).group_by("ident_key").agg(pl.col("first_seen").min())


def _pairs(frame: pl.DataFrame, nodes: pl.DataFrame, ranks: _Ints) -> tuple[_Ints, _Ints, _Ints]:
    """Return (stronger node, weaker node, first_seen ms) of each distinct pair; nodes are in order of ident_key."""
    found = (
        frame.select("a", "b", pl.col("first_seen").cast(_TIME).to_physical().alias("at"))
        .join(nodes.rename({"ident_key": "a", "node": "one"}), on="a")
        .join(nodes.rename({"ident_key": "b", "node": "other"}), on="b")
        .filter(pl.col("one") != pl.col("other"))
    )
    one, other = found["one"].to_numpy(), found["other"].to_numpy()
    swap = (ranks[one] > ranks[other]) | ((ranks[one] == ranks[other]) & (one > other))
    pairs = (
        pl.DataFrame({"strong": np.where(swap, other, one), "weak": np.where(swap, one, other), "at": found["at"]})
        .group_by("strong", "weak")
        .agg(pl.col("at").min().fill_null(_NEVER))
    )
    return pairs["strong"].to_numpy(), pairs["weak"].to_numpy(), pairs["at"].to_numpy()


def _first_seen(nodes: pl.DataFrame, *pairs: tuple[_Ints, _Ints, _Ints]) -> _Ints:
    if "first_seen" in nodes.columns:
        known = nodes["first_seen"].cast(_TIME).to_physical().fill_null(_NEVER).to_numpy().copy()
    else:
        known = np.full(nodes.height, _NEVER)
    for strong, weak, at in pairs:
        np.minimum.at(known, strong, at)
        np.minimum.at(known, weak, at)
    return known


def _blocks(nodes: int, *pairs: tuple[_Ints, _Ints, _Ints]) -> _Ints:
    strong = np.concatenate([pair[0] for pair in pairs])
    weak = np.concatenate([pair[1] for pair in pairs])
    graph: Any = coo_array((np.ones(len(strong), dtype=np.int8), (strong, weak)), shape=(nodes, nodes))
    _, labels = connected_components(graph, directed=False)
    return np.asarray(labels, dtype=np.int64)


def _part(labels: _Ints, ranks: _Ints, pairs: tuple[tuple[_Ints, _Ints, _Ints], ...]) -> _Ints:
    """Return labels in which every block that something parts has been joined again in the exact order."""
    (strong, weak, at), (low, high, alias_at), (one, other, _) = pairs
    accounts = np.bincount(labels[ranks == ACCOUNT_RANK], minlength=len(labels))
    contested = accounts > 1
    contested[labels[one][labels[one] == labels[other]]] = True
    touched = np.flatnonzero(contested[labels])
    if not len(touched):
        return labels
    clusters = Clusters(
        (node for node in touched.tolist() if ranks[node] == ACCOUNT_RANK),
        zip(one.tolist(), other.tolist(), strict=True),
    )
    for edge in _ordered((high, low, alias_at), contested[labels[low]]):
        clusters.alias(int(low[edge]), int(high[edge]))
    for edge in _ordered((weak, strong, at, ranks[weak]), contested[labels[strong]]):
        clusters.link(int(strong[edge]), int(weak[edge]))
    parted = labels.copy()
    # Labels of contested blocks are beyond all others: the number of nodes plus the node that stands for the cluster.
    parted[touched] = [len(labels) + clusters.find(node) for node in touched.tolist()]
    return parted


def _ordered(keys: tuple[_Ints, ...], chosen: npt.NDArray[np.bool_]) -> list[int]:
    """Return the positions that are chosen, sorted by the last key first."""
    positions = np.flatnonzero(chosen)
    order: list[int] = positions[np.lexsort(tuple(key[positions] for key in keys))].tolist()
    return order


def _anchors(labels: _Ints, ranks: _Ints, first_seen: _Ints) -> _Ints:
    """Return for every node the lowest (rank, first_seen, ident_key) of its cluster."""
    nodes = np.arange(len(labels))
    order = np.lexsort((nodes, first_seen, ranks, labels))
    _, starts, inverse = np.unique(labels[order], return_index=True, return_inverse=True)
    anchors = np.empty(len(labels), dtype=np.int64)
    anchors[order] = order[starts][inverse]
    return anchors
