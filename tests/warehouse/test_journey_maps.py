"""Journey maps, counted by hand: what follows what, variants, loops, stages, and which touches led to orders."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.warehouse import rows
from tests.warehouse.conftest import Shop

Row = dict[str, Any]
PAGE, PRODUCT, ORDER = "web.page_viewed", "product.viewed", "order.placed"
CALL, DELIVERED, MAIL = "support.call_ended", "delivery.delivered", "survey.answered"
_CHANNELS = {CALL: "phone", DELIVERED: "post", MAIL: "email"}
DAY = 24 * 60


class Told:
    """Tells a customer's touchpoints as (minute, type) and stitches everybody told so far."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._customers: list[int] = []
        self._number = 0

    def tell(self, customer: int, *steps: tuple[float, str] | tuple[float, str, Row]) -> None:
        landed = []
        for minute, type_, *more in steps:
            self._number += 1
            fields = {"type": type_, "channel": _CHANNELS.get(type_, "web"), "ident_key": rows.key(customer)}
            at = rows.START + timedelta(minutes=minute)
            landed.append(rows.touchpoint(self._number, **{**fields, "occurred_at": at, **(more[0] if more else {})}))
        self._customers.append(customer)
        self.shop.land(*landed)
        known = [
            {"ident_key": rows.key(who), "kind": 0, "customer_uid": rows.key(who), "shared": False}
            for who in self._customers
        ]
        self.shop.stitch(known, version=rows.START + timedelta(seconds=len(self._customers)))

    def read(self, sql: str) -> list[tuple[object, ...]]:
        return self.shop.read(sql)


@pytest.fixture
def told(shop: Shop) -> Told:
    return Told(shop)


def ordered(number: str, minor: int | None = None, currency: str = "EUR", **more: Any) -> Row:
    return {"order_id": number, "amount_minor": minor, "currency": currency if minor is not None else "", **more}


LOW_SCORE = {"body": '{"instrument":"nps","score":1}'}
GROUPED = ["v_variants", "v_directly_follows", "v_loops", "v_stage_times", "v_stage_drop_off"]
SINGLE = ["v_journey_paths", "v_transitions", "v_journey_stages", "v_attribution"]


def test_without_journeys_every_map_is_empty(shop: Shop) -> None:
    for view in (*GROUPED, *SINGLE):
        assert shop.read(f"SELECT * FROM {view}") == []


def test_a_single_step_begins_and_ends(told: Told) -> None:
    told.tell(1, (0, CALL))
    read = told.read(
        "SELECT from_type, to_type, times, share, journeys, median_seconds, ends_badly, share_ends_badly "
        "FROM v_directly_follows ORDER BY from_type"
    )
    assert read == [("(start)", CALL, 1, 1.0, 1, None, 0, 0.0), (CALL, "(end)", 1, 1.0, 1, None, 0, 0.0)]
    assert told.read("SELECT seconds, types, stages, channels FROM v_journey_paths") == [
        (0.0, [CALL], ["support"], ["phone"])
    ]
    assert told.read("SELECT * FROM v_loops") == []
    assert told.read("SELECT from_stage, to_stage, times, median_seconds FROM v_stage_times") == [
        ("support", "(end)", 1, None)
    ]


def test_what_follows_what_is_counted_with_its_time_and_end(told: Told) -> None:
    told.tell(1, (0, PAGE), (1, PRODUCT), (2, PAGE), (5, PRODUCT), (6, MAIL, LOW_SCORE))
    told.tell(2, (0, PAGE), (10, PRODUCT))
    read = told.read(
        "SELECT from_type, to_type, times, share, journeys, median_seconds, p90_seconds, ends_badly, share_ends_badly "
        "FROM v_directly_follows ORDER BY from_type, to_type"
    )
    # Pages lead to products after 60, 180 and 600 s; nine of ten take 180 + 0.8 × 420.
    assert read == [
        ("(start)", PAGE, 2, 1.0, 2, None, None, 1, 0.5),
        (PRODUCT, "(end)", 1, 1 / 3, 1, None, None, 0, 0.0),
        (PRODUCT, MAIL, 1, 1 / 3, 1, 60.0, 60.0, 1, 1.0),
        (PRODUCT, PAGE, 1, 1 / 3, 1, 60.0, 60.0, 1, 1.0),
        (MAIL, "(end)", 1, 1.0, 1, None, None, 1, 1.0),
        (PAGE, PRODUCT, 3, 1.0, 2, 180.0, 516.0, 1, 0.5),
    ]


