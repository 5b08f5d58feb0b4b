"""Small adversarial identity graphs, and the fast path over them as the STITCH agent runs it."""

from dataclasses import dataclass

import polars as pl
from hypothesis import strategies as st

from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import KIND_RANK
from pipeline.identity.cluster import cluster, first_seen_of
from pipeline.identity.links import judge, live_links
from tests.oracle.identity import Caps, Link

KINDS_DRAWN = (
    "customer_id",
    "customer_id",
    "loyalty_id",
    "email",
    "phone",
    "order_id",
    "device_id",
    "cookie_id",
    "other",
)
TIME = pl.Datetime("ms", "UTC")


@dataclass(frozen=True)
class Graph:
    """Identifiers, what links them, what was said about them, and the caps."""

    kinds: dict[bytes, str]
    links: list[Link]
    aliases: list[Link]
    unlinks: list[tuple[bytes, bytes]]
    caps: Caps


def _link(pair: tuple[bytes, bytes], at: int) -> Link:
    return Link(pair[0], pair[1], at)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw a graph in which ties in time, caps just reached and contradicting statements are common."""
    numbers = draw(st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=12, unique=True))
    keys = [number.to_bytes(16, "big") for number in numbers]
    kinds = {key: draw(st.sampled_from(KINDS_DRAWN)) for key in keys}
    pairs = st.tuples(st.sampled_from(keys), st.sampled_from(keys)).filter(lambda pair: pair[0] != pair[1])
    times = st.integers(0, 3)
    accounts = [key for key in keys if kinds[key] == "customer_id"]
    several = len(keys) > 1
    links = draw(st.lists(st.builds(_link, pairs, times), max_size=24)) if several else []
    aliases = []
    if len(accounts) > 1:
        of_accounts = st.tuples(st.sampled_from(accounts), st.sampled_from(accounts)).filter(lambda p: p[0] != p[1])
        aliases = draw(st.lists(st.builds(_link, of_accounts, times), max_size=3))
    unlinks = draw(st.lists(pairs, max_size=3)) if several else []
    small = st.sampled_from([1, 2, 3, 100])
    caps = Caps(**{name: draw(small) for name in Caps.__dataclass_fields__})
    return Graph(kinds, links, aliases, unlinks, caps)


def pairs_frame(links: list[Link]) -> pl.DataFrame:
    """Return the links as a frame, in both directions."""
    rows = [(a, b, link.at) for link in links for a, b in ((link.a, link.b), (link.b, link.a))]
    schema = {"a": pl.Binary, "b": pl.Binary, "first_seen": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("first_seen").cast(TIME))


def degrees(links: pl.DataFrame) -> pl.DataFrame:
    """Count distinct neighbours by kind, as the warehouse does."""
    return links.group_by(ident_key="a", kind="a_kind", neighbour_kind="b_kind").agg(neighbours=pl.col("b").n_unique())


def answer(graph: Graph, settings: IdentitySettings) -> tuple[dict[bytes, bytes], set[bytes]]:
    """Run the fast path; return the customer of every identifier, and which are shared."""
    ranks = pl.DataFrame(
        {"ident_key": list(graph.kinds), "kind": [KIND_RANK[kind] for kind in graph.kinds.values()]},
        schema={"ident_key": pl.Binary, "kind": pl.Int8},
    )
    links = pairs_frame(graph.links)
    for end in ("a", "b"):
        links = links.join(ranks.rename({"ident_key": end, "kind": f"{end}_kind"}), on=end)
    judgement = judge(degrees(links), settings)
    aliases = pairs_frame(graph.aliases)
    is_shared = pl.col("ident_key").is_in(judgement.shared["ident_key"].implode())
    identifiers = ranks.join(first_seen_of(links, aliases), on="ident_key", how="left").with_columns(shared=is_shared)
    unlinks = pl.DataFrame(graph.unlinks, schema={"a": pl.Binary, "b": pl.Binary}, orient="row")
    found = cluster(identifiers, live_links(links, judgement), aliases, unlinks)
    customers = dict(zip(found["ident_key"], found["customer_uid"], strict=True))
    return customers, set(found.filter("shared")["ident_key"])
