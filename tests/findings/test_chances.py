"""The occasions that incidents are counted in, against those told by hand."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.incidents import read_incidents
from pipeline.config import ClickHouseSettings
from pipeline.findings.rules import IncidentRules
from tests.streaming.test_stitcher import START, Shop, make_shop, touch

DAY = 24 * 60


@pytest.fixture
def shop(fresh_database: ClickHouseSettings) -> Shop:
    return make_shop(fresh_database)


def chances(shop: Shop, kind: str) -> list[tuple[Any, ...]]:
    """Return (day, whether it hurt, channel) of every occasion, in order."""
    return shop.rows(
        "SELECT dateDiff('day', toDateTime64('2026-03-01', 3, 'UTC'), occurred_at), hurt, segments['channel'] "
        f"FROM v_pain_chances WHERE kind = '{kind}' ORDER BY occurred_at, toString(event_uid)"
    )


def test_a_contact_that_repeats_hurts_and_the_first_does_not(shop: Shop) -> None:
    """A ticket opened for a call is no contact beside it, nor is a call that the business makes."""
    ada, eve = {"customer_id": "ada"}, {"customer_id": "eve"}
    shop.land(
        touch(1, 0, ada, type="support.call_ended", refs={"ticket_id": "t1"}),
        touch(2, 1, ada, type="support.ticket_created", refs={"ticket_id": "t1"}),
        touch(3, 2 * DAY, ada, type="support.chat_started", refs={"conversation_id": "c1"}),
        touch(4, 2 * DAY + 1, ada, type="support.chat_ended", refs={"conversation_id": "c1"}),
        touch(5, 3 * DAY, ada, type="support.call_ended", direction="outbound"),
        touch(6, 4 * DAY, eve, type="support.call_ended"),
    )
    shop.stitch()
    assert chances(shop, "repeat_contact") == [(0, False, "phone"), (2, True, "chat"), (4, False, "phone")]


def test_a_subscription_that_is_given_up_hurts_once_its_end_has_come(shop: Shop) -> None:
    """Renewals are occasions that did not; an end that lies beyond the last touchpoint of all is none yet."""
    for number, (who, day, type_, more) in enumerate(
        (
            ("ada", 0, "renewed", {}),
            ("ada", 30, "cancelled", {}),
            ("eve", 1, "renewed", {}),
            ("eve", 31, "cancelled", {"body": {"effective_at": (START + timedelta(days=60)).isoformat()}}),
        )
    ):
        refs = {"subscription_id": f"s-{who}"}
        shop.land(touch(number, day * DAY, {"customer_id": who}, type=f"subscription.{type_}", refs=refs, **more))
    shop.land(touch(9, 45 * DAY, {"customer_id": "joe"}))
    shop.stitch()
    assert [row[:2] for row in chances(shop, "churned")] == [(0, False), (1, False), (30, True), (31, False)]
    shop.land(touch(10, 60 * DAY, {"customer_id": "joe"}))
    shop.stitch()
    assert [row[1] for row in chances(shop, "churned")] == [False, False, True, True]


def test_parcels_that_were_open_when_the_history_ended_are_not_late(
    shop: Shop, fresh_database: ClickHouseSettings
) -> None:
    """It ended long ago; thirty parcels of its last days were promised for days after it, and nothing says more."""
    landed = []
    for number in range(90):
        who, day = {"customer_id": f"u{number}"}, number // 3
        refs = {"order_id": f"o{number}", "shipment_id": f"s{number}"}
        promise = {"promised_until": (START + timedelta(days=day + 10)).isoformat()}
        shipped = touch(3 * number, day * DAY, who, type="delivery.shipped", refs=refs, body=promise)
        landed.append(shipped)
        if day < 20:
            came = touch(3 * number + 1, (day + 9) * DAY, who, type="delivery.delivered", refs=refs)
            landed.append(came)
    shop.land(*landed)
    shop.stitch()
    # By the clock they are late; as far as the facts reach, they are open.
    [(late,)] = shop.rows("SELECT count() FROM v_pain_points WHERE kind = 'missed_promise'")
    assert late == 30
    assert not any(hurt for _, hurt, _ in chances(shop, "late_delivery"))
    assert read_incidents(Warehouse(fresh_database.url.get_secret_value()), IncidentRules(), 3) == []
