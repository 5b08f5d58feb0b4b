"""How fast a key may send: the rule by itself."""

import pytest

from pipeline.producers.collector.origins import Clients, Origins
from pipeline.producers.collector.rates import Rates, TokenBucket


def test_two_seconds_worth_may_come_at_once_and_a_debt_delays_the_next() -> None:
    bucket = TokenBucket(10, now=0)
    assert bucket.wait_s(0) == 0
    bucket.spend(50, 0)
    assert bucket.wait_s(0) == 3
    assert bucket.wait_s(2.9) == 1
    assert bucket.wait_s(3.1) == 0


@pytest.mark.parametrize("rate", [0.5, 7, 1_000])
def test_over_time_no_more_than_the_rate_goes_through(rate: float) -> None:
    bucket, sent = TokenBucket(rate, now=0), 0
    for step in range(100_000):
        now = step / 100
        if bucket.wait_s(now) == 0:
            bucket.spend(10, now)
            sent += 10
    assert sent <= rate * 1_000 + 2 * rate + 11
    assert sent >= rate * 1_000


def test_keys_do_not_share_and_a_changed_limit_counts_at_once() -> None:
    rates = Rates()
    rates.spend("a", 1, 100, now=0)
    assert rates.wait_s("a", 1, now=0) > 0
    assert rates.wait_s("b", 1, now=0) == rates.wait_s("free", 0, now=0) == 0
    assert rates.wait_s("a", 2, now=0) == 0


def test_a_page_is_allowed_by_name_or_by_being_of_this_host() -> None:
    origins = Origins(["https://shop.example/"])
    assert origins.allows("https://shop.example", "collect.example")
    assert origins.allows("https://collect.example", "collect.example")
    assert origins.allows(None, "collect.example")
    for origin in ("https://evil.example", "http://shop.example", "null", "", "https://shop.example.evil.example"):
        assert not origins.allows(origin, "collect.example"), origin
    assert Origins(["*"]).allows("https://anywhere.example", "")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        (None, "1.2.3.4", None),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str | None, forwarded: str, client: str | None) -> None:
    assert Clients(["10.0.0.0/8", "::1/128"]).address(peer, forwarded) == client