def test_as_much_flows_out_of_every_type_as_into_it(told: Told) -> None:
    told.tell(1, (0, PAGE), (0, PAGE), (1, CALL), (40 * DAY, CALL), (80 * DAY, PAGE), (80 * DAY + 1, CALL))
    told.tell(2, (0, CALL), (0, CALL))
    inward = told.read(
        "SELECT to_type, sum(times) FROM v_directly_follows WHERE to_type != '(end)' GROUP BY 1 ORDER BY 1"
    )
    outward = told.read(
        "SELECT from_type, sum(times) FROM v_directly_follows WHERE from_type != '(start)' GROUP BY 1 ORDER BY 1"
    )
    assert inward == outward == [(CALL, 5), (PAGE, 3)]
    [(started, ended, journeys)] = told.read(
        "SELECT sumIf(times, from_type = '(start)'), sumIf(times, to_type = '(end)'), "
        "(SELECT count() FROM v_journeys) FROM v_directly_follows"
    )
    assert started == ended == journeys == 4


def test_a_pair_across_the_silence_between_journeys_is_none(told: Told) -> None:
    """The pair page → call is new in the second journey, although the first ended with a page."""
    told.tell(1, (0, PAGE), (40 * DAY, CALL), (40 * DAY + 1, PAGE), (40 * DAY + 2, CALL))
    pair = "from_type = 'web.page_viewed' AND to_type = 'support.call_ended'"
    assert told.read(f"SELECT times, journeys FROM v_directly_follows WHERE {pair}") == [(1, 1)]


def test_ties_in_time_keep_the_order_of_the_journey(told: Told) -> None:
    told.tell(1, (0, CALL), (0, PAGE), (0, PRODUCT))
    by_step = told.read("SELECT groupArray(type) FROM (SELECT type FROM v_journey_steps ORDER BY step)")
    by_pair = told.read("SELECT types FROM v_journey_paths")
    assert by_step == by_pair
    assert told.read("SELECT DISTINCT seconds FROM v_transitions WHERE seconds IS NOT NULL") == [(0.0,)]


def test_what_ends_badly(told: Told) -> None:
    told.tell(1, (0, PAGE))
    told.tell(2, (0, MAIL, {"body": '{"instrument":"nps","score":9}'}))
    # A wait of medium severity hurts, but does not make a bad end.
    told.tell(3, (0, CALL, {"body": '{"wait_s":400,"resolved":true}'}))
    told.tell(4, (0, MAIL, LOW_SCORE))
    told.tell(5, (0, "review.published", {"body": '{"rating":2,"scale":5}'}))
    told.tell(6, (0, "subscription.cancelled", {"subscription_id": "s", "body": '{"voluntary":false}'}))
    assert told.read("SELECT ends_badly FROM v_journey_paths ORDER BY customer_uid") == [
        (False,),
        (False,),
        (False,),
        (True,),
        (True,),
        (True,),
    ]
    assert told.read("SELECT kind, severity FROM v_pain_points ORDER BY customer_uid") == [
        ("long_wait", "medium"),
        ("low_score", "high"),
        ("bad_review", "medium"),
        ("churned", "medium"),
    ]


def test_an_absence_ends_a_journey_badly_only_once_it_is_due(told: Told) -> None:
    told.tell(1, (0, MAIL, LOW_SCORE))
    for due, is_bad in (("addHours(now64(3), 1)", False), ("addHours(now64(3), -1)", True)):
        told.shop.client.command(
            f"INSERT INTO stitched SELECT * REPLACE ([toNullable({due})] AS pain_due_at, now64(6) AS version) "
            "FROM stitched FINAL"
        )
        for view in ("v_journey_paths", "v_transitions", "v_journey_stages"):
            assert told.read(f"SELECT DISTINCT ends_badly FROM {view}") == [(is_bad,)]


def test_variants_collapse_repeats_and_add_up_money_by_currency(told: Told) -> None:
    told.tell(1, (0, PAGE), (1, PAGE), (2, ORDER, ordered("a", 100)))
    told.tell(2, (0, PAGE), (8, ORDER, ordered("b", 50, "USD")))
    told.tell(3, (0, CALL))
    read = told.read(
        "SELECT level, path, journeys, share, median_seconds, orders, revenue FROM v_variants "
        "ORDER BY level, journeys DESC, path"
    )
    both, money = 2, {"EUR": 100, "USD": 50}
    assert read == [
        ("channel", ["web"], both, 2 / 3, 300.0, 2, money),
        ("channel", ["phone"], 1, 1 / 3, 0.0, 0, {}),
        ("stage", ["discover", "buy"], both, 2 / 3, 300.0, 2, money),
        ("stage", ["support"], 1, 1 / 3, 0.0, 0, {}),
        ("type", [PAGE, ORDER], both, 2 / 3, 300.0, 2, money),
        ("type", [CALL], 1, 1 / 3, 0.0, 0, {}),
    ]


