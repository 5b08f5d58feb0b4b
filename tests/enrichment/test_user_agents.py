"""User agents: people on their devices, crawlers, programs."""

import pytest

from pipeline.enrichment.user_agents import DEVICE_CLASSES, NO_USER_AGENT, read_user_agent

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("text", "family", "device_class"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome", "desktop"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 "
            "Safari/605.1.15",
            "Safari",
            "desktop",
        ),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", "Firefox", "desktop"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome", "desktop"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.0 Mobile/15E148 Safari/604.1",
            "Mobile Safari",
            "mobile",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.0 "
            "Mobile/15E148 Safari/604.1",
            "Mobile Safari",
            "tablet",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 13; Pixel 7) {WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36",
            "Chrome Mobile",
            "mobile",
        ),
        (f"Mozilla/5.0 (Linux; Android 13; SM-X700) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome", "tablet"),
        (
            f"Mozilla/5.0 (Linux; Android 10; CUBOT_NOTE_20) {WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36",
            "Chrome Mobile",
            "mobile",
        ),
        (f"Mozilla/5.0 (SMART-TV; Linux; Tizen 5.0) {WEBKIT} Version/5.0 TV Safari/537.36", "Safari", "tv"),
        ("Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A)", "Android", "mobile"),
        ("something else", "Other", "other"),
    ],
)
def test_people(text: str, family: str, device_class: str) -> None:
    agent = read_user_agent(text)
    assert (agent.family, agent.device_class, agent.is_bot) == (family, device_class, False)
    assert device_class in DEVICE_CLASSES


@pytest.mark.parametrize(
    "text",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        f"Mozilla/5.0 {WEBKIT}; compatible; GPTBot/1.1; +https://openai.com/gptbot)",
        "UptimeRobot/2.0",
        f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/120.0 Safari/537.36",
        "curl/8.5.0",
        "python-requests/2.32",
        "Go-http-client/1.1",
    ],
)
def test_machines(text: str) -> None:
    agent = read_user_agent(text)
    assert (agent.device_class, agent.is_bot) == ("bot", True)
    assert agent.family


def test_nothing_is_known_without_a_text() -> None:
    assert read_user_agent("") == NO_USER_AGENT
