"""
Export files of customer data platforms: their messages, one JSON object a line.

The rule it owns: Segment's and RudderStack's messages are read as the collector reads them; an event of PostHog is
first put into the form of such a message. What they mean is told by the same tables.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from pipeline.contracts.reasons import Problem
from pipeline.producers.importing import Made, Translate
from pipeline.producers.segment import Sender, to_touchpoint

FORMATS: Final = ("segment", "rudderstack", "posthog")
"""Platforms whose exports are read."""

# PostHog's own events by the kind of message that says the same.
_POSTHOG_KINDS: Final = {
    "$pageview": "page",
    "$screen": "screen",
    "$identify": "identify",
    "$create_alias": "alias",
    "$groupidentify": "group",
}
_POSTHOG_PAGE: Final = {"url": "$current_url", "title": "title", "referrer": "$referrer"}
_POSTHOG_UTM: Final = ("source", "medium", "campaign", "term", "content")
_POSTHOG_DEVICES: Final = {"posthog-ios": {"type": "ios"}, "posthog-android": {"type": "android"}}
# What a PostHog client sends to keep its own house; nobody's contact.
_POSTHOG_SKIPPED: Final = frozenset({"$pageleave", "$feature_flag_called", "$set", "$web_vitals", "$snapshot"})


def translator(form: str, sender: Sender, clock: Callable[[], int]) -> Translate:
    """
    Return the reader of an export's lines.

    Args:
        form: One of FORMATS.
        sender: Source of the touchpoints and what names mean.
        clock: Gives the moment of the receipt, epoch milliseconds: the time of a message that has none.
    """

    def translate(row: object) -> Iterator[Made | Problem]:
        message = row
        if form == "posthog" and isinstance(row, Mapping) and isinstance(row.get("event"), str):
            if row["event"] in _POSTHOG_SKIPPED:
                return
            message = _from_posthog(row)
        yield to_touchpoint(message, sender, clock())

    return translate


def _from_posthog(row: Mapping[str, Any]) -> dict[str, Any]:
    """Put an event of PostHog into the form of a message."""
    name = row["event"]
    properties = row.get("properties")
    if isinstance(properties, str):  # as its table in a warehouse has them
        try:
            properties = orjson.loads(properties)
        except orjson.JSONDecodeError:
            properties = {"properties": properties}
    properties = properties if isinstance(properties, dict) else {}
    kind = _POSTHOG_KINDS.get(name, "track")
    message: dict[str, Any] = {
        "type": kind,
        "event": name,
        "messageId": row.get("uuid") or properties.get("$insert_id"),
        "timestamp": row.get("timestamp"),
        **_posthog_ids(row, properties, kind),
        "context": _posthog_context(properties),
        "properties": {key: value for key, value in properties.items() if not key.startswith("$")},
    }
    if kind == "screen":
        message["name"] = properties.get("$screen_name")
    if kind in ("identify", "group"):
        traits = properties.get("$set" if kind == "identify" else "$group_set")
        message["traits"] = traits if isinstance(traits, dict) else {}
        message["groupId"] = properties.get("$group_key")
    return {key: value for key, value in message.items() if value is not None}


def _posthog_ids(row: Mapping[str, Any], properties: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Tell an account from a device: a distinct_id that is the device's own is anonymous."""
    distinct = row.get("distinct_id") or properties.get("distinct_id")
    device = properties.get("$device_id")
    if kind == "alias":
        return {"userId": distinct, "previousId": properties.get("alias")}
    if kind == "identify":
        return {"userId": distinct, "anonymousId": properties.get("$anon_distinct_id") or device}
    is_anonymous = distinct == device or properties.get("$is_identified") is False
    if is_anonymous:
        return {"anonymousId": distinct}
    return {"userId": properties.get("$user_id") or distinct, "anonymousId": device}


def _posthog_context(properties: Mapping[str, Any]) -> dict[str, Any]:
    page = {name: properties.get(key) for name, key in _POSTHOG_PAGE.items()}
    campaign = {name: properties.get(f"utm_{name}") for name in _POSTHOG_UTM}
    campaign["name"] = campaign.pop("campaign")
    context = {
        "page": {name: value for name, value in page.items() if value is not None and value != "$direct"},
        "campaign": {name: value for name, value in campaign.items() if value is not None},
        "userAgent": properties.get("$raw_user_agent"),
        "sessionId": properties.get("$session_id"),
        "traits": properties.get("$set"),
        "device": _POSTHOG_DEVICES.get(str(properties.get("$lib"))),
    }
    return {name: value for name, value in context.items() if value}
