"""
Which links join anybody (CONTRACT: Identifiers, «Shared»).

The rule owned here: a link is dead when one of its ends is shared, or has too many neighbours of the other end's kind.
That depends on the neighbours of its two ends only, counted over all links, dead ones and withdrawn merges included.
"""

from dataclasses import dataclass

import polars as pl

from pipeline.config import IdentitySettings
from pipeline.identity.rules import cap_table


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    What the caps say about a set of identifiers.

    Attributes:
        shared: ident_key of those that link nobody.
        dead: (ident_key, neighbour_kind): links of that identifier to that kind join nobody.
        crossed: ident_key, neighbour_kind, cap, all_kinds: every cap that was crossed, and whether crossing it kills
            the links to all kinds (the identifier is shared) or just those to that kind.
    """

    shared: pl.DataFrame
    dead: pl.DataFrame
    crossed: pl.DataFrame


def neighbourhoods(links: pl.DataFrame) -> pl.DataFrame:
    """
    Group the links of identifiers by the kind of the other end.

    Args:
        links: ident_key, kind, neighbour, neighbour_kind, seen; each once.

    Returns:
        ident_key, kind, neighbour_kind, neighbours (how many), first_seen, links (list of {neighbour, seen}).
    """
    return links.group_by("ident_key", "kind", "neighbour_kind").agg(
        neighbours=pl.len(), first_seen=pl.col("seen").min(), links=pl.struct("neighbour", "seen")
    )


def judge(degrees: pl.DataFrame, settings: IdentitySettings) -> Judgement:
    """
    Apply the caps.

    Args:
        degrees: One row per (ident_key Binary, kind Int8, neighbour_kind Int8) with neighbours, the number of
            distinct neighbours of that kind over all links.
        settings: The limits.

    Returns:
        The verdicts on the identifiers of `degrees`; who is not in it has none.
    """
    kinds = pl.col("kind", "neighbour_kind").cast(pl.Int8)
    beyond = (
        degrees.with_columns(kinds)
        .join(cap_table(settings), on=["kind", "neighbour_kind"])
        .filter(pl.col("neighbours").cast(pl.Int64) > pl.col("most"))
    )
    return Judgement(
        shared=beyond.filter("shares").select("ident_key").unique(maintain_order=True),
        dead=beyond.filter(~pl.col("shares")).select("ident_key", "neighbour_kind").unique(maintain_order=True),
        crossed=beyond.select(
            "ident_key", "neighbour_kind", cap=pl.col("most").cast(pl.UInt32), all_kinds=pl.col("shares")
        ),
    )


def live_links(links: pl.DataFrame, judgement: Judgement) -> pl.DataFrame:
    """
    Drop the links that join nobody.

    Args:
        links: a, b (Binary), a_kind, b_kind (Int8) and any further columns; in one direction or in both.
        judgement: Verdicts on *both* ends of every link; a missing verdict reads as «no cap crossed».

    Returns:
        The links that are left, columns and order unchanged.
    """
    live = links
    for end, other in (("a", "b"), ("b", "a")):
        if judgement.shared.height:
            live = live.join(judgement.shared, left_on=end, right_on="ident_key", how="anti", maintain_order="left")
        if judgement.dead.height:
            live = live.join(
                judgement.dead,
                left_on=[end, f"{other}_kind"],
                right_on=["ident_key", "neighbour_kind"],
                how="anti",
                maintain_order="left",
            )
    return live
