"""Explanations agree with the clusters on adversarial graphs, and name the one fact that keeps two people apart."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import event, given, settings
from hypothesis import strategies as st

from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import KIND_RANK
from pipeline.identity.causes import Evidence, Rule
from pipeline.identity.explain import Explanation, explain
from tests.identity.graphs import Graph, graphs
from tests.oracle.identity import Caps, Link, who_is_who

START = datetime(2026, 3, 1, tzinfo=UTC)
DEFAULTS = IdentitySettings()
CAPS = Caps(**{name: getattr(DEFAULTS, name) for name in Caps.__dataclass_fields__})
TIME = pl.Datetime("ms", "UTC")


@dataclass(frozen=True)
class Told:
    """A graph with what was said and taken back again."""

    graph: Graph
    taken_back: tuple[Link, ...] = ()
    unlinks_taken_back: tuple[tuple[bytes, bytes], ...] = ()


def at(tick: int) -> datetime:
    return START + timedelta(seconds=tick)


def evidence_of(told: Told) -> Evidence:
    """Make the evidence that the warehouse would give, with the clusters of the plain implementation."""
    graph = told.graph
    seen: dict[tuple[bytes, bytes], int] = {}
    for link in graph.links:
        for pair in ((link.a, link.b), (link.b, link.a)):
            seen[pair] = min(seen.get(pair, link.at), link.at)
    rows = [
        {"ident_key": a, "kind": KIND_RANK[graph.kinds[a]], "neighbour_kind": KIND_RANK[graph.kinds[b]], "neighbour": b,
         "seen": at(tick)}
        for (a, b), tick in seen.items()
    ]  # fmt: skip
    schema: dict[str, Any] = {
        "ident_key": pl.Binary, "kind": pl.Int8, "neighbour_kind": pl.Int8, "neighbour": pl.Binary, "seen": TIME,
    }  # fmt: skip
    hoods = (
        pl.DataFrame(rows, schema=schema)
        .group_by("ident_key", "kind", "neighbour_kind")
        .agg(neighbours=pl.len(), links=pl.struct("neighbour", "seen"))
    )
    customers, _ = who_is_who(graph.kinds, graph.links, graph.aliases, graph.unlinks, graph.caps)
    kinds = {key: KIND_RANK[kind] for key, kind in graph.kinds.items()}
    caps = IdentitySettings.model_validate(asdict(graph.caps))
    return Evidence(hoods, statements_of(told), customers, kinds, caps)


def statements_of(told: Told) -> pl.DataFrame:
    said = [(link.a, link.b, 1, at(link.at), False) for link in told.graph.aliases]
    said += [(a, b, 2, at(9), False) for a, b in told.graph.unlinks]
    said += [(link.a, link.b, 1, at(link.at), True) for link in told.taken_back]
    said += [(a, b, 2, at(9), True) for a, b in told.unlinks_taken_back]
    rows: list[tuple[object, ...]] = []
    for number, (a, b, statement, when, is_withdrawn) in enumerate(said):
        one = (statement, "crm", f"s{number}", when, bytes([number]), b"")
        rows += [(a, b, "", *one), (b, a, "", *one)]
        if is_withdrawn:
            back = (statement, "crm", f"w{number}", at(20), bytes([100 + number]), b"")
            rows += [(b, a, f"s{number}", *back), (a, b, f"s{number}", *back)]
    schema: dict[str, Any] = {
        "a": pl.Binary, "b": pl.Binary, "withdraws": pl.String, "statement": pl.Int8, "source": pl.String,
        "event_id": pl.String, "occurred_at": TIME, "event_uid": pl.Binary, "content_version": pl.Binary,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


@settings(max_examples=60, deadline=None)
@given(graphs(), st.data())
def test_explain_says_same_exactly_where_the_clusters_say_so(graph: Graph, data: st.DataObject) -> None:
    """Every pair: same customer, a chain without obstacles, and one customer_uid are the same thing."""
    accounts = [key for key, kind in graph.kinds.items() if kind == "customer_id"]
    back: tuple[Link, ...] = ()
    unlinked_back: tuple[tuple[bytes, bytes], ...] = ()
    keys = list(graph.kinds)
    if len(accounts) > 1 and data.draw(st.booleans()):
        said = {frozenset((link.a, link.b)) for link in graph.aliases}
        back = () if frozenset(accounts[:2]) in said else (Link(accounts[0], accounts[1], 1),)
    if len(keys) > 1 and data.draw(st.booleans()):
        unlinked_back = ((keys[0], keys[1]),)
    evidence = evidence_of(Told(graph, back, unlinked_back))
    customers, shared = who_is_who(graph.kinds, graph.links, graph.aliases, graph.unlinks, graph.caps)
    for one in keys:
        for other in keys:
            found = explain(one, other, evidence)
            assert found.is_same == (customers[one] == customers[other])
            assert_is_a_chain(found, one, other)
            blocked = [obstacle for step in found.steps for obstacle in step.obstacles]
            event(f"same: {found.is_same}, steps: {min(len(found.steps), 4)}")
            for obstacle in blocked:
                event(obstacle.rule)
            if found.is_same:
                assert not blocked
                assert found.steps or one == other
            else:
                assert blocked or not found.steps
            assert Rule.UNEXPLAINED not in {obstacle.rule for obstacle in blocked}
            for obstacle in blocked:
                if obstacle.rule is Rule.SHARED:
                    assert obstacle.crossing is not None
                    assert obstacle.crossing.key in shared
                    assert obstacle.crossing.neighbours > obstacle.crossing.cap


def assert_is_a_chain(found: Explanation, one: bytes, other: bytes) -> None:
    here = one
    for step in found.steps:
        assert step.one == here
        assert {step.edge.a, step.edge.b} == {step.one, step.other}
        here = step.other
    assert here == other or not found.steps


def named(**kinds: str) -> dict[bytes, str]:
    return {name.encode().ljust(16, b"."): kind for name, kind in kinds.items()}


def key(name: str) -> bytes:
    return name.encode().ljust(16, b".")


def told(kinds: dict[bytes, str], *links: tuple[str, str]) -> Told:
    return Told(Graph(kinds, [Link(key(a), key(b), n) for n, (a, b) in enumerate(links)], [], [], CAPS))


def test_the_shortest_chain_is_told() -> None:
    kinds = named(u="customer_id", e="email", c="cookie_id", d="device_id", o="order_id")
    story = told(kinds, ("u", "e"), ("e", "c"), ("e", "d"), ("u", "o"), ("u", "c"))
    found = explain(key("o"), key("c"), evidence_of(story))
    assert [step.other for step in found.steps] == [key("u"), key("c")]


def test_a_shared_identifier_is_named_with_its_cap_and_the_link_that_was_one_too_many() -> None:
    kinds = named(u="customer_id", v="customer_id", w="customer_id", k="cookie_id")
    story = told(kinds, ("u", "k"), ("w", "k"), ("v", "k"))
    found = explain(key("u"), key("v"), evidence_of(story))
    assert not found.is_same
    assert [len(step.obstacles) for step in found.steps] == [1, 1]
    crossing = found.steps[0].obstacles[0].crossing
    assert crossing is not None
    assert (crossing.key, crossing.neighbours, crossing.cap, crossing.link.a) == (key("k"), 3, 1, key("w"))


def test_two_accounts_are_named() -> None:
    kinds = named(u="customer_id", v="customer_id", e="email")
    found = explain(key("e"), key("v"), evidence_of(told(kinds, ("u", "e"), ("v", "e"))))
    assert [(o.rule, o.accounts) for step in found.steps for o in step.obstacles] == [
        (Rule.TWO_ACCOUNTS, (key("u"), key("v")))
    ]


def test_an_unlink_is_named_also_where_nothing_else_connects_them() -> None:
    kinds = named(u="customer_id", v="customer_id", e="email")
    connected = told(kinds, ("u", "e"))
    said = replace(connected, graph=replace(connected.graph, unlinks=[(key("u"), key("e"))]))
    assert [o.rule for step in explain(key("u"), key("e"), evidence_of(said)).steps for o in step.obstacles] == [
        Rule.UNLINKED
    ]
    alone = replace(connected, graph=replace(connected.graph, unlinks=[(key("u"), key("v"))]))
    found = explain(key("e"), key("v"), evidence_of(alone))
    assert (found.steps, [obstacle.rule for obstacle in found.said_apart]) == ((), [Rule.UNLINKED])


def test_a_withdrawn_alias_is_named_with_its_withdrawal() -> None:
    story = replace(told(named(u="customer_id", v="customer_id")), taken_back=(Link(key("u"), key("v"), 3),))
    (step,) = explain(key("u"), key("v"), evidence_of(story)).steps
    said = step.obstacles[0].said
    assert (step.obstacles[0].rule, said is not None and said.event_id) == (Rule.WITHDRAWN, "w0")


def test_nothing_connects_strangers_and_everybody_is_the_same_as_himself() -> None:
    evidence = evidence_of(told(named(u="customer_id", v="customer_id")))
    assert explain(key("u"), key("v"), evidence) == Explanation(is_same=False, steps=())
    assert explain(key("u"), key("u"), evidence) == Explanation(is_same=True, steps=())


def test_a_blocklisted_value_is_named() -> None:
    """It landed before it was put on the list."""
    from pipeline.identity.blocklist import blocked_keys

    blocked = blocked_keys(DEFAULTS).to_list()
    kinds = {key("u"): "customer_id", key("v"): "customer_id"} | dict.fromkeys(blocked[:1], "cookie_id")
    graph = Graph(kinds, [Link(key("u"), blocked[0], 0)], [], [], CAPS)
    evidence = evidence_of(Told(graph))
    evidence.customers = {**evidence.customers, blocked[0]: blocked[0]}
    (step,) = explain(key("u"), blocked[0], evidence).steps
    assert [(o.rule, o.blocked) for o in step.obstacles] == [(Rule.BLOCKLISTED, blocked[0])]
