"""
From touchpoints as JSON to facts: who they are about, what they link, what they say about identity.

Every content that was ever sent counts for links; which content of a touchpoint is true is decided where it is used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.contracts.schemas import body_fields
from pipeline.contracts.touchpoint import parse_touchpoint
from pipeline.contracts.types import FAMILIES
from tests.oracle.identity import RANKS, Link
from tests.oracle.naming import Naming
from tests.oracle.origins import told
from tests.oracle.statements import Statement
from tests.oracle.stories import Touchpoint

NO_BODY = dict.fromkeys(name for family in FAMILIES for name in body_fields(family))
ID_KINDS = ("order_id", "shipment_id", "return_id", "ticket_id", "conversation_id", "subscription_id")
REFS = (*ID_KINDS, "survey_id", "campaign")
TEXTS = ("url", "referrer", "title", "locale")
STATEMENTS = ("identity.aliased", "identity.unlinked")


@dataclass
class Facts:
    """
    What was sent.

    Attributes:
        touchpoints: Every content of every touchpoint, each once.
        kinds: Kind of every identifier that is a subject, an end of a link, or a side of a statement.
        links: Who was seen with whom.
        statements: Every content of every statement.
        rejected: How many touchpoints were refused.
    """

    touchpoints: dict[tuple[bytes, tuple[int, bytes]], Touchpoint] = field(default_factory=dict)
    kinds: dict[bytes, str] = field(default_factory=dict)
    links: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    rejected: int = 0

    def seen_together(self) -> list[Link]:
        """Return the links."""
        return [Link(subject, other, at) for (subject, other), at in self.links.items()]


def facts_of(events: Iterable[Mapping[str, Any]], naming: Naming) -> Facts:
    """Read touchpoints in their JSON form; what is no touchpoint is counted."""
    facts = Facts()
    known: dict[tuple[str, str], bytes | None] = {}

    def key_of(kind: str, value: str) -> bytes | None:
        if (kind, value) not in known:
            known[kind, value] = naming.ident_key(kind, value)
        return known[kind, value]

    for sent in events:
        event = parse_touchpoint(sent)
        if isinstance(event, list):
            facts.rejected += 1
            continue
        given = [(identity["kind"], identity["value"]) for identity in event["identities"]]
        given += [(kind, event["refs"][kind]) for kind in ID_KINDS if event["refs"] and event["refs"].get(kind)]
        named = {(RANKS.index(kind), key) for kind, value in given if (key := key_of(kind, value)) is not None}
        sides = [key_of(**event["body"][side]) for side in "ab"] if event["type"] in STATEMENTS else []
        if not named or None in sides or (sides and sides[0] == sides[1]):
            facts.rejected += 1
            continue
        _add(facts, event, sorted(named), [side for side in sides if side is not None], naming)
    return facts


def _add(
    facts: Facts, event: Mapping[str, Any], named: list[tuple[int, bytes]], sides: list[bytes], naming: Naming
) -> None:
    (rank, subject), *others = named
    uid = naming.event_uid(event["source"], event["id"], event["occurred_at"], subject)
    content_rank = naming.content_rank(event)
    facts.kinds[subject] = RANKS[rank]
    if sides:
        facts.kinds |= {side: event["body"][name]["kind"] for name, side in zip("ab", sides, strict=True)}
        facts.statements.append(
            Statement(
                event_uid=uid,
                rank=content_rank,
                is_alias=event["type"] == STATEMENTS[0],
                a=sides[0],
                b=sides[1],
                source=event["source"],
                event_id=event["id"],
                withdraws=event["withdraws"] or "",
                at=event["occurred_at"],
            )
        )
    elif not event["type"].startswith("identity."):
        for other_rank, other in others:
            facts.kinds[other] = RANKS[other_rank]
            before = facts.links.get((subject, other), event["occurred_at"])
            facts.links[subject, other] = min(before, event["occurred_at"])
    touchpoint = _touchpoint(event, sides)
    touchpoint |= {"ident_key": subject, "event_uid": uid, "content_version": content_rank, "named": named}
    facts.touchpoints.setdefault((uid, content_rank), touchpoint)


def _touchpoint(event: Mapping[str, Any], sides: list[bytes]) -> Touchpoint:
    """Flatten an event: absent texts of the envelope are ""."""
    body = dict(event["body"] or {})
    if sides:
        body |= dict(zip("ab", sides, strict=True))
    refs, context, amount = event["refs"] or {}, event["context"] or {}, event["amount"] or {}
    return {
        **body,
        "body": body,
        "side_kinds": {side: event["body"][side]["kind"] for side in "ab"} if sides else {},
        "event_id": event["id"],
        **{name: event[name] for name in ("type", "source", "occurred_at", "channel", "direction", "revision")},
        **{name: refs.get(name) or "" for name in REFS},
        **{name: context.get(name) or "" for name in TEXTS},
        "product_ids": refs.get("product_ids") or [],
        "session_id": event["session_id"] or "",
        "amount_minor": amount.get("minor"),
        "currency": amount.get("currency") or "",
        "attributes": {item["key"]: item["value"] for item in event["attributes"]},
        "consent": {item["purpose"]: item["granted"] for item in event["consent"]},
        **told(event),
    }
