"""
The explanation of two identifiers with the touchpoints behind it, as data.

Who is who is computed from the facts by the rules that are active, as STITCH does it; the views may be seconds behind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import polars as pl

from pipeline.config import Settings
from pipeline.contracts.kinds import KINDS
from pipeline.identity.causes import Edge, Evidence, Obstacle, Rule, Said
from pipeline.identity.explain import Explanation, Step, explain
from pipeline.streaming.ledger_evidence import Gathered, gather
from pipeline.warehouse.connection import connect
from pipeline.warehouse.results import StitchStore
from pipeline.warehouse.rules import RulesBook
from pipeline.warehouse.rules_document import settings_of

Json = dict[str, Any]


def open_active(settings: Settings) -> tuple[StitchStore, Settings]:
    """Return the warehouse as STITCH sees it, and the settings with the rules that the views show."""
    client = connect(settings.clickhouse)
    book = RulesBook(client)
    active = book.version(book.active())
    if active is not None:
        settings = settings if active.document is None else settings_of(active.document, settings)
        stitching = settings.stitching.model_copy(update={"rules_version": active.number})
        settings = settings.model_copy(update={"stitching": stitching})
    return StitchStore(client, settings.stitching.rules_version, settings.stitching.sweep_margin), settings


@dataclass
class Facts:
    """
    The answer about two identifiers, with its touchpoints.

    Attributes:
        explanation: What the rules say; None where one of the two is unknown.
        gathered: What was read for it.
        touchpoints: The touchpoint of each link that the explanation names.
    """

    explanation: Explanation | None
    gathered: Gathered
    touchpoints: Mapping[Edge, Json] = field(default_factory=dict)

    def as_json(self, names: Mapping[bytes, str]) -> Json:
        """Return the answer as one JSON object; `names` are the identifiers as they were typed."""
        evidence = self.gathered.evidence
        told: Json = {
            "same": bool(self.explanation and self.explanation.is_same),
            "identifiers": [
                {**_identifier(key, evidence, names), "customer_uid": _uuid(evidence.customers.get(key))}
                for key in names
            ],
            "unknown": [names[key] for key in names if key in self.gathered.unknown],
            "dropped": [],
            "chain": [],
            "apart": [],
        }
        if self.explanation is not None:
            told["chain"] = [self._step(step, names) for step in self.explanation.steps]
            told["apart"] = [self._obstacle(obstacle, names) for obstacle in self.explanation.said_apart]
            told["looked_at"] = self.gathered.looked_at
            told["is_whole"] = self.gathered.is_whole
        return told

    def _step(self, step: Step, names: Mapping[bytes, str]) -> Json:
        evidence = self.gathered.evidence
        said = evidence.statement_of(step.edge) if step.edge.is_alias else None
        return {
            "from": _identifier(step.one, evidence, names),
            "to": _identifier(step.other, evidence, names),
            "rule": Rule.ALIASED if step.edge.is_alias else Rule.LINKED,
            "joins": not step.obstacles,
            "touchpoint": _statement(said) if said else self.touchpoints.get(step.edge),
            "obstacles": [self._obstacle(obstacle, names) for obstacle in step.obstacles],
        }

    def _obstacle(self, obstacle: Obstacle, names: Mapping[bytes, str]) -> Json:
        evidence = self.gathered.evidence
        told: Json = {"rule": obstacle.rule}
        if obstacle.crossing is not None:
            crossing = obstacle.crossing
            told["identifier"] = _identifier(crossing.key, evidence, names)
            told["linked_to"] = {"kind": KINDS[crossing.neighbour_kind], "number": crossing.neighbours}
            told["cap"] = crossing.cap
            told["touchpoint"] = self.touchpoints.get(crossing.link)
        if obstacle.said is not None:
            told["touchpoint"] = _statement(obstacle.said)
            told["between"] = [_identifier(key, evidence, names) for key in (obstacle.said.a, obstacle.said.b)]
        if obstacle.accounts is not None:
            told["accounts"] = [_identifier(key, evidence, names) for key in obstacle.accounts]
        if obstacle.blocked is not None:
            told["identifier"] = _identifier(obstacle.blocked, evidence, names)
        return told


def find_facts(one: bytes, other: bytes, store: StitchStore, active: Settings) -> Facts:
    """Read and explain two identifiers under the rules that are active (`open_active`)."""
    gathered = gather(one, other, store, active.identity)
    if gathered.unknown:
        return Facts(None, gathered)
    explanation = explain(one, other, gathered.evidence)
    return Facts(explanation, gathered, link_touchpoints(_links_of(explanation), store))


def link_touchpoints(links: Iterable[Edge], store: StitchStore) -> dict[Edge, Json]:
    """Find the touchpoints of links."""
    links = list(dict.fromkeys(links))
    if not links:
        return {}
    pairs = pl.DataFrame(
        {
            "subject": [link.a for link in links],
            "other": [link.b for link in links],
            "seen": [link.at for link in links],
        },
        schema_overrides={"seen": pl.Datetime("ms", "UTC")},
    )
    found = {(row["subject"], row["other"]): row for row in store.link_touchpoints(pairs).iter_rows(named=True)}
    return {link: _touchpoint(found[link.a, link.b]) for link in links if (link.a, link.b) in found}


def _links_of(explanation: Explanation) -> Iterable[Edge]:
    for step in explanation.steps:
        if not step.edge.is_alias:
            yield step.edge
        yield from (obstacle.crossing.link for obstacle in step.obstacles if obstacle.crossing is not None)


def _touchpoint(row: Mapping[str, Any]) -> Json:
    return {
        "event_uid": _uuid(row["event_uid"]),
        "event_id": row["event_id"],
        "source": row["source"],
        "type": row["type"],
        "occurred_at": _time(row["occurred_at"]),
    }


def _statement(said: Said) -> Json:
    return {
        "event_uid": _uuid(said.event_uid),
        "event_id": said.event_id,
        "source": said.source,
        "type": "identity.aliased" if said.is_alias else "identity.unlinked",
        "occurred_at": _time(said.at),
    }


def _identifier(key: bytes, evidence: Evidence, names: Mapping[bytes, str]) -> Json:
    named = {"as": names[key]} if key in names else {}
    kind = KINDS[evidence.kinds[key]] if key in evidence.kinds else names[key].partition(":")[0]
    return {"kind": kind, "ident_key": _uuid(key), **named}


def _uuid(key: bytes | None) -> str | None:
    return None if key is None else str(UUID(bytes=key))


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
