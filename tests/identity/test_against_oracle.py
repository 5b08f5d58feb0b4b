"""The fast identity rules give the plain implementation's answer on small adversarial graphs."""

from dataclasses import asdict, replace
from random import Random

from hypothesis import event, given, settings
from hypothesis import strategies as st

from pipeline.config import IdentitySettings
from tests.identity.graphs import Graph, answer, graphs
from tests.oracle.identity import Link, who_is_who


def rules_of(graph: Graph) -> IdentitySettings:
    return IdentitySettings.model_validate(asdict(graph.caps))


@settings(max_examples=250, deadline=None)
@given(graphs())
def test_same_customers_and_same_shared_identifiers(graph: Graph) -> None:
    expected = who_is_who(graph.kinds, graph.links, graph.aliases, graph.unlinks, graph.caps)
    event(f"customers of several: {len(set(expected[0].values())) < len(graph.kinds)}, shared: {bool(expected[1])}")
    assert answer(graph, rules_of(graph)) == expected


@settings(max_examples=60, deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(graph: Graph, random: Random) -> None:
    links = graph.links * 2
    random.shuffle(links)
    turned = [Link(link.b, link.a, link.at) if random.random() < 0.5 else link for link in links]
    kinds = list(graph.kinds.items())
    random.shuffle(kinds)
    unlinks = [pair[::-1] for pair in graph.unlinks]
    shuffled = replace(graph, kinds=dict(kinds), links=turned, aliases=graph.aliases[::-1], unlinks=unlinks)
    assert answer(shuffled, rules_of(graph)) == answer(graph, rules_of(graph))


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_no_customer_has_two_accounts_without_an_alias_nor_a_pair_kept_apart(graph: Graph) -> None:
    customers, shared = answer(graph, rules_of(graph))
    for one, other in graph.unlinks:
        assert customers[one] != customers[other]
    aliased = {frozenset((alias.a, alias.b)) for alias in graph.aliases}
    accounts = [key for key, kind in graph.kinds.items() if kind == "customer_id"]
    if not aliased:
        assert len({customers[account] for account in accounts}) == len(accounts)
    assert all(customers[key] == key for key in shared)
