"""
What a touchpoint tells between the lines, for the few addresses and programs that the generated histories use.

Deliberately not a second table of the world's sites and browsers: whatever is not known here raises, so that a history
that grows beyond it is noticed and not guessed.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

DESKTOP = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4 Mobile/15E148 Safari/604.1"
)
PROGRAMS = {
    "": ("", "", False),
    DESKTOP: ("Chrome", "desktop", False),
    PHONE: ("Mobile Safari", "mobile", False),
}
SITES = {"google.com": "Organic Search", "instagram.com": "Organic Social", "partner.example": "Referral"}
TAGGED = {("google", "cpc"): "Paid Search", ("newsletter", "email"): "Email"}
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
INTERACTIVE = ("web", "app", "chat", "bot")


def told(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return utm fields, referrer_domain, channel_group, user_agent_family, device_class and is_bot."""
    context = event["context"] or {}
    url, referrer = context.get("url") or "", context.get("referrer") or ""
    query = parse_qs(urlsplit(url).query)
    found = {name: context.get(name) or query.get(name, [""])[0] for name in UTM}
    family, device_class, is_bot = PROGRAMS[context.get("user_agent") or ""]
    domain = (urlsplit(referrer).hostname or "").removeprefix("www.")
    own = (urlsplit(url).hostname or "").removeprefix("www.")
    abroad = "" if domain == own else domain
    if not (url or referrer or any(found.values()) or event["channel"] in INTERACTIVE):
        group = ""
    elif found["utm_source"]:
        group = TAGGED[found["utm_source"], found["utm_medium"]]
    else:
        group = SITES[abroad] if abroad else "Direct"
    return {
        **found,
        "referrer_domain": domain,
        "channel_group": group,
        "user_agent_family": family,
        "device_class": device_class,
        "is_bot": is_bot,
    }
