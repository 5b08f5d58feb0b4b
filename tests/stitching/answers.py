"""
Fingerprints of what the program makes of a fixed story, beside the versions under which it made it.

Results that lie in a warehouse are known to be out of date by `ANSWERS` and by the versions of the pain-point rules,
and by nothing else. So whoever changes an answer must raise one of them: `answers.json` holds what was answered under
which, and `python -m tests.stitching.answers` records it anew, unless the answer changed and the version did not.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from pipeline.config import IdentitySettings
from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain import RULES
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from pipeline.warehouse.rules_document import ANSWERS
from tests.identity.graphs import KINDS_DRAWN, Graph, answer
from tests.oracle.identity import Caps, Link
from tests.stitching.facts import DAY, Fact, fact, facts_frame, identities_frame, uid
from tests.stitching.pain_facts import HOUR, NOON, matter

RECORDED = Path(__file__).with_name("answers.json")
_STITCH = StitchRules(timedelta(minutes=30), timedelta(days=30), PainPointSettings())
_MATTERS, _WALKS, _GRAPHS = 900, 150, 150
_PAIN = "pain_points."
_WALKED = (
    *("web.page_viewed", "product.viewed", "support.chat_message", "support.call_ended", "survey.answered"),
    *("order.placed", "order.cancelled", "delivery.shipped", "delivery.delivered", "return.requested", "refund.issued"),
)

Prints = dict[str, str]
Record = Mapping[str, Any]


def record_now() -> dict[str, Any]:
    """Return what is answered now: a print of what is told, and of each part of the answer with its version."""
    facts = [*_matters(), *_walks()]
    graphs = [_graph(Random(f"graph {number}")) for number in range(_GRAPHS)]
    told = print_of((facts, [(graph.kinds, graph.links, graph.aliases, graph.unlinks, graph.caps) for graph in graphs]))
    subjects = sorted({one["ident_key"] for one in facts})
    # Every second subject is a cookie of the one before it.
    owner = {who: uid(int.from_bytes(who) & ~1) for who in subjects}
    everybody = sorted({*subjects, *owner.values()})
    identities = [(who, 0 if who == owner.get(who, who) else 13, owner.get(who, who)) for who in everybody]
    made = _prints(stitch(facts_frame(facts), identities_frame(identities), _STITCH))
    clusters = [answer(graph, IdentitySettings.model_validate(asdict(graph.caps))) for graph in graphs]
    made["identity"] = print_of([(sorted(customers.items()), sorted(shared)) for customers, shared in clusters])
    return {"told": told, "made": {name: [version_of(name), made[name]] for name in sorted(made)}}


def version_of(part: str) -> str:
    """Return under which version a part of the answer is made."""
    versions = {f"{_PAIN}{rule.kind}": rule.version for rule in RULES}
    return f"{ANSWERS}.{versions[part]}" if part in versions else str(ANSWERS)


def unversioned(recorded: Record, now: Record) -> list[str]:
    """Return the parts that are answered in another way than recorded, under the same version."""
    if recorded["told"] != now["told"]:
        return []
    was, made = recorded["made"], now["made"]
    changed = [name for name in sorted({*was, *made}) if was.get(name) != made.get(name)]
    versions = {version for version, _ in was.values() if "." not in version}
    # A part that came or went is a change of everything that is stored.
    return [name for name in changed if (was[name][0] if name in was else max(versions)) == version_of(name)]


def print_of(value: object) -> str:
    """Return a short print of plain values."""
    return blake2b(repr(value).encode(), digest_size=12).hexdigest()


def _prints(rows: pl.DataFrame) -> Prints:
    parts: dict[str, list[str]] = {}
    for column in rows.columns:
        first = column.partition("_")[0]
        parts.setdefault(first if first in ("step", "visit", "journey", "trade", "pain") else "customer", []).append(
            column
        )
    named = parts.pop("pain")
    pains = rows.select(named).explode(*named).drop_nulls("pain_kind").drop("pain_rule_version")
    frames = {f"{name}s" if name != "trade" else name: rows.select(columns) for name, columns in parts.items()}
    frames |= {f"{_PAIN}{rule.kind}": pains.filter(pl.col("pain_kind") == rule.kind) for rule in RULES}
    return {name: print_of((list(frame.schema.items()), frame.rows())) for name, frame in frames.items()}


def _matters() -> list[Fact]:
    facts = []
    for number in range(_MATTERS):
        random = Random(f"matter {number}")
        facts += matter(random, [uid(2 * number), uid(2 * number + 1)], number << 8)
    return facts


def _walks() -> list[Fact]:
    facts = []
    for number in range(_WALKS):
        random = Random(f"walk {number}")
        pair, at = 2 * (_MATTERS + number), NOON
        for _ in range(random.randint(1, 12)):
            at += random.choice((0, 1, 60_000, HOUR // 2, HOUR // 2 + 1, DAY, 30 * DAY, 30 * DAY + 1))
            fields = {
                "channel": random.choice(("web", "app", "bot", "phone", "email")),
                "url": random.choice(("", "https://shop.example/a", "https://shop.example/b")),
                "channel_group": random.choice(("", "Direct", "Paid Search")),
                "utm_source": random.choice(("", "news")),
                "utm_medium": random.choice(("", "cpc")),
                "utm_campaign": random.choice(("", "spring")),
                "order_id": random.choice(("", "o-1", "o-2")),
                "shipment_id": random.choice(("", "s-1")),
                "amount_minor": random.choice((None, 1, 1999)),
                "currency": random.choice(("EUR", "JPY")),
                "promised_delivery_at": random.choice((None, NOON + DAY)),
                "ordered_products": random.choice(([], ["p-1"], ["p-1", "p-2"])),
            }
            name, who = uid(random.getrandbits(100)), uid(pair + random.randint(0, 1))
            facts.append(fact(who, 0, at, random.choice(_WALKED), **fields, event_uid=name))
            if random.random() < 0.1:
                facts.append(facts[-1] | {"content_version": uid(2), "channel": "store"})
    return facts


def _graph(random: Random) -> Graph:
    keys = [random.getrandbits(128).to_bytes(16, "big") for _ in range(random.randint(2, 12))]
    kinds = {key: random.choice(KINDS_DRAWN) for key in keys}
    accounts = [key for key in keys if kinds[key] == "customer_id"]

    def linked(among: list[bytes], most: int) -> list[Link]:
        pairs = [random.sample(among, 2) for _ in range(random.randint(0, most))]
        return [Link(one, other, random.randint(0, 3)) for one, other in pairs]

    aliases = linked(accounts, 3) if len(accounts) > 1 else []
    caps = Caps(**{name: random.choice((1, 2, 3, 100)) for name in Caps.__dataclass_fields__})
    return Graph(kinds, linked(keys, 24), aliases, [(link.a, link.b) for link in linked(keys, 3)], caps)


def main() -> int:
    """Record what is answered now; refuse where an answer changed under the same version."""
    now = record_now()
    recorded = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {"told": ""}
    if forgotten := unversioned(recorded, now):
        sys.stderr.write(f"not recorded: raise the version of {', '.join(forgotten)} first\n")
        return 1
    RECORDED.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    if recorded["told"] != now["told"]:
        sys.stderr.write("the story itself has changed, so its answers were compared with nothing\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
