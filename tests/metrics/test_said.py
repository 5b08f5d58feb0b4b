"""What customers say: NPS, CSAT, CES and reviews against values computed by hand."""

from tests.metrics.conftest import Told, about


def answer(told: Told, who: str, instrument: str, score: float, days: float = 0, **more: object) -> None:
    body = {"instrument": instrument, "score": score, **more.pop("scale", {})}  # type: ignore[dict-item]  # a mapping
    told.say(who, days, "survey.answered", body=body, **more)


def test_nps_takes_promoters_less_detractors(told: Told) -> None:
    """9 promotes and 6 detracts; other scales and answers beyond the scale are no NPS; UTC days whatever the clock."""
    for number, score in enumerate((10, 9, 8, 6, 0)):
        answer(told, f"u{number}", "nps", score)
    answer(told, "u8", "nps", 80, scale={"scale_min": 0, "scale_max": 100})
    answer(told, "u9", "nps", 11)
    answer(told, "u6", "nps", 10, channel="phone", at="2025-03-30T01:30:00+02:00")
    answer(told, "u7", "nps", 7, channel="phone", at="2025-03-30T03:30:00+02:00", refs={"product_ids": ["p1", "p2"]})
    told.stitch()
    assert told.cell("nps", "email", "net", dimension="channel") == about((5, 0.0, -57.4566, 57.4566))
    # (3.75 − 2.75) / 10 ± 1.96 · √((0.65 − 0.01) / 10).
    assert told.cell("nps", "net") == about((7, 100 / 7, -39.5836, 59.5836))
    # One answer: (1.75 − 0.75) / 4 ± 1.96 · √((0.625 − 0.0625) / 4).
    days = told.cells("nps", "channel", "day")
    assert days["phone", "net", "2025-03-29"] == about((1, 100.0, -48.4986, 98.4986))
    assert days["phone", "net", "2025-03-30"][:2] == (1, 0.0)
    assert ("email", "net", "2025-03-03") in days
    assert set(told.cells("nps", "channel", "week")) >= {("phone", "net", "2025-03-24"), ("email", "net", "2025-03-03")}
    assert ("net", "2025-03-01") in told.cells("nps", period="month")
    assert set(told.cells("nps", "product")) == {("p1", "net"), ("p2", "net")}
    assert told.shop.rows(
        "SELECT channels, least_n, lowest, highest, differ FROM v_channel_spread "
        "WHERE metric = 'nps' AND period = 'all'"
    ) == [(2, 2, "email", "phone", False)]


def test_csat_is_the_upper_quarter_of_the_scale(told: Told) -> None:
    """Wilson's interval of 2 of 4 is 0.15 to 0.85, of 1 of 1 it is 0.21 to 1."""
    for number, score in enumerate((5, 4, 3, 1)):
        answer(told, f"u{number}", "csat", score)
    answer(told, "u5", "csat", 5.5, channel="chat", scale={"scale_min": 1, "scale_max": 7})
    answer(told, "u6", "csat", 3, channel="chat", scale={"scale_min": 3, "scale_max": 3})
    told.stitch()
    assert told.cell("csat", "email", "share", dimension="channel") == about((4, 0.5, 0.1500, 0.8500))
    assert told.cell("csat", "chat", "share", dimension="channel") == about((1, 1.0, 0.2065, 1.0))


def test_an_answer_beyond_its_scale_counts_nowhere(told: Told) -> None:
    """Nine without a scale is none of 1 to 5: it may be nearly the best of ten, or a slip; with its scale it counts."""
    answer(told, "u1", "csat", 9, channel="chat")
    answer(told, "u2", "csat", 9, channel="web", scale={"scale_min": 0, "scale_max": 10})
    answer(told, "u3", "csat", 9, channel="sms", scale={"scale_max": 10})
    answer(told, "u4", "csat", 5.5, channel="app")
    told.stitch()
    assert told.cells("csat", "channel") == {
        ("web", "share"): about((1, 1.0, 0.2065, 1.0)),
        ("sms", "share"): about((1, 1.0, 0.2065, 1.0)),
    }
    assert told.shop.rows("SELECT DISTINCT kind FROM v_pain_points") == []
    assert told.shop.rows("SELECT sum(n_with) + sum(n_without) FROM v_impact_strata WHERE outcome = 'score'") == [(0,)]


def test_ces_and_reviews_are_means_with_students_interval(told: Told) -> None:
    answer(told, "u1", "ces", 7)
    answer(told, "u2", "ces", 5)
    answer(told, "u3", "ces", 1, scale={"scale_min": 1, "scale_max": 5})
    for number, rating in enumerate((5, 4)):
        told.say(f"r{number}", 0, "review.published", body={"rating": rating})
    told.say("r3", 0, "review.published", body={"rating": 10, "scale": 10}, channel="marketplace")
    told.stitch()
    # √9.3333 · 4.3027 / √3
    assert told.cell("ces", "mean") == about((3, 4.3333, 4.3333 - 7.5891, 4.3333 + 7.5891))
    assert told.cell("review_score", "marketplace", "mean", dimension="channel") == (1, 5.0, None, None)
    assert told.cell("review_score", "web", "mean", dimension="channel") == about((2, 4.5, 4.5 - 6.3531, 4.5 + 6.3531))


def test_nothing_said_is_no_row_and_not_a_zero(told: Told) -> None:
    told.say("u1", 0, "web.page_viewed")
    told.stitch()
    names = [row[0] for row in told.shop.rows("SELECT metric FROM v_metric_definitions")]
    assert len(names) == 25
    journeys = {"conversion", "drop_off"}
    assert {name for name in names if told.shop.rows(f"SELECT * FROM v_metric_{name}")} == journeys
