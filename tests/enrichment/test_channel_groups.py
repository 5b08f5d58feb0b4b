"""Channel groups: Google Analytics 4's rules, case by case."""

import pytest

from pipeline.enrichment.channel_groups import CHANNEL_GROUPS, OTHER, channel_group
from pipeline.enrichment.sites import kind_of_host, kind_of_source


@pytest.mark.parametrize(
    ("source", "medium", "campaign", "referrer", "click", "group"),
    [
        ("", "", "", "", "", "Direct"),
        ("(direct)", "(none)", "", "", "", "Direct"),
        ("google", "cpc", "Cross-Network brand", "", "", "Cross-network"),
        ("google", "cpc", "summer shopping", "", "", "Paid Shopping"),
        ("google", "cpc", "shop", "", "", "Paid Shopping"),
        ("google", "cpc", "bishop", "", "", "Paid Search"),
        ("google", "cpc", "workshop", "", "", "Paid Search"),
        ("google", "cpc", "eshop", "", "", "Paid Shopping"),
        ("google", "cpc", "spring", "", "", "Paid Search"),
        ("Google", "CPC", "", "", "", "Paid Search"),
        ("bing", "ppc", "", "", "", "Paid Search"),
        ("adwords", "paidsearch", "", "", "", "Paid Search"),
        ("facebook", "paid_social", "", "", "", "Paid Social"),
        ("ig", "cpc", "", "", "", "Paid Social"),
        ("youtube", "cpv-cpc", "", "", "", "Paid Video"),
        ("amazon", "cpc", "", "", "", "Paid Shopping"),
        ("adnetwork", "banner", "", "", "", "Display"),
        ("adnetwork", "cpm", "", "", "", "Display"),
        ("adnetwork", "cpc", "", "", "", "Paid Other"),
        ("adnetwork", "retargeting", "", "", "", "Paid Other"),
        ("amazon", "", "", "", "", "Organic Shopping"),
        ("facebook", "", "", "", "", "Organic Social"),
        ("partner", "social-media", "", "", "", "Organic Social"),
        ("partner", "video", "", "", "", "Organic Video"),
        ("newsletter", "email", "", "", "", "Email"),
        ("email", "", "", "", "", "Email"),
        ("google", "organic", "", "", "", "Organic Search"),
        ("partner", "affiliate", "", "", "", "Affiliates"),
        ("partner", "affiliates", "", "", "", "Affiliates"),
        ("partner", "referral", "", "", "", "Referral"),
        ("podcast", "audio", "", "", "", "Audio"),
        ("sms", "", "", "", "", "SMS"),
        ("crm", "web-push", "", "", "", "Mobile Push Notifications"),
        ("firebase", "", "", "", "", "Mobile Push Notifications"),
        ("qr", "poster", "", "", "", "Other"),
        ("", "", "spring", "", "", "Other"),
        ("", "", "", "google.com", "", "Organic Search"),
        ("", "", "", "google.co.uk", "", "Organic Search"),
        ("", "", "", "duckduckgo.com", "", "Organic Search"),
        ("", "", "", "l.facebook.com", "", "Organic Social"),
        ("", "", "", "t.co", "", "Organic Social"),
        ("", "", "", "m.youtube.com", "", "Organic Video"),
        ("", "", "", "mail.google.com", "", "Email"),
        ("", "", "", "reviews.example", "", "Referral"),
        ("", "", "", "google.com", "gclid", "Paid Search"),
        ("", "", "", "", "msclkid", "Paid Search"),
        ("", "", "", "", "dclid", "Display"),
        ("", "", "", "", "ttclid", "Paid Social"),
        ("newsletter", "email", "", "google.com", "gclid", "Email"),
        ("", "cpc", "", "google.com", "", "Paid Search"),
    ],
)
def test_groups(source: str, medium: str, campaign: str, referrer: str, click: str, group: str) -> None:
    assert channel_group(source, medium, campaign, referrer, click) == group
    assert group in CHANNEL_GROUPS


def test_groups_are_named_once_and_other_is_last() -> None:
    assert len(CHANNEL_GROUPS) == len(set(CHANNEL_GROUPS))
    assert CHANNEL_GROUPS[-1] == OTHER


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("google.de", "search"),
        ("google.com.br", "search"),
        ("images.google.co.jp", "search"),
        ("notgoogle.com", ""),
        ("google.evil.example", ""),
        ("mail.google.com", "mail"),
        ("old.reddit.com", "social"),
        ("com.linkedin.android", "social"),
        ("localhost", ""),
        ("x.com", "social"),
        ("netflix.com", "video"),
        ("", ""),
        (".", ""),
    ],
)
def test_sites_are_known_by_their_host(host: str, kind: str) -> None:
    assert kind_of_host(host) == kind


def test_sources_are_known_by_name_or_host() -> None:
    assert kind_of_source("fb") == "social"
    assert kind_of_source("google.com") == "search"
    assert kind_of_source("newsletter") == ""
