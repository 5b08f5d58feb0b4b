"""
Who, where and under which consent: what a message of the Segment wire format tells beside its properties.

The rule owned here: what is absent or of another type than usual is passed over; whether somebody is named at all is
judged later, as for any touchpoint.
"""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.contracts.types import touchpoint_types
from pipeline.producers.segment.fitting import find, text_of

_CAMPAIGN: Final = {
    "source": "utm_source",
    "medium": "utm_medium",
    "name": "utm_campaign",
    "term": "utm_term",
    "content": "utm_content",
}
_APP_DEVICES: Final = ("ios", "android")


def identities_of(message: Mapping[str, Any], kind: str) -> list[dict[str, str]]:
    """
    Return who is named: the account, the contacts among the traits, the browser or device.

    Args:
        message: The message.
        kind: Its kind. The traits of a group are the group's: they name nobody.
    """
    found = [("customer_id", message.get("userId"))]
    own = message.get("traits") if kind != "group" else None
    traits = [each for each in (own, find(message, "context.traits")) if isinstance(each, dict)]
    for contact in ("email", "phone"):
        found += [(contact, each[contact]) for each in traits if isinstance(each.get(contact), str | int)]
    found.append(("device_id" if _is_app(message) else "cookie_id", message.get("anonymousId")))
    identities = []
    for named, value in found:
        text = text_of(value)
        identity = {"kind": named, "value": text.strip() if text else ""}
        if identity["value"] and identity not in identities:
            identities.append(identity)
    return identities


def context_of(message: Mapping[str, Any], told: Mapping[str, str]) -> dict[str, str]:
    """Return the circumstances; what the properties tell of the page beats what the context does."""
    given = message.get("context")
    context: Mapping[str, Any] = given if isinstance(given, dict) else {}
    found: dict[str, object] = {
        "url": find(context, "page.url"),
        "referrer": find(context, "page.referrer"),
        "title": find(context, "page.title"),
        "user_agent": context.get("userAgent"),
        "ip": context.get("ip"),
        "locale": context.get("locale"),
    }
    campaign = context.get("campaign")
    if isinstance(campaign, dict):
        found |= {ours: campaign.get(theirs) for theirs, ours in _CAMPAIGN.items()}
    return {name: value for name, value in {**found, **told}.items() if isinstance(value, str) and value}


def consent_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the customer agreed to, as Segment's and as RudderStack's consent managers tell it."""
    segment = find(message, "context.consent.categoryPreferences")
    found = {name: granted for name, granted in segment.items() if type(granted) is bool} if _is_table(segment) else {}
    for names, granted in (("allowedConsentIds", True), ("deniedConsentIds", False)):
        told = find(message, f"context.consentManagement.{names}")
        if isinstance(told, list):
            found |= {name: granted for name in told if isinstance(name, str) and name}
    return [{"purpose": name, "granted": granted} for name, granted in found.items()]


def channel_of(message: Mapping[str, Any], type_name: str) -> str | None:
    """Return `app` for what an app sent, where the type would else count as of the web."""
    is_of_the_web = touchpoint_types()[type_name].channel == "web"
    return "app" if is_of_the_web and (_is_app(message) or message.get("channel") == "mobile") else None


def _is_app(message: Mapping[str, Any]) -> bool:
    device = find(message, "context.device.type")
    return isinstance(device, str) and device.lower() in _APP_DEVICES


def _is_table(value: object) -> bool:
    return isinstance(value, dict)
