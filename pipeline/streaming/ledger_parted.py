"""
Why identifiers left their customer, or why it took another name: the part of the ledger that has to read more.

A customer is parted when something on the way between two of its former members no longer joins them. Its former
members stand on its anchor's row; what connects them now, dead links and withdrawn aliases too, is read for them
alone, and the first obstacle on the best way to the former anchor is the cause (`pipeline.identity.causes`).
"""

from typing import Any, Final

import polars as pl

from pipeline.config import IdentitySettings
from pipeline.identity.causes import Edge, Evidence, Obstacle, Rule
from pipeline.identity.explain import towards_source
from pipeline.identity.links import neighbourhoods
from pipeline.streaming.ledger_causes import Causes
from pipeline.streaming.stitch_port import StitchStore

# Beyond this many former members the reads would hold up the batch for seconds; the entries then say «unexplained».
_MOST_MEMBERS: Final = 100_000
_LINK: Final[dict[str, Any]] = {
    "ident_key": pl.Binary,
    "rule": pl.String,
    "a": pl.Binary,
    "b": pl.Binary,
    "seen": pl.Datetime("ms", "UTC"),
}

_Blocked = tuple[Obstacle, Edge]
"""An obstacle, and the link or alias that it keeps from joining."""


def note_parted(
    rest: pl.DataFrame, identities: pl.DataFrame, store: StitchStore, settings: IdentitySettings, causes: Causes
) -> None:
    """
    Note the causes of identifiers that no link or alias explains.

    Args:
        rest: ident_key, kind, customer_uid, shared, before: those to explain.
        identities: ident_key, kind, customer_uid of everybody in the batch.
        store: Read only.
        settings: The caps.
        causes: Takes what is found.
    """
    former = rest["before"].drop_nulls().unique().rename("ident_key")
    members = store.former_members(former) if len(former) else pl.DataFrame(schema={"ident_key": pl.Binary})
    keys = (
        pl.concat([members["ident_key"], former, rest["ident_key"], rest["customer_uid"]]).unique().rename("ident_key")
    )
    if len(keys) > _MOST_MEMBERS:
        return
    evidence = _evidence(keys, identities, store, settings)
    for (before,), group in rest.group_by("before", maintain_order=True):
        towards = {} if before is None else towards_source(before, evidence)
        blocking: dict[bytes, _Blocked | None] = {}
        for key, customer in group.select("ident_key", "customer_uid").iter_rows():
            if crossings := evidence.crossings(key):
                _note_link(key, Rule.SHARED, crossings[0].link, causes)
            elif key in evidence.blocked:
                causes.note_firsts(_first(key, key, Rule.BLOCKLISTED))
            elif before is not None and evidence.customers.get(before) == customer:
                causes.note_firsts(_first(key, customer, Rule.SEEN_EARLIER))
            elif before is not None and (blocked := _first_obstacle(key, before, towards, evidence, blocking)):
                _note_obstacle(key, *blocked, causes)


def _evidence(keys: pl.Series, identities: pl.DataFrame, store: StitchStore, settings: IdentitySettings) -> Evidence:
    """Read all that connects identifiers; whoever is not in the batch is still who it was, so not of its customers."""
    hoods, statements = neighbourhoods(store.links(keys)), store.statements(keys)
    customers = {key: key for key in keys.to_list()}
    kinds = dict(hoods.select("ident_key", "kind").iter_rows())
    mine = identities.join(keys.to_frame(), on="ident_key", how="semi")
    for key, kind, customer in mine.select("ident_key", "kind", "customer_uid").iter_rows():
        customers[key], kinds[key] = customer, kind
    kinds.update(statements.select("a", "a_kind").iter_rows())
    return Evidence(hoods, statements, customers, kinds, settings)


def _first_obstacle(
    key: bytes, before: bytes, towards: dict[bytes, Edge], evidence: Evidence, known: dict[bytes, _Blocked | None]
) -> _Blocked | None:
    """Return what stands first in the way to the former anchor; the way is walked once for all who share it."""
    walked = []
    here: bytes = key
    found: _Blocked | None = None
    while here != before and here in towards and here not in known:
        walked.append(here)
        edge = towards[here]
        if obstacles := evidence.obstacles(edge):
            found = obstacles[0], edge
            break
        here = edge.other(here)
    else:
        found = known.get(here)
    known.update(dict.fromkeys(walked, found))
    return found


def _note_obstacle(key: bytes, obstacle: Obstacle, edge: Edge, causes: Causes) -> None:
    if obstacle.crossing is not None:
        _note_link(key, obstacle.rule, obstacle.crossing.link, causes)
    elif obstacle.said is not None:
        causes.note(key, obstacle.rule, obstacle.said.event_uid)
    elif not edge.is_alias:
        _note_link(key, obstacle.rule, edge, causes)


def _note_link(key: bytes, rule: Rule, link: Edge, causes: Causes) -> None:
    row = (key, rule.value, link.a, link.b, link.at)
    causes.note_links(pl.DataFrame([row], schema=_LINK, orient="row"))


def _first(key: bytes, of: bytes, rule: Rule) -> pl.DataFrame:
    return pl.DataFrame({"ident_key": [key], "of": [of], "rule": [rule.value]})
