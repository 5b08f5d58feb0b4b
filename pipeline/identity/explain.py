"""
Why two identifiers are one customer, or what keeps them apart: the shortest chain of links and aliases between them.

The rule owned here: of all chains the one with the fewest obstacles is told, of these the shortest, of these the first
by (rank of the weaker end, first_seen, keys). A chain without obstacles exists exactly if both are one customer,
because a customer is what live links and aliases join; a property test holds that against the clusters.
"""

from dataclasses import dataclass
from heapq import heappop, heappush

from pipeline.identity.causes import Edge, Evidence, Obstacle


@dataclass(frozen=True, slots=True)
class Step:
    """One link or alias of a chain, walked from `one` to `other`; without obstacles it joins them."""

    one: bytes
    other: bytes
    edge: Edge
    obstacles: tuple[Obstacle, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    The answer about two identifiers.

    Attributes:
        is_same: Whether they are one customer.
        steps: The chain from the first to the second; empty where nothing connects them, or they are identical.
        said_apart: What else keeps the two customers apart, whether or not a chain exists: an unlink between them.
    """

    is_same: bool
    steps: tuple[Step, ...]
    said_apart: tuple[Obstacle, ...] = ()


def explain(one: bytes, other: bytes, evidence: Evidence) -> Explanation:
    """
    Explain two identifiers.

    Args:
        one: The first identifier.
        other: The second.
        evidence: Both must be in it, with their customers, and whatever may connect them.

    Returns:
        Whether they are one customer, and the chain that says so or would if nothing stood in its way.
    """
    customers = evidence.customers
    steps = chain(one, other, evidence)
    is_same = customers[one] == customers[other]
    told = {obstacle.said for step in steps for obstacle in step.obstacles}
    unlink = None if is_same else evidence.unlink_between(customers[one], customers[other])
    said_apart = () if unlink is None or unlink in told else tuple(evidence.apart(customers[one], customers[other])[:1])
    return Explanation(is_same, steps, said_apart)


def chain(one: bytes, other: bytes, evidence: Evidence) -> tuple[Step, ...]:
    """Return the chain from one identifier to another; empty where there is none."""
    towards = towards_source(other, evidence)
    steps = []
    here = one
    while (edge := towards.get(here)) is not None:
        steps.append(Step(here, edge.other(here), edge, tuple(evidence.obstacles(edge))))
        here = edge.other(here)
    return tuple(steps) if here == other else ()


def towards_source(source: bytes, evidence: Evidence) -> dict[bytes, Edge]:
    """
    Find the best way to one identifier from everywhere.

    Returns:
        For each identifier that is connected to the source, the edge that its way to the source begins with.
    """
    around: dict[bytes, list[tuple[int, Edge]]] = {}
    for edge in sorted(evidence.edges(), key=lambda edge: _place(edge, evidence)):
        cost = len(evidence.obstacles(edge)[:1])
        around.setdefault(edge.a, []).append((cost, edge))
        around.setdefault(edge.b, []).append((cost, edge))
    towards: dict[bytes, Edge] = {}
    done: set[bytes] = set()
    waiting: list[tuple[int, int, int, bytes, Edge | None]] = [(0, 0, 0, source, None)]
    met = 0
    while waiting:
        obstacles, hops, _, here, came = heappop(waiting)
        if here in done:
            continue
        done.add(here)
        if came is not None:
            towards[here] = came
        for cost, edge in around.get(here, ()):
            if edge.other(here) not in done:
                met += 1
                heappush(waiting, (obstacles + cost, hops + 1, met, edge.other(here), edge))
    return towards


def _place(edge: Edge, evidence: Evidence) -> tuple[object, ...]:
    """Return the place of an edge in the order of joining: aliases first."""
    return (not edge.is_alias, evidence.kinds[edge.b], edge.at, edge.a, edge.b)