def test_loops_are_named_by_the_way_back(told: Told) -> None:
    told.tell(1, (0, CALL), (1, CALL), (3, PAGE), (4, PAGE), (7, CALL), (8, PRODUCT), (9, PAGE), (11, CALL))
    read = told.read("SELECT type, via, times, journeys, median_seconds FROM v_loops ORDER BY type, via")
    # From the first call of a run to the next run: minute 0 → 7, then 7 → 11; page at 3 → 9.
    assert read == [
        (CALL, [], 1, 1, 60.0),
        (CALL, [PRODUCT, PAGE], 1, 1, 240.0),
        (CALL, [PAGE], 1, 1, 420.0),
        (PAGE, [], 1, 1, 60.0),
        (PAGE, [CALL, PRODUCT], 1, 1, 360.0),
    ]


def test_a_long_way_back_is_a_loop_without_a_name_and_another_journey_is_none(told: Told) -> None:
    far = [(1, PAGE), (2, PRODUCT), (3, MAIL), (4, DELIVERED)]
    told.tell(1, (0, CALL), *far, (5, CALL), (60 * DAY, CALL), (60 * DAY + 1, PAGE))
    assert told.read("SELECT type, via, times, median_seconds FROM v_loops") == [(CALL, ["…"], 1, None)]
    told.tell(2, (0, CALL), *far[:3], (4, CALL))
    assert told.read("SELECT times, median_seconds FROM v_loops WHERE length(via) = 3") == [(1, 240.0)]


def test_stages_leave_out_what_has_none_and_their_times_add_up(told: Told) -> None:
    told.tell(1, (0, PAGE), (2, PAGE), (3, "ui.clicked"), (5, ORDER), (6, "ui.clicked"), (65, CALL), (66, ORDER))
    read = told.read(
        "SELECT episode, stage, is_first, dateDiff('second', entered_at, left_at), touchpoints, next_stage, "
        "dateDiff('second', entered_at, next_at) FROM v_journey_stages ORDER BY episode"
    )
    assert read == [
        (1, "discover", True, 120, 2, "buy", 300),
        (2, "buy", True, 0, 1, "support", 3600),
        (3, "support", True, 0, 1, "buy", 60),
        (4, "buy", False, 0, 1, "(end)", None),
    ]
    times = told.read(
        "SELECT from_stage, to_stage, times, share, median_seconds, median_silence_seconds FROM v_stage_times "
        "WHERE from_stage IN ('discover', 'buy') ORDER BY from_stage, to_stage"
    )
    assert times == [
        ("buy", "(end)", 1, 0.5, None, None),
        ("buy", "support", 1, 0.5, 3600.0, 3600.0),
        ("discover", "buy", 1, 1.0, 300.0, 180.0),
    ]
    assert told.read("SELECT stages FROM v_journey_paths") == [(["discover", "buy", "support", "buy"],)]


def test_a_journey_of_touchpoints_without_a_stage_has_no_stages(told: Told) -> None:
    told.tell(1, (0, "ui.clicked"), (1, "ui.clicked"))
    assert told.read("SELECT * FROM v_journey_stages") == []
    assert told.read("SELECT stages, types FROM v_journey_paths") == [([], ["ui.clicked"])]


def test_drop_off_tells_those_that_are_over_from_those_that_may_go_on(told: Told) -> None:
    told.tell(1, (0, PAGE), (1, PRODUCT), (2, ORDER))
    told.tell(2, (0, PAGE), (1, PRODUCT), (2, MAIL, LOW_SCORE))
    told.tell(3, (0, PAGE))
    [(minutes,)] = told.read(f"SELECT dateDiff('minute', toDateTime('{rows.START:%F %T}', 'UTC'), now('UTC'))")
    assert isinstance(minutes, int)
    told.tell(4, (minutes, PAGE), (minutes + 1, PRODUCT))
    read = told.read(
        "SELECT position, stage, journeys, dropped, waiting, went_on, share_dropped, share_ends_badly "
        "FROM v_stage_drop_off ORDER BY position"
    )
    assert read == [
        (1, "discover", 4, 1, 0, 3, 0.25, 0.25),
        (2, "consider", 3, 0, 1, 2, 0.0, 0.3333),
        (3, "buy", 1, 1, 0, 0, 1.0, 0.0),
        (8, "stay", 1, 1, 0, 0, 1.0, 1.0),
    ]


def credits_of(told: Told) -> dict[object, list[object]]:
    read = told.read(
        "SELECT model, groupArray(credit) FROM (SELECT * FROM v_attribution ORDER BY model, touch) GROUP BY model"
    )
    return {model: credit for model, credit in read if isinstance(credit, list)}


