"""The spread between channels, which is made from one look at the touchpoints, beside the metrics that it speaks of."""

from tests.metrics.conftest import Told

_OF_THE_METRICS = """
SELECT metric, period, period_start, statistic, count(), min(n), min((value, dimension_value)).2,
    max((value, dimension_value)).2, max(value) - min(value),
    ifNull(argMax(low, (value, dimension_value)) > argMin(high, (value, dimension_value)), false), any(unit)
FROM ({parts})
WHERE dimension = 'channel' AND statistic NOT IN ('p90', 'p99')
GROUP BY metric, period, period_start, statistic
ORDER BY metric, period, period_start, statistic
"""
_METRICS = ("nps", "csat", "ces", "wait", "first_reply", "resolution")
_COLUMNS = "metric, period, period_start, statistic, dimension_value, n, assumeNotNull(value) AS value, low, high, unit"


def test_the_spread_says_what_its_metrics_say(told: Told) -> None:
    """Scores on odd scales, waits said twice, threads that find their ticket, tickets reopened: all as in the views."""
    _scores(told)
    _talks(told)
    _letters(told)
    told.stitch()
    parts = " UNION ALL ".join(f"SELECT {_COLUMNS}, dimension FROM v_metric_{name}" for name in _METRICS)
    expected = told.shop.rows(_OF_THE_METRICS.replace("{parts}", parts))
    assert {row[0] for row in expected} == set(_METRICS)
    assert any(row[4] > 1 for row in expected)
    assert told.shop.rows("SELECT * FROM v_channel_spread ORDER BY metric, period, period_start, statistic") == expected


def _scores(told: Told) -> None:
    scales: tuple[dict[str, float], ...] = ({}, {"scale_min": 0, "scale_max": 100}, {"scale_min": 3, "scale_max": 3})
    number = 0
    for instrument in ("nps", "csat", "ces", "other"):
        for score in (0, 1, 3, 5, 6.5, 9, 10, 11):
            for scale in scales:
                number += 1
                body = {"instrument": instrument, "score": score, **scale}
                channel = ("email", "web", "phone")[number % 3]
                told.say(f"u{number % 7}", number / 3, "survey.answered", body=body, channel=channel)


def _talks(told: Told) -> None:
    for number in range(6):
        told.say(f"u{number}", number, "support.call_ended", body={"wait_s": 10.5 * number, "resolved": True})
        chat = {"conversation_id": f"c{number % 4}"}
        told.say(f"u{number}", number, "support.chat_started", refs=chat, body={"wait_s": 7 * number})
        told.say(f"u{number}", number + 0.1, "support.chat_ended", refs=chat, body={"wait_s": 3 * number})
    told.say("u9", 1, "support.call_ended", body={"resolved": True})


def _letters(told: Told) -> None:
    for number in range(6):
        ticket = {"ticket_id": f"t{number}"}
        thread = {"thread_id": f"h{number}"}
        at = number * 2.5
        told.say(f"u{number}", at, "support.email_received", body=thread)
        told.say(f"u{number}", at + 0.01, "support.email_received", body=thread, refs=ticket if number % 2 else {})
        told.say(f"u{number}", at + 0.02, "support.ticket_created", refs=ticket, channel=("email", "web")[number % 2])
        told.say(f"u{number}", at + 0.1, "support.ticket_updated", refs=ticket, body={"public_reply": number % 3 > 0})
        told.say(f"u{number}", at + 0.3, "support.email_sent", body=thread)
        told.say(f"u{number}", at + 0.5 + number / 10, "support.ticket_solved", refs=ticket)
    told.say("u1", 4, "support.ticket_reopened", refs={"ticket_id": "t1"})
    told.say("u1", 5, "support.ticket_solved", refs={"ticket_id": "t1"})
    told.say("u2", 20, "support.ticket_reopened", refs={"ticket_id": "t2"})
    told.say("u8", 1, "support.call_ended", refs={"ticket_id": "t9"}, direction="outbound")
