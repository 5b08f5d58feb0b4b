"""Touchpoints in words: what happened and the details that matter, for one line of a timeline."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from pipeline.cli.output import money, span
from pipeline.contracts.currencies import currency_exponent
from pipeline.contracts.types import touchpoint_types

# Domains that the channel says already, or that the verb says better alone.
_SILENT_DOMAINS = frozenset({"web", "app", "support", "usage", "ui"})
# Machine-made values that tell a reader nothing.
_SILENT_FIELDS = frozenset(
    {"agent_id", "text_hash", "subject_hash", "thread_id", "tracking_no", "scale_min", "scale_max", "scale",
     "content_group", "dwell_ms", "trigger_event_id", "x", "y", "depth_pct", "public_reply", "case_id",
     "cause_event_id", "content_id", "creative", "form_id", "a", "b"}
)  # fmt: skip
LONGEST_TEXT = 60


def name_type(type_name: str) -> str:
    """Return a type as words: `support.call_ended` → `call ended`."""
    domain, _, verb = type_name.partition(".")
    words = verb.replace("_", " ")
    return words if domain in _SILENT_DOMAINS else f"{domain} {words}"


def describe(row: dict[str, Any]) -> str:
    """Return the details of a touchpoint (a row of v_touchpoints): its own fields, page and money."""
    said = [_page(row)] if row.get("url") else []
    known = touchpoint_types().get(row["type"])
    domain = row["type"].partition(".")[0]
    for name in known.body if known else ():
        value = row.get(name, row.get(f"{domain}_{name}"))
        if name not in _SILENT_FIELDS and value not in (None, "", []):
            said.append(_phrase(name, value, row))
    if row.get("amount_minor") is not None:
        said.append(_amount(row["amount_minor"], row["currency"]))
    if row["channel"] == "web" and not said and row.get("order_id"):
        said.append(f"order {row['order_id']}")
    return ", ".join(part for part in said if part)


def counted(number: int, thing: str) -> str:
    """Return a number of things: `1 order`, `2 orders`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def amounts(revenue: dict[str, int]) -> str:
    """Return a map of currency → minor units as people write it."""
    return " + ".join(_amount(minor, currency) for currency, minor in revenue.items())


def parse_time(text: str) -> datetime:
    """Read a time as the views give it (UTC)."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _amount(minor: int, currency: str) -> str:
    exponent = currency_exponent(currency)
    return money(minor, currency, 2 if exponent is None else exponent)


def _page(row: dict[str, Any]) -> str:
    parts = urlsplit(row["url"])
    return _short(parts.path or "/")


def _phrase(name: str, value: object, row: dict[str, Any]) -> str:
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"not {words}"
    if name.endswith("_s") and isinstance(value, int | float):
        return f"{words[:-2]} {span(timedelta(seconds=value))}"
    if name.endswith(("_at", "_until", "_from", "eta")) and isinstance(value, str):
        return f"{words.removesuffix(' at')} {parse_time(value):%-d %b %H:%M}"
    if isinstance(value, list):
        return counted(len(value), words.removesuffix("s"))
    if name == "instrument":
        return str(value).upper() if len(str(value)) <= 4 and value not in ("star", "text") else str(value)
    if name == "party":
        return f"by {value}"
    if name == "score":
        scale = row.get("scale_max")
        return f"score {value:g}" + (f" of {scale:g}" if scale else "") if isinstance(value, int | float) else ""
    if isinstance(value, float):
        return f"{words} {value:g}"
    return _short(str(value)) if name in ("query", "status", "name", "product", "comment") else f"{words} {value}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
