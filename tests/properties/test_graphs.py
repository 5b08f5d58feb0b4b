"""The columnar identity rules say what the plain ones say, on shapes made to break one of them."""

from dataclasses import asdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import IdentitySettings
from tests.identity.graphs import Graph, answer
from tests.oracle.identity import Caps, who_is_who
from tests.properties.effort import examples
from tests.properties.shapes import CONTRACT, Shape, every_cap


def agree(graph: Graph) -> tuple[dict[bytes, bytes], set[bytes]]:
    """Hold both implementations together and return what they say."""
    settings = IdentitySettings.model_validate(asdict(graph.caps))
    expected = who_is_who(graph.kinds, graph.links, graph.aliases, graph.unlinks, graph.caps)
    found = answer(graph, settings)
    assert found[1] == expected[1]
    assert found[0] == expected[0]
    return found


def test_the_defaults_are_the_contracts_figures() -> None:
    defaults = IdentitySettings()
    assert Caps(**{name: getattr(defaults, name) for name in asdict(CONTRACT)}) == CONTRACT


def test_every_cap_up_to_fifty_at_one_below_and_one_beyond() -> None:
    graph = every_cap(50)
    customers, shared = agree(graph)
    assert shared
    assert len(set(customers.values())) > len(shared)


def test_the_cap_of_a_thousand_devices_at_one_below_and_one_beyond() -> None:
    """A thousand cookies are one customer; with one more, none of them belongs to anybody."""
    shape = Shape(Random(3))
    hubs = [shape.star("email", "cookie_id", rays) for rays in (999, 1000, 1001)]
    customers, shared = agree(shape.graph())
    sizes = [list(customers.values()).count(customers[hub]) for hub in hubs]
    assert sizes == [999 + 3, 1000 + 3, 3]
    assert not shared


CHAIN = 10_000


@pytest.mark.parametrize("accounts", [0, 1, 2])
@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "kept apart"])
def test_a_chain_of_ten_thousand(accounts: int, is_cut: bool) -> None:
    """With no more than one account, and nobody kept apart, it is one customer however long it is."""
    shape = Shape(Random(accounts))
    keys = shape.chain(["order_id", "shipment_id"] * (CHAIN // 2))
    for end in (keys[0], keys[-1])[:accounts]:
        shape.link(shape.add("customer_id"), end)
    if is_cut:
        shape.unlinks.append((keys[CHAIN // 3], keys[2 * CHAIN // 3]))
    customers, _ = agree(shape.graph())
    assert len(set(customers.values())) == (2 if is_cut or accounts == 2 else 1)


def test_cliques() -> None:
    shape = Shape(Random(1))
    shape.clique(["order_id"] * 60)
    shape.clique(["other"] * 11)
    shape.clique(["other"] * 12)
    shape.clique(["customer_id", "customer_id", "email", "phone", "cookie_id", "device_id", "loyalty_id"])
    shape.clique(["email"] * 4 + ["cookie_id"] * 4)
    agree(shape.graph())


@pytest.mark.parametrize("hub", ["cookie_id", "phone", "email", "order_id"])
def test_two_hubs_that_share_everybody(hub: str) -> None:
    shape = Shape(Random(2))
    for around in (["customer_id"] * 4, ["email"] * 7, ["order_id"] * 30, ["loyalty_id", "email"] * 2):
        shape.two_hubs(hub, around)
    agree(shape.graph())


@pytest.mark.parametrize("unlinks", [0, 1, 60])
def test_alias_chains_with_unlinks_across(unlinks: int) -> None:
    shape = Shape(Random(unlinks))
    shape.aliased_chain(200, unlinks)
    customers, _ = agree(shape.graph())
    if not unlinks:
        assert len(set(customers.values())) == 1
    for one, other in shape.unlinks:
        assert customers[one] != customers[other]


@examples(25)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 3, 50]))
def test_shapes_glued_together(seed: int, cap: int) -> None:
    """Whatever hangs together with whatever, under low caps and high ones."""
    random = Random(seed)
    shape = Shape(random)
    shape.star(random.choice(["cookie_id", "email", "customer_id"]), "phone", random.randrange(8))
    shape.chain(random.choices(["email", "cookie_id", "customer_id", "order_id", "phone"], k=12))
    shape.clique(random.choices(["order_id", "loyalty_id", "device_id", "email"], k=5))
    shape.two_hubs("cookie_id", random.choices(["customer_id", "email", "order_id"], k=4))
    shape.aliased_chain(6, random.randrange(4))
    shape.glue(random.randrange(12))
    agree(shape.graph(Caps(**{name: min(value, cap) for name, value in asdict(CONTRACT).items()})))
