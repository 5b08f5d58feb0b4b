"""What a pain point costs, against values computed by hand; and the sums of a handful of journeys told one by one."""

from datetime import UTC, datetime, timedelta
from math import sqrt
from typing import Any

import polars as pl
import pytest
from scipy.stats import t as student

from pipeline.config import ClickHouseSettings
from pipeline.findings.impact import STRATA, Impact, find_impacts
from tests.streaming.test_stitcher import make_shop

START = datetime(2025, 3, 3, 9, tzinfo=UTC)
Sums = tuple[int, int, int]


def strata(kind: str, outcome: str, *rows: tuple[str, Sums, Sums]) -> pl.DataFrame:
    """Return strata told apart by their channel: n, sum, squares of both sides."""
    told = [(kind, outcome, "receive", "EUR", "7", channel, *hurt, *other) for channel, hurt, other in rows]
    return pl.DataFrame(told, schema=dict(STRATA), orient="row")


def impact(frame: pl.DataFrame) -> Impact:
    (one,) = find_impacts(frame, least=1)
    return one


def test_a_difference_of_scores_by_hand() -> None:
    """
    Web: 0.2, 0.4 against 0.8, 0.8, 0.6, 1.0. Weight 2·4/6 = 4/3, difference 0.3 − 0.8 = −0.5.

    App: 0.5, 0.5 against 0.7, 0.9. Weight 1, difference −0.3. Together (−0.5·4/3 − 0.3) / (7/3) = −0.414286.
    Variances within: hurt (0.02 + 0) / 2 = 0.01; other (0.08 + 0.02) / 4 = 0.025.
    """
    one = impact(
        strata(
            "late_delivery",
            "score",
            ("web", (2, 600, 200_000), (4, 3_200, 2_640_000)),
            ("app", (2, 1_000, 500_000), (2, 1_600, 1_300_000)),
        )
    )
    assert (one.n_with, one.n_without, one.strata) == (4, 6, 2)
    assert one.difference == pytest.approx(-0.4142857)
    hurt = 0.01 * ((16 / 9) / 2 + 1 / 2) / (49 / 9)
    other = 0.025 * ((16 / 9) / 4 + 1 / 2) / (49 / 9)
    degrees = (hurt + other) ** 2 / (hurt**2 / 2 + other**2 / 4)
    half = student.ppf(0.975, degrees) * sqrt(hurt + other)
    assert [one.low, one.high] == pytest.approx([-0.4142857 - half, -0.4142857 + half])
    assert one.is_worse


def test_strata_with_one_side_only_say_nothing() -> None:
    both = ("web", (10, 5, 5), (20, 2, 2))
    alone = ("app", (50, 50, 50), (0, 0, 0))
    assert impact(strata("late_delivery", "return", both, alone)) == impact(strata("late_delivery", "return", both))


def test_confounding_by_channel_is_taken_out() -> None:
    """Everybody returns more from the app, and the app is late more often: within each nothing differs."""
    one = impact(
        strata("late_delivery", "return", ("web", (10, 1, 1), (100, 10, 10)), ("app", (100, 50, 50), (10, 5, 5)))
    )
    assert one.difference == pytest.approx(0.0)
    assert not one.is_worse


def test_no_hits_at_all_have_an_interval_too() -> None:
    """0 of 10 against 0 of 30: shares for the variance are 1/12 and 1/32."""
    one = impact(strata("late_delivery", "return", ("web", (10, 0, 0), (30, 0, 0))))
    assert one.difference == 0.0
    assert one.high is not None
    assert one.high == pytest.approx(0.187, abs=0.02)


def test_what_cannot_be_told_is_not_told() -> None:
    """One score on each side has no variance; too few journeys, and outcomes by construction, are left out."""
    assert impact(strata("late_delivery", "score", ("web", (1, 200, 40_000), (1, 800, 640_000)))).low is None
    assert find_impacts(strata("late_delivery", "return", ("web", (9, 5, 5), (90, 5, 5)))) == []
    assert find_impacts(strata("low_score", "score", ("web", (90, 90, 90), (90, 900, 900)))) == []
    assert find_impacts(strata("late_delivery", "score")) == []


def test_the_heaviest_comes_first_whatever_the_order_of_rows() -> None:
    few = strata("complaint", "score", ("web", (20, 4_000, 900_000), (200, 160_000, 130_000_000)))
    many = strata("late_delivery", "score", ("web", (200, 40_000, 9_000_000), (200, 160_000, 130_000_000)))
    better = strata("bot_loop", "return", ("web", (200, 0, 0), (200, 100, 100)))
    ranked = [one.kind for one in find_impacts(pl.concat([few, better, many]))]
    assert ranked == ["late_delivery", "complaint", "bot_loop"]
    assert [one.kind for one in find_impacts(pl.concat([many, few, better]).reverse())] == ranked


def test_the_sums_of_a_few_journeys(fresh_database: ClickHouseSettings) -> None:
    """
    Three orders that differ in what came of them, and one that nobody can compare.

    ada: late; answered 5 of 5 before she ordered and 2 of 5 after it came, sent it back. bo: on time, 5 of 5. cy: on
    time, no answer, ordered again after 40 days. dee: on time, dearer, so in a stratum of its own.
    """
    shop = make_shop(fresh_database)
    told: list[dict[str, Any]] = []

    def say(who: str, day: float, type_: str, body: dict[str, Any] | None = None, minor: int | None = None) -> None:
        touchpoint: dict[str, Any] = {
            "id": f"e{len(told)}",
            "type": type_,
            "source": "test",
            "occurred_at": (START + timedelta(days=day)).isoformat(),
            "channel": "web",
            "identities": [{"kind": "customer_id", "value": who}],
            "refs": {"order_id": f"o-{who}" if day < 30 else f"o-{who}-2"},
            "body": body or {},
        }
        told.append(touchpoint if minor is None else touchpoint | {"amount": {"minor": minor, "currency": "EUR"}})

    promised = {"promised_delivery_at": (START + timedelta(days=3)).isoformat()}
    for who, arrives, minor in (("ada", 6, 5_000), ("bo", 2, 6_000), ("cy", 2, 4_000), ("dee", 2, 90_000)):
        say(who, 0, "order.placed", promised, minor)
        say(who, arrives, "delivery.delivered")
    say("ada", -1, "survey.answered", {"instrument": "csat", "score": 5})
    say("ada", 8, "survey.answered", {"instrument": "csat", "score": 2})
    say("ada", 9, "return.requested")
    say("bo", 8, "review.published", {"rating": 5})
    say("cy", 42, "order.placed", promised, 4_000)
    say("dee", 100, "web.page_viewed")
    shop.land(*told)
    shop.stitch()
    rows = shop.rows(
        "SELECT outcome, value, n_with, sum_with, squares_with, n_without, sum_without, squares_without "
        "FROM v_impact_strata WHERE kind = 'late_delivery' AND n_with > 0 ORDER BY outcome, value"
    )
    assert rows == [
        ("repeat_purchase", 6, 1, 0, 0, 2, 1, 1),
        ("return", 6, 1, 1, 1, 2, 0, 0),
        ("score", 6, 1, 250, 62_500, 1, 1_000, 1_000_000),
    ]
