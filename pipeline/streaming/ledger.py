"""
The ledger's entries of one batch: which identifiers changed their customer, by which touchpoint, under which rule.

Only identifiers whose customer differs from their winning row cost more than the comparison. Nearly all of them are
new, or were joined: their cause is a link or an alias on the shortest way to their new anchor, the first one that
leads out of their former customer. The others were parted, or their customer took another name
(`pipeline.streaming.ledger_parted`). A cause is a function of the snapshot, not of the order of arrival.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from pipeline.config import IdentitySettings
from pipeline.identity.causes import Rule, Said, statements_said, withdrawals_of
from pipeline.streaming.closure import Closure
from pipeline.streaming.ledger_causes import Causes
from pipeline.streaming.ledger_parted import note_parted
from pipeline.streaming.stitch_port import StitchStore

_Ints = npt.NDArray[np.int64]
UNKNOWN_EVENT: Final = bytes(16)
_COLUMNS: Final = ("version", "rules_version", "kind", "ident_key", "customer_uid", "cause_event_uid", "rule")


def ledger_entries(
    former: pl.DataFrame,
    rows: pl.DataFrame,
    facts: pl.DataFrame,
    blocks: Closure,
    store: StitchStore,
    settings: IdentitySettings,
) -> pl.DataFrame:
    """
    Make the entries of whole customers.

    Args:
        former: ident_key, customer_uid of the winning rows, read before these are written; rows may repeat.
        rows: New rows of `stitched` (whole customers), with version and rules_version.
        facts: The touchpoints of their identifiers.
        blocks: What the customers were made from.
        store: Read only, and only where the facts at hand do not tell.
        settings: The caps.

    Returns:
        Rows of `identity_ledger`; none where nobody's customer changed.
    """
    known = rows.select("ident_key", "kind", "customer_uid", "shared", "version", "rules_version").join(
        former.select("ident_key", before="customer_uid").unique("ident_key"), on="ident_key", how="left"
    )
    changed = known.filter(pl.col("before").ne_missing(pl.col("customer_uid")))
    causes = Causes(facts, blocks.said, store)
    if not changed.is_empty():
        affected = known.join(changed.select("customer_uid").unique(), on="customer_uid", how="semi")
        rest = _note_joined(affected, blocks, causes)
        if not rest.is_empty():
            note_parted(rest, known, store, settings, causes)
    return changed.join(causes.found(), on="ident_key", how="left").select(
        pl.col("cause_event_uid").fill_null(UNKNOWN_EVENT),
        pl.col("rule").fill_null(Rule.UNEXPLAINED.value),
        *(pl.col(name) for name in _COLUMNS[:5]),
    )


def _note_joined(affected: pl.DataFrame, blocks: Closure, causes: Causes) -> pl.DataFrame:
    """Note the causes of identifiers that are new or were joined to others; return the changed ones that are left."""
    nodes = affected.sort("kind", "ident_key").with_row_index("node").with_columns(pl.col("node").cast(pl.Int64))
    edges = _edges(nodes, blocks)
    is_changed = nodes["before"].ne_missing(nodes["customer_uid"])
    came_from, leads_to = _ways_out(nodes, edges)
    is_joined = (leads_to >= 0) & ~nodes["shared"].to_numpy()
    is_new = (leads_to < 0) & nodes["before"].is_null().to_numpy() & ~nodes["shared"].to_numpy()
    ways = pl.DataFrame({"node": nodes["node"], "from": came_from, "to": leads_to})
    joined = ways.filter(is_changed & pl.Series(is_joined)).select(
        "node", a_node=pl.min_horizontal("from", "to"), b_node=pl.max_horizontal("from", "to")
    )
    by_edge = joined.join(edges, on=["a_node", "b_node"]).join(nodes.select("node", "ident_key"), on="node")
    causes.note_aliases(by_edge.filter("is_alias"))
    linked = by_edge.filter(~pl.col("is_alias"))
    reopened = _reopened(affected, blocks)
    if reopened:
        linked = _note_reopened(linked, nodes, reopened, causes)
    causes.note_links(linked.with_columns(rule=pl.lit(Rule.LINKED.value)))
    causes.note_firsts(
        nodes.filter(is_changed & pl.Series(is_new)).select(
            "ident_key", of="ident_key", rule=pl.lit(Rule.FIRST_SEEN.value)
        )
    )
    return nodes.filter(is_changed & ~pl.Series(is_joined | is_new)).drop("node")


def _edges(nodes: pl.DataFrame, blocks: Closure) -> pl.DataFrame:
    """Return what joins identifiers of one customer: a_node < b_node, a, b, seen, is_alias, each pair once."""
    pairs = [
        frame.select("a", "b", pl.col("first_seen").alias("seen")).with_columns(is_alias=pl.lit(value=is_alias))
        for frame, is_alias in ((blocks.statements.aliases, True), (blocks.links, False))
        if not frame.is_empty()
    ]
    if not pairs:
        pairs = [
            pl.DataFrame(
                schema={"a": pl.Binary, "b": pl.Binary, "seen": pl.Datetime("ms", "UTC"), "is_alias": pl.Boolean}
            )
        ]
    ends = nodes.select("ident_key", "node", "customer_uid")
    found = (
        pl.concat(pairs, how="vertical_relaxed")
        .join(ends.rename({"ident_key": "a", "node": "a_node"}), on="a")
        .join(ends.rename({"ident_key": "b", "node": "b_node"}), on=["b", "customer_uid"])
        .select("a_node", "b_node", "a", "b", "seen", "is_alias")
    )
    return found.unique(["a_node", "b_node"], keep="first", maintain_order=True)


def _ways_out(nodes: pl.DataFrame, edges: pl.DataFrame) -> tuple[_Ints, _Ints]:
    """
    Walk from every identifier towards its anchor, by the shortest way, until it leaves its former customer.

    Returns:
        Node where the way leaves, and the node it leads to; that is −1 where the anchor has the same former customer,
        or is the identifier itself.
    """
    root = nodes.height
    toward = _toward_anchors(nodes, edges, root)
    former = nodes.select(pl.col("before").rank("dense").fill_null(0).cast(pl.Int64)).to_series().to_numpy()
    former = np.append(former, -1)
    everybody = np.arange(root)
    # A new identifier has left already: everything before it is new to it.
    stays = (former[:-1] > 0) & (former[:-1] == former[toward])
    leaves = np.where(stays, toward, everybody)
    while True:
        further = leaves[leaves]
        if np.array_equal(further, leaves):
            break
        leaves = further
    leads_to = toward[leaves]
    return leaves, np.where(leads_to == root, -1, leads_to)


def _toward_anchors(nodes: pl.DataFrame, edges: pl.DataFrame, root: int) -> _Ints:
    """Return for every node the next one towards its anchor; `root` for the anchors themselves."""
    anchors = nodes.filter(pl.col("ident_key") == pl.col("customer_uid"))["node"].to_numpy()
    one, other = edges["a_node"].to_numpy(), edges["b_node"].to_numpy()
    begins = np.full(len(anchors), root, dtype=np.int64)
    sources, targets = np.concatenate([one, other, begins]), np.concatenate([other, one, anchors])
    graph: Any = coo_array((np.ones(len(sources), dtype=np.int8), (sources, targets)), shape=(root + 1, root + 1))
    _, before = breadth_first_order(graph.tocsr(), root, directed=True, return_predecessors=True)
    toward = before[:-1].astype(np.int64)
    return np.where(toward < 0, root, toward)


def _reopened(affected: pl.DataFrame, blocks: Closure) -> dict[frozenset[bytes], Said]:
    """Return pairs of former customers that an unlink kept apart until it was taken back, with the withdrawal."""
    withdrawn = [pair for pair in withdrawals_of(statements_said(blocks.said)) if not pair[0].is_alias]
    if not withdrawn:
        return {}
    ends = pl.DataFrame({"ident_key": [end for said, _ in withdrawn for end in (said.a, said.b)]})
    known = affected.join(ends, on="ident_key", how="semi").drop_nulls("before")
    before = dict(known.select("ident_key", "before").iter_rows())
    return {
        frozenset((before[said.a], before[said.b])): withdrawal
        for said, withdrawal in withdrawn
        if said.a in before and said.b in before
    }


def _note_reopened(
    linked: pl.DataFrame, nodes: pl.DataFrame, reopened: dict[frozenset[bytes], Said], causes: Causes
) -> pl.DataFrame:
    """Note the links that only a later withdrawal let join; return the others."""
    before = nodes["before"].to_list()
    others = []
    for row in linked.iter_rows(named=True):
        said = reopened.get(frozenset((before[row["a_node"]], before[row["b_node"]])))
        is_later = said is not None and said.at >= row["seen"]
        others.append(not is_later)
        if said is not None and is_later:
            causes.note(row["ident_key"], Rule.WITHDRAWN, said.event_uid)
    return linked.filter(pl.Series(others, dtype=pl.Boolean))
