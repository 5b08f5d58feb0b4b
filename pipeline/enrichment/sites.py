"""
Well-known sites that send visitors, by what they are: search, social, video, shopping, mail.

A site is known by its host (with all subdomains) or, in `utm_source`, by its name. The lists are short on purpose: the
sites that send nearly all visitors. A site that is not here counts as a referral, which is true as well.
"""

from functools import lru_cache
from typing import Literal

SiteKind = Literal["search", "social", "video", "shopping", "mail", ""]
"""What a site is; empty where it is not known."""

# Names stand for the host under any suffix (google.de, google.co.uk) and for the utm_source of that name.
_NAMES: dict[SiteKind, str] = {
    "search": "google bing yahoo duckduckgo ecosia baidu yandex qwant startpage naver seznam sogou daum ask aol "
    "swisscows",
    "social": "facebook instagram linkedin pinterest twitter reddit tiktok snapchat threads tumblr quora vkontakte "
    "weibo xing whatsapp telegram mastodon bluesky",
    "video": "youtube vimeo twitch dailymotion bilibili disneyplus netflix",
    "shopping": "amazon ebay etsy aliexpress walmart shopify zalando idealo rakuten mercadolivre mercadolibre alibaba",
}

# Names that senders write in utm_source and that are no host.
_SHORT_NAMES: dict[SiteKind, str] = {
    "search": "adwords googleads google-ads bingads bing-ads microsoft-ads",
    "social": "fb ig insta meta x li vk wa facebook-ads instagram-ads meta-ads linkedin-ads",
    "video": "yt youtube-ads",
    "shopping": "google-shopping googleshopping",
}

_HOSTS: dict[SiteKind, str] = {
    "search": "search.brave.com mojeek.com so.com com.google.android.googlequicksearchbox r.search.yahoo.com",
    "social": "t.co x.com lnkd.in fb.me fb.com redd.it vk.com ok.ru pin.it bsky.app mastodon.social threads.net t.me "
    "wa.me com.facebook.katana com.instagram.android com.linkedin.android com.pinterest com.reddit.frontpage "
    "news.ycombinator.com",
    "video": "youtu.be",
    "shopping": "amzn.to shop.app shopping.google.com",
    "mail": "mail.google.com mail.yahoo.com outlook.live.com outlook.office.com outlook.office365.com mail.aol.com "
    "mail.proton.me deref-gmx.net deref-web.de com.google.android.gm com.microsoft.office.outlook",
}

_KIND_OF_NAME = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_KIND_OF_SOURCE = {name: kind for kind, names in _SHORT_NAMES.items() for name in names.split()} | _KIND_OF_NAME
_KIND_OF_HOST = {host: kind for kind, hosts in _HOSTS.items() for host in hosts.split()}
_SECOND_LEVEL = frozenset(("co", "com", "org", "net", "or", "ne"))


@lru_cache(maxsize=8_192)
def kind_of_host(host: str) -> SiteKind:
    """Return what the site of a host is, from its closest known parent; the host is in lower case."""
    labels = host.split(".")
    for start in range(len(labels) - 1):
        known = _KIND_OF_HOST.get(".".join(labels[start:]))
        if known:
            return known
    if len(labels) < 2:
        return ""
    place = -3 if len(labels) >= 3 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL else -2
    return _KIND_OF_NAME.get(labels[place], "")


def kind_of_source(source: str) -> SiteKind:
    """Return what the site named by a `utm_source` is: a name or a host, in lower case."""
    return _KIND_OF_SOURCE.get(source) or (kind_of_host(source) if "." in source else "")
