"""What a statement about identity would change, and what was sent: as JSON and as a table."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from rich.table import Table
from rich.text import Text

from pipeline.cli.identity_statements import Draft
from pipeline.cli.output import table
from pipeline.contracts.kinds import KINDS
from pipeline.streaming.ledger_preview import Portrait, Preview

Json = dict[str, Any]
_COUNTS = ("touchpoints", "visits", "journeys", "orders", "pain_points")
_TOLD = ("touchpoints", "journeys", "orders", "pain_points")


def preview_json(drafted: Draft, found: Preview, names: Mapping[bytes, str]) -> Json:
    """Return what would change as one JSON object."""
    return {
        "sent": False,
        "touchpoint": {name: value for name, value in drafted.touchpoint.items() if name != "id"},
        "changes": bool(found.before or found.after),
        "before": [_portrait(portrait, names) for portrait in found.before],
        "after": [_portrait(portrait, names) for portrait in found.after],
    }


def preview_lines(answer: Json) -> Iterator[Text | Table]:
    """Yield what would change, for a person."""
    if not answer["changes"]:
        yield Text("nothing would change: who is who stays as it is", style="yellow")
        return
    for when, title in (("before", "as it is"), ("after", "as it would be")):
        rows = [
            (
                portrait["customer_uid"],
                ", ".join(portrait["named"]) or "–",
                ", ".join(
                    kind if number == 1 else f"{kind} ×{number}" for kind, number in portrait["known_by"].items()
                ),
                *(portrait[name] for name in _TOLD),
            )
            for portrait in answer[when]
        ]
        headings = [name.replace("_", " ") for name in _TOLD]
        yield table(title, ["customer", "of", "known by", *headings], rows, right=headings)
        yield Text()
    yield Text("a dry run: nothing was sent", style="dim")


def _portrait(portrait: Portrait, names: Mapping[bytes, str]) -> Json:
    return {
        "customer_uid": str(UUID(bytes=portrait.customer_uid)),
        "named": [name for key, name in names.items() if key in portrait.identifiers],
        "known_by": dict(Counter(KINDS[kind] for kind in portrait.kinds)),
        **{name: getattr(portrait, name) for name in _COUNTS},
    }
