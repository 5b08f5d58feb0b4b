"""Personas and RFM against values computed by hand, to the exact moment."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.persona_rules import PersonaError, default_personas, read_personas
from pipeline.warehouse.persona_store import declare_personas
from tests.cli.conftest import run_here
from tests.metrics.conftest import START, Told
from tests.oracle.personas import persona_at

MOMENT = timedelta(milliseconds=1)
DAY = timedelta(days=1)

BY_MONEY = """
[[persona]]
name = "rich"
title = "Rich"
meaning = "Spent a hundred."
when = { net_spent = { at_least = { EUR = 10000, JPY = 10000 } } }

[[persona]]
name = "buyer"
title = "Buyer"
meaning = "Bought."
when = { orders = { at_least = 1 } }

[[persona]]
name = "other"
title = "Others"
meaning = "Did not."
"""
BY_SILENCE = """
[[persona]]
name = "here"
title = "Here"
meaning = "Seen within a day."
when = { days_since_touchpoint = { at_most = 1 } }

[[persona]]
name = "away"
title = "Away"
meaning = "Was not."
"""


@pytest.fixture
def shop(told: Told) -> Iterator[Told]:
    yield told
    told.shop.query("TRUNCATE TABLE persona_rules")


def order(shop: Told, who: str, days: float, number: str, minor: int | None = None, currency: str = "EUR") -> None:
    amount = {} if minor is None else {"amount": {"minor": minor, "currency": currency}}
    shop.say(who, days, "order.placed", refs={"order_id": number}, **amount)


def declare(database: ClickHouseSettings, text: str) -> None:
    client = connect(database)
    declare_personas(client, text, read_personas(text) if text else ())
    client.close()


def history(shop: Told) -> list[tuple[Any, ...]]:
    return shop.shop.rows(
        "SELECT persona, valid_from, valid_to FROM v_persona_history ORDER BY customer_uid, valid_from"
    )


def test_without_customers_nobody_has_a_persona(shop: Told) -> None:
    for view in ("v_personas", "v_persona_history", "v_rfm"):
        assert shop.shop.rows(f"SELECT * FROM {view}") == []
    names = [row[0] for row in shop.shop.rows("SELECT persona FROM v_persona_definitions ORDER BY position")]
    assert names == [persona.name for persona in default_personas()]


def test_a_single_order_ages_to_the_millisecond(shop: Told) -> None:
    """Bounds are included: 30 days after the order it is still a new customer, a millisecond later no more."""
    shop.say("u1", 0, "web.page_viewed")
    order(shop, "u1", 2, "o1", 1000)
    shop.stitch()
    bought = START + 2 * DAY
    assert history(shop) == [
        ("prospect", START, bought),
        ("new_customer", bought, bought + 30 * DAY + MOMENT),
        ("active", bought + 30 * DAY + MOMENT, bought + 90 * DAY + MOMENT),
        ("one_timer", bought + 90 * DAY + MOMENT, bought + 365 * DAY + MOMENT),
        ("lost", bought + 365 * DAY + MOMENT, None),
    ]
    [now] = shop.shop.rows("SELECT persona, orders, currency, net_minor, percent_returned FROM v_personas")
    assert now == ("lost", 1, "EUR", 1000, 0.0)


def test_silence_is_told_from_the_last_touchpoint_before_it(shop: Told) -> None:
    """A silence of exactly 30 days is none; one of a millisecond more ends where the customer comes back."""
    for at in (START, START + 30 * DAY, START + 60 * DAY + MOMENT, START + 61 * DAY):
        shop.say("u1", 0, "web.page_viewed", at=at.isoformat())
    shop.stitch()
    assert history(shop) == [
        ("prospect", START, START + 91 * DAY + MOMENT),
        ("silent", START + 91 * DAY + MOMENT, None),
    ]
    shop.say("u2", 0, "web.page_viewed")
    shop.say("u2", 0, "web.page_viewed", at=(START + 30 * DAY + 2 * MOMENT).isoformat())
    shop.stitch()
    spans = {(row[0], row[1]) for row in history(shop)}
    assert {("silent", START + 30 * DAY + MOMENT), ("prospect", START + 30 * DAY + 2 * MOMENT)} <= spans


def test_a_silence_within_a_journey_is_told_where_a_persona_asks_for_it(
    shop: Told, metric_database: ClickHouseSettings
) -> None:
    """All four touchpoints are of one journey; a silence of a day and a moment is told, one of a day is not."""
    declare(metric_database, BY_SILENCE)
    for at in (START, START + DAY, START + 3 * DAY, START + 3 * DAY + MOMENT):
        shop.say("u1", 0, "web.page_viewed", at=at.isoformat())
    shop.stitch()
    assert history(shop) == [
        ("here", START, START + 2 * DAY + MOMENT),
        ("away", START + 2 * DAY + MOMENT, START + 3 * DAY),
        ("here", START + 3 * DAY, START + 4 * DAY + 2 * MOMENT),
        ("away", START + 4 * DAY + 2 * MOMENT, None),
    ]
    declare(metric_database, "")


def test_money_counts_in_the_main_currency_only(shop: Told, metric_database: ClickHouseSettings) -> None:
    """u1: 60 + 60 EUR less 30 EUR; u2: yen by two orders to one, the euros count not; u3: francs have no bound."""
    declare(metric_database, BY_MONEY)
    order(shop, "u1", 0, "a", 6000)
    order(shop, "u1", 1, "b", 6000)
    shop.say("u1", 2, "refund.issued", refs={"order_id": "a"}, amount={"minor": 3000, "currency": "EUR"})
    order(shop, "u2", 0, "c", 99000)
    order(shop, "u2", 1, "d", 4000, "JPY")
    order(shop, "u2", 2, "e", 5000, "JPY")
    order(shop, "u3", 0, "f", 99000, "CHF")
    order(shop, "u4", 0, "g")
    shop.stitch()
    found = shop.shop.rows(
        "SELECT persona, currency, net_minor, groupArray(h.persona) FROM v_personas AS p INNER JOIN "
        "(SELECT customer_uid, persona FROM v_persona_history ORDER BY valid_from) AS h USING (customer_uid) "
        "GROUP BY customer_uid, persona, currency, net_minor ORDER BY net_minor, currency"
    )
    assert found == [
        ("buyer", "EUR", 9000, ["buyer", "rich", "buyer"]),
        ("buyer", "JPY", 9000, ["rich", "buyer"]),  # rich while the euros led
        ("buyer", "CHF", 99000, ["buyer"]),
        ("buyer", None, None, ["buyer"]),
    ]
    declare(metric_database, "")
    assert shop.shop.rows("SELECT DISTINCT persona FROM v_personas") == [("lost",)]


def test_a_merge_unites_two_half_stories(shop: Told) -> None:
    """Two one-timers turn out to be one loyal customer, then and now."""
    order(shop, "u1", 0, "a", 1000)
    order(shop, "email:a@example.org", 10, "b", 1000)
    order(shop, "email:a@example.org", 20, "c", 1000)
    shop.stitch()
    assert len(shop.shop.rows("SELECT * FROM v_personas")) == 2
    assert "loyal" not in {row[0] for row in history(shop)}
    shop.say("u1", 30, "account.signed_in", also={"email": "a@example.org"})
    shop.stitch()
    at = [row[0] for row in history(shop)]
    assert at == ["new_customer", "active", "loyal", "at_risk", "lost"]
    loyal = history(shop)[2]
    assert loyal[1:] == (START + 20 * DAY, START + 110 * DAY + MOMENT)


def test_history_and_now_are_what_the_plain_rules_say(shop: Told) -> None:
    """Random stories; at random times and at both sides of every change."""
    drawn = random.Random(5)
    for who in range(12):
        for number in range(drawn.randrange(1, 9)):
            days = drawn.choice((0, 1, 30, 90, 180)) + drawn.randrange(3) / 4
            type_ = drawn.choice(
                ("order.placed", "order.placed", "return.requested", "refund.issued", "product.viewed")
            )
            refs = {} if type_ == "product.viewed" else {"order_id": f"o{who}-{drawn.randrange(3)}"}
            money = {"minor": drawn.randrange(1, 60) * 1000, "currency": drawn.choice(("EUR", "USD"))}
            more = {"amount": money} if type_ in ("order.placed", "refund.issued") else {}
            shop.say(f"u{who}", days + number / 1000, type_, refs=refs, **more)
    shop.stitch()
    steps: dict[Any, list[dict[str, Any]]] = {}
    columns = ("customer_uid", "occurred_at", "type", "order_id", "amount_minor", "currency")
    for row in shop.shop.rows(
        f"SELECT {', '.join(columns)} FROM v_touchpoints ORDER BY occurred_at, toString(event_uid)"
    ):
        step = dict(zip(columns, row, strict=True))
        step["occurred_at"] = _ms(step["occurred_at"])
        steps.setdefault(row[0], []).append(
            {**step, "order_id": step["order_id"] or "", "currency": step["currency"] or ""}
        )
    hurt: dict[Any, list[int]] = {}
    for customer, at in shop.shop.rows("SELECT customer_uid, occurred_at FROM v_pain_points"):
        hurt.setdefault(customer, []).append(_ms(at))
    personas = default_personas()
    rows = shop.shop.rows("SELECT customer_uid, persona, valid_from, valid_to FROM v_persona_history")
    assert {row[0] for row in rows} == set(steps)
    for customer, persona, begins, ends in rows:
        last = _ms(ends or datetime.now(UTC)) - 1
        for at in (_ms(begins), last, drawn.randrange(_ms(begins), last + 1)):
            assert persona_at(steps[customer], hurt.get(customer, ()), at, personas) == persona
    now = shop.shop.rows("SELECT customer_uid, persona FROM v_personas")
    assert sorted(now) == sorted((row[0], row[1]) for row in rows if row[3] is None)


def test_fifths_are_of_one_currency_and_equal_values_share_theirs(shop: Told) -> None:
    """Five customers in euros, one of them with yen too; one alone in a currency is in the middle fifth."""
    for number, minor in enumerate((100, 200, 200, 400, 500)):
        order(shop, f"u{number}", number, f"o{number}", minor)
    order(shop, "u0", 9, "y", 9000, "JPY")
    shop.stitch()
    rows = shop.shop.rows(
        "SELECT net_minor, r_score, f_score, m_score, is_main FROM v_rfm WHERE currency = 'EUR' ORDER BY last_order_at"
    )
    # Two equal values are ranks 2 and 3 of five: the middle one of both is 40 % up, the third fifth begins there.
    assert rows == [
        (100, 1, 3, 1, True),
        (200, 2, 3, 3, True),
        (200, 3, 3, 3, True),
        (400, 4, 3, 4, True),
        (500, 5, 3, 5, True),
    ]
    assert shop.shop.rows("SELECT r_score, f_score, m_score, is_main FROM v_rfm WHERE currency = 'JPY'") == [
        (3, 3, 3, False)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("persona = 1", "1 to 100 tables"),
        ("[[persona", "not TOML"),
        ("other = 1\n" + BY_MONEY, "other: unknown"),
        (BY_MONEY.replace("rich", "Rich People"), "name: lower-case letters"),
        (BY_MONEY.replace("rich", "buyer"), "buyer: the name is given twice"),
        (BY_MONEY.replace("orders =", "luck ="), "when.luck: unknown; known are orders"),
        (BY_MONEY.replace("at_least = 1 ", "at_least = 2, at_most = 1 "), "when.orders: at_least is more than at_most"),
        (BY_MONEY.replace("at_least = 1 ", "at_least = 1.5 "), "a whole number is needed"),
        (BY_MONEY.replace("{ EUR = 10000, JPY = 10000 }", "10000"), "money is given by currency"),
        (BY_MONEY.replace("EUR", "Euro"), "'Euro' is no currency"),
        (BY_MONEY + "when = { orders = { at_most = 0 } }", "other: the last persona is everybody else's"),
        (BY_MONEY.replace("when = { orders = { at_least = 1 } }", ""), "buyer: has no conditions"),
        (BY_MONEY.replace('title = "Rich"\n', ""), "persona 1 (rich): title: a text is needed"),
    ],
)
def test_what_is_wrong_with_a_declaration_is_said(text: str, said: str) -> None:
    with pytest.raises(PersonaError) as fault:
        read_personas(text)
    assert said in str(fault.value)


def test_the_command_shows_personas_now_and_then_and_declares_others(
    shop: Told, metric_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    order(shop, "u1", 0, "a", 12000)
    shop.say("u2", 1, "web.page_viewed")
    shop.stitch()
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", metric_database.url.get_secret_value())

    def counted(*arguments: str) -> dict[str, int]:
        outcome = run_here("personas", *arguments, "--json")
        assert outcome.code == 0, outcome.err
        return {row["persona"]: row["customers"] for row in json.loads(outcome.out) if row["customers"]}

    assert counted() == {"lost": 1, "silent": 1}
    assert counted("--at", "2025-03-05") == {"new_customer": 1, "prospect": 1}
    assert counted("--at", "2025-03-01") == {}
    assert "is not over yet" in run_here("personas", "--at", "2100-01-01").err
    file = tmp_path / "personas.toml"
    file.write_text(BY_MONEY)
    assert run_here("personas", "declare", str(file)).out == "3 personas hold: rich, buyer, other\n"
    assert counted() == {"rich": 1, "other": 1}
    file.write_text(BY_MONEY.replace("orders =", "luck ="))
    refused = run_here("personas", "declare", str(file))
    assert (refused.code, "when.luck: unknown" in refused.err) == (2, True)
    assert "rich" in run_here("personas").out
    assert run_here("personas", "reset").code == 0
    assert counted() == {"lost": 1, "silent": 1}


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
