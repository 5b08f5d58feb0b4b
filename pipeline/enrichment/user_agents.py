"""
Who knocks: family of the browser or app, class of the device, and whether it is a machine.

Read by ua-parser with the data that its package ships, one distinct text at a time; what was read lately is kept.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache

import ua_parser
from ua_parser import Result

DEVICE_CLASSES: tuple[str, ...] = ("desktop", "mobile", "tablet", "tv", "bot", "other", "")
"""Classes of devices; empty where there is no user agent."""

LONGEST_USER_AGENT = 512
"""Real ones are shorter; the rest of a longer one is not looked at."""

_MOBILE_SYSTEMS = frozenset(
    ("Windows Phone", "Windows Mobile", "BlackBerry OS", "KaiOS", "Symbian OS", "Firefox OS", "iOS")
)
_DESKTOP_SYSTEMS = re.compile(
    r"Windows|Mac OS|Linux|Ubuntu|Debian|Fedora|Red Hat|SUSE|Mint|Chrome OS|Chromecast OS|FreeBSD|OpenBSD|Solaris"
)
_TELEVISION = re.compile(
    r"\b(Smart-?TV|SMART-TV|TV|AppleTV\d*|AFT[A-Z]+|BRAVIA|Roku|CrKey|HbbTV|GoogleTV)\b", re.IGNORECASE
)
# Programs that people write, beside the crawlers that ua-parser calls spiders.
_PROGRAMS = re.compile(
    r"(HeadlessChrome|PhantomJS|curl/|Wget/|python-|aiohttp|Python Requests|Go-http-client|Apache-HttpClient|axios/"
    r"|node-fetch|undici|PostmanRuntime|Scrapy|libwww-perl|Java/|Puppeteer|Playwright|Selenium|Lighthouse)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class UserAgent:
    """What a user agent's text tells."""

    family: str
    device_class: str
    is_bot: bool


NO_USER_AGENT = UserAgent("", "", is_bot=False)
"""What is known without a text."""


@lru_cache(maxsize=16_384)
def read_user_agent(text: str) -> UserAgent:
    """Return what a user agent's text (no longer than LONGEST_USER_AGENT) tells."""
    if not text:
        return NO_USER_AGENT
    result = _parser().parse(text)
    is_bot = (result.device is not None and result.device.family == "Spider") or _PROGRAMS.search(text) is not None
    family = result.user_agent.family if result.user_agent else "Other"
    return UserAgent(family, "bot" if is_bot else _device_class(text, result), is_bot)


def _device_class(text: str, result: Result) -> str:
    system = result.os.family if result.os else ""
    device = result.device.family if result.device else ""
    if _TELEVISION.search(text):
        return "tv"
    if device == "iPad" or "Tablet" in text:
        return "tablet"
    if system in _MOBILE_SYSTEMS:
        return "mobile"
    if system == "Android":  # tablets leave the word out, as Google asks of browsers
        return "mobile" if "Mobile" in text or text.startswith("Dalvik") else "tablet"
    return "desktop" if _DESKTOP_SYSTEMS.search(system) else "other"


@cache
def _parser() -> ua_parser.Parser:
    """Return a parser without a cache of its own: what it reads is kept above."""
    resolver = ua_parser.RegexResolver or ua_parser.BasicResolver
    return ua_parser.Parser(resolver(ua_parser.load_builtins()))
