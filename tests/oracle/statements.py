"""What was said about identity and still holds, read from the contract line by line."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.oracle.identity import Link


@dataclass(frozen=True)
class Statement:
    """
    One content of one `identity.*` touchpoint.

    Attributes:
        event_uid: The touchpoint.
        rank: Decides between several contents of it.
        is_alias: identity.aliased, else identity.unlinked.
        a: One identifier.
        b: The other.
        source: Who said it.
        event_id: Its id there.
        withdraws: Id of the statement that it takes back; empty: it states.
        at: When it was said.
    """

    event_uid: bytes
    rank: tuple[int, bytes]
    is_alias: bool
    a: bytes
    b: bytes
    source: str
    event_id: str
    withdraws: str
    at: int


def holding(said: Iterable[Statement]) -> tuple[list[Link], list[tuple[bytes, bytes]]]:
    """Return the aliases and the unlinks that hold."""
    true: dict[bytes, Statement] = {}
    for statement in said:
        known = true.get(statement.event_uid)
        if known is None or statement.rank > known.rank:
            true[statement.event_uid] = statement
    taken_back = {
        (statement.source, statement.is_alias, frozenset((statement.a, statement.b)), statement.withdraws)
        for statement in true.values()
        if statement.withdraws
    }
    standing = [
        statement
        for statement in true.values()
        if not statement.withdraws
        and (statement.source, statement.is_alias, frozenset((statement.a, statement.b)), statement.event_id)
        not in taken_back
    ]
    aliases = [Link(statement.a, statement.b, statement.at) for statement in standing if statement.is_alias]
    unlinks = [(statement.a, statement.b) for statement in standing if not statement.is_alias]
    return aliases, unlinks