def shares(*values: str) -> list[Decimal]:
    return [Decimal(value) for value in values]


def test_models_share_the_credit_of_an_order(told: Told) -> None:
    """A call, a delivery and a visit: 14, 7 and 0 days before the order."""
    told.tell(
        1, (0, CALL), (7 * DAY, DELIVERED), (14 * DAY - 5, PAGE), (14 * DAY, "cart.item_added"),
        (14 * DAY + 0.5, ORDER, ordered("a", 1000)), (15 * DAY, CALL),
    )  # fmt: skip
    assert told.read("SELECT DISTINCT channel, touch, touches FROM v_attribution ORDER BY touch") == [
        ("phone", 1, 3),
        ("post", 2, 3),
        ("web", 3, 3),
    ]
    found = credits_of(told)
    assert found["first"] == shares("1", "0", "0")
    assert found["last"] == shares("0", "0", "1")
    assert found["linear"] == shares("0.333333", "0.333334", "0.333333")
    assert found["position"] == shares("0.4", "0.2", "0.4")
    # Halves every seven days, from the last order: 2^-2.00005, 2^-1.00005, 2^-0.00055 of their sum.
    weights = [2 ** -((14 * DAY + 0.5 - minute) / (7 * DAY)) for minute in (0, 7 * DAY, 14 * DAY - 5)]
    expected = [round(weight / sum(weights), 5) for weight in weights]
    assert [round(float(str(credit)), 5) for credit in found["time_decay"]] == pytest.approx(expected, abs=2e-5)


def test_money_is_shared_to_the_last_cent_by_currency(told: Told) -> None:
    told.tell(
        1, (0, CALL), (1, MAIL), (2, DELIVERED), (3, ORDER, ordered("a", 100)), (4, ORDER, ordered("b", 1, "JPY")),
        (5, ORDER, ordered("c", 7)),
    )  # fmt: skip
    sums = told.read("SELECT model, sum(credit), sumMap(revenue) FROM v_attribution GROUP BY model ORDER BY model")
    whole = {"EUR": 107, "JPY": 1}
    assert sums == [(model, Decimal(1), whole) for model in ("first", "last", "linear", "position", "time_decay")]
    linear = told.read("SELECT revenue FROM v_attribution WHERE model = 'linear' ORDER BY touch")
    assert [row[0] for row in linear] == [{"EUR": 36, "JPY": 0}, {"EUR": 35, "JPY": 1}, {"EUR": 36, "JPY": 0}]


def test_an_order_that_nothing_led_to_has_itself_as_touch(told: Told) -> None:
    told.tell(1, (0, "cart.item_added"), (1, ORDER, ordered("a", 10)), (2, CALL))
    assert told.read("SELECT DISTINCT touch, touches, channel, type, credit FROM v_attribution") == [
        (1, 1, "web", ORDER, Decimal(1))
    ]


def test_a_visit_is_one_touch_even_when_a_call_comes_between_and_ends_share_with_two(told: Told) -> None:
    told.tell(1, (0, PAGE, {"channel_group": "Email"}), (1, PAGE), (2, CALL), (3, PRODUCT), (4, ORDER, ordered("a")))
    assert told.read(
        "SELECT channel, channel_group, type, credit, revenue FROM v_attribution "
        "WHERE model = 'position' ORDER BY touch"
    ) == [("web", "Email", PAGE, Decimal("0.5"), {}), ("phone", None, CALL, Decimal("0.5"), {})]


def test_journeys_without_orders_have_no_attribution(told: Told) -> None:
    told.tell(1, (0, CALL), (1, ORDER))
    assert told.read("SELECT * FROM v_attribution") == []


def test_other_rules_do_not_show(told: Told) -> None:
    told.tell(1, (0, PAGE), (1, CALL), (2, PAGE), (3, ORDER, ordered("a")))
    told.shop.client.command("INSERT INTO active_rules VALUES (2, now64(6))")
    for view in (*GROUPED, *SINGLE):
        assert told.read(f"SELECT * FROM {view}") == []


def test_shares_add_up_to_one_exactly_enough(told: Told) -> None:
    """Seven ways out of one type, and seven variants: thirds and sevenths rounded to four digits would not."""
    for number in range(7):
        told.tell(number, (0, PAGE), *((1 + step, PRODUCT if step % 2 else CALL) for step in range(number)))
    for view, parted_by in (
        ("v_variants", "level"),
        ("v_directly_follows", "from_type"),
        ("v_stage_times", "from_stage"),
    ):
        sums = told.read(f"SELECT sum(share) FROM {view} GROUP BY {parted_by}")
        assert sums and all(row == (pytest.approx(1, abs=1e-9),) for row in sums), view
