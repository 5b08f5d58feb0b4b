"""
Which channel group brought a visitor: Paid Search, Organic Social, Email, Referral or Direct.

The rules are those of Google Analytics 4's default channel group (support.google.com/analytics/answer/9756891), in its
order, because analysts compare with it; "Unassigned" is called Other. Where no utm says the source and the medium, they
follow from the referrer as they do there: a search engine is organic, a known network social, another site a referral.
Two things are ours: a click id of an advert network stands for source and medium, and a visitor from webmail is Email.
A referrer of the own site says nothing about where somebody came from.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pipeline.enrichment.sites import SiteKind, kind_of_host, kind_of_source

_PAID = re.compile(r".*cp.*|ppc|retargeting|paid.*", re.DOTALL)
_SHOPPING_CAMPAIGN = re.compile(r".*(([^a-df-z]|^)shop|shopping).*", re.DOTALL)
_DISPLAY = frozenset(("display", "banner", "expandable", "interstitial", "cpm"))
_SOCIAL = frozenset(("social", "social-network", "social-media", "sm", "social network", "social media"))
_EMAIL = frozenset(("email", "e-mail", "e_mail", "e mail"))
_REFERRAL = frozenset(("referral", "app", "link"))
_UNSET = frozenset(("", "(none)", "(not set)"))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a visitor came from, in lower case."""

    source: str
    medium: str
    campaign: str
    site: SiteKind

    @property
    def is_paid(self) -> bool:
        """The medium is one that is paid for."""
        return _PAID.fullmatch(self.medium) is not None

    @property
    def is_shopping(self) -> bool:
        """The site or the campaign is about shopping."""
        return self.site == "shopping" or _SHOPPING_CAMPAIGN.fullmatch(self.campaign) is not None


_RULES: tuple[tuple[str, Callable[[Origin], bool]], ...] = (
    ("Direct", lambda it: it.source in ("", "(direct)") and it.medium in _UNSET and not it.campaign),
    ("Cross-network", lambda it: "cross-network" in it.campaign),
    ("Paid Shopping", lambda it: it.is_paid and it.is_shopping),
    ("Paid Search", lambda it: it.is_paid and it.site == "search"),
    ("Paid Social", lambda it: it.is_paid and it.site == "social"),
    ("Paid Video", lambda it: it.is_paid and it.site == "video"),
    ("Display", lambda it: it.medium in _DISPLAY),
    ("Paid Other", lambda it: it.is_paid),
    ("Organic Shopping", lambda it: it.is_shopping),
    ("Organic Social", lambda it: it.site == "social" or it.medium in _SOCIAL),
    ("Organic Video", lambda it: it.site == "video" or "video" in it.medium),
    ("Email", lambda it: it.source in _EMAIL or it.medium in _EMAIL or it.site == "mail"),
    ("Organic Search", lambda it: it.site == "search" or it.medium == "organic"),
    ("Affiliates", lambda it: it.medium in ("affiliate", "affiliates")),
    ("Referral", lambda it: it.medium in _REFERRAL),
    ("Audio", lambda it: it.medium == "audio"),
    ("SMS", lambda it: "sms" in (it.source, it.medium)),
    (
        "Mobile Push Notifications",
        lambda it: (
            it.source == "firebase"
            or it.medium.endswith("push")
            or "mobile" in it.medium
            or "notification" in it.medium
        ),
    ),
)

OTHER = "Other"
"""Group of what no rule takes."""

CHANNEL_GROUPS: tuple[str, ...] = (*(name for name, _ in _RULES), OTHER)
"""Every channel group, in the order in which the rules are tried."""

# Parameters that advert networks add to the links of paid clicks, and what such a click is.
_CLICK_IDS = {
    "gclid": ("google", "cpc"),
    "gbraid": ("google", "cpc"),
    "wbraid": ("google", "cpc"),
    "msclkid": ("bing", "cpc"),
    "dclid": ("google", "display"),
    "ttclid": ("tiktok", "cpc"),
}

CLICK_IDS: tuple[str, ...] = tuple(_CLICK_IDS)
"""Query parameters that mark a paid click."""


@lru_cache(maxsize=8_192)
def channel_group(source: str, medium: str, campaign: str, referrer_domain: str, click_id: str) -> str:
    """
    Return the channel group of one combination of where a visitor came from.

    Args:
        source: utm_source, empty where there is none.
        medium: utm_medium, the same.
        campaign: utm_campaign, the same.
        referrer_domain: Host of another site's page that led here, empty where there is none.
        click_id: One of CLICK_IDS that the link carries, or empty.
    """
    origin = _origin_of(source.strip().lower(), medium.strip().lower(), referrer_domain, click_id)
    origin = Origin(origin.source, origin.medium, campaign.strip().lower(), origin.site)
    return next((name for name, holds in _RULES if holds(origin)), OTHER)


def _origin_of(source: str, medium: str, referrer_domain: str, click_id: str) -> Origin:
    if source:
        return Origin(source, medium, "", kind_of_source(source))
    if click_id in _CLICK_IDS:
        source, network_medium = _CLICK_IDS[click_id]
        return Origin(source, medium or network_medium, "", kind_of_source(source))
    site = kind_of_host(referrer_domain) if referrer_domain else ""
    if not medium and referrer_domain and not site:
        medium = "referral"
    return Origin(referrer_domain, medium, "", site)
