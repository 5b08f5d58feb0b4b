"""The other forms in which touchpoints come: CloudEvents and the Segment wire format."""

import base64
from typing import Any

import orjson
import pytest

from pipeline.contracts.reasons import Problem
from pipeline.contracts.schemas import body_fields
from pipeline.contracts.touchpoint import parse_touchpoint
from pipeline.contracts.types import touchpoint_types
from pipeline.producers.collector.answers import RequestRefused
from pipeline.producers.collector.cloudevents import read_batched, read_binary, read_structured
from pipeline.producers.collector.keys import WriteKey
from pipeline.producers.collector.reading import Arrival, Unreadable
from pipeline.producers.collector.segment import FirstReceipts, reader
from pipeline.producers.segment import VOCABULARIES, Sender, Translated, to_touchpoint, vocabulary

NOW = 1_790_000_000_000
CLOUD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "c-1",
    "type": "web.page_viewed",
    "source": "shop",
    "time": "2026-03-01T10:04:00Z",
    "data": {"identities": [{"kind": "cookie_id", "value": "c"}], "body": {"dwell_ms": 3}},
}


def arrival(kind: str = "", **headers: str) -> Arrival:
    return Arrival(WriteKey("shop"), NOW, 100, {name.replace("_", "-"): value for name, value in headers.items()}, kind)


def parsed(translated: object) -> dict[str, Any]:
    assert isinstance(translated, Translated), translated
    event = parse_touchpoint(translated.touchpoint)
    assert isinstance(event, dict), event
    return event


def test_all_three_forms_of_a_cloud_event_are_the_same_touchpoint() -> None:
    (structured,) = read_structured(orjson.dumps(CLOUD), arrival())
    (batched,) = read_batched(orjson.dumps([CLOUD]), arrival())
    headers = {f"ce_{name}": value for name, value in CLOUD.items() if name != "data"}
    (binary,) = read_binary(orjson.dumps(CLOUD["data"]), arrival(**headers))
    assert parsed(structured) == parsed(batched) == parsed(binary)
    event = parsed(structured)
    assert (event["id"], event["source"], event["occurred_at"]) == ("c-1", "shop", 1_772_359_440_000)
    assert event["body"] == {"dwell_ms": 3}


def test_data_may_come_in_base64_and_headers_percent_encoded() -> None:
    packed = {**CLOUD, "data": None, "data_base64": base64.b64encode(orjson.dumps(CLOUD["data"])).decode()}
    (event,) = read_structured(orjson.dumps(packed), arrival())
    assert parsed(event)["body"] == {"dwell_ms": 3}
    headers = {f"ce_{name}": str(value) for name, value in CLOUD.items() if name != "data"} | {"ce_id": "%C3%A4"}
    (binary,) = read_binary(orjson.dumps(CLOUD["data"]), arrival(**headers))
    assert parsed(binary)["id"] == "ä"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"specversion": None}, "/specversion"),
        ({"specversion": "0.3"}, "/specversion"),
        ({"data": [1]}, "/data"),
        ({"data": {**CLOUD["data"], "id": "other"}}, "/data/id"),
        ({"data": None, "data_base64": "???"}, "/data_base64"),
    ],
)
def test_a_faulty_cloud_event_is_told_where_it_is_faulty(change: dict[str, Any], pointer: str) -> None:
    (event,) = read_structured(orjson.dumps({**CLOUD, **change}), arrival())
    assert isinstance(event, Unreadable)
    assert (event.event_id, event.problem.pointer) == ("c-1", pointer)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"time": None}, "/time"),
        ({"type": "web.sung"}, "/type"),
        ({"data": {"identities": [{"kind": "cookie_id"}]}}, "/data/identities/0/value"),
        ({"data": {"nonsense": 1, **CLOUD["data"]}}, "/data/nonsense"),
    ],
)
def test_faults_of_the_touchpoint_are_told_where_they_stand(change: dict[str, Any], pointer: str) -> None:
    (event,) = read_structured(orjson.dumps({**CLOUD, **change}), arrival())
    assert isinstance(event, Translated)
    problems = parse_touchpoint(event.touchpoint)
    assert isinstance(problems, list)
    assert [event.place(problem.pointer) for problem in problems] == [pointer]


def test_a_batch_that_is_no_array_is_refused() -> None:
    with pytest.raises(RequestRefused):
        read_batched(orjson.dumps(CLOUD), arrival())


def test_every_name_means_a_type_and_fields_that_exist() -> None:
    for order in [VOCABULARIES, *((each,) for each in VOCABULARIES)]:
        for name, naming in vocabulary(order).items():
            row = touchpoint_types()[naming.type]
            assert {*naming.body, *naming.constants} <= set(row.body), name
            assert set(naming.context) <= {"url", "referrer", "title"}, name
            made = to_touchpoint(
                {"type": "track", "event": name, "userId": "u"}, Sender("s", names=vocabulary(order)), NOW
            )
            if not row.required:
                assert parsed(made)["type"] == naming.type
            for field, value in naming.constants.items():
                kinds = {"string": str, "boolean": bool, "enum": str}
                assert isinstance(value, kinds[body_fields(row.family)[field].kind]), (name, field)


def message(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "messageId": "m-1", "timestamp": "2026-03-01T10:04:00.123Z", "userId": "u", **fields}


def made(**fields: Any) -> dict[str, Any]:
    return parsed(to_touchpoint(message(**fields), Sender("shop"), NOW))


def attributes(event: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in event["attributes"]}


def test_an_order_of_the_spec_becomes_an_order() -> None:
    products = [{"product_id": "p-1", "price": 5.5, "quantity": 2, "brand": "x"}, {"sku": "p-2", "price": "3"}]
    event = made(
        event="Order Completed",
        properties={
            "order_id": "o-1",
            "total": "19.995",
            "revenue": 3,
            "currency": "eur",
            "products": products,
            "tax": 2,
        },
    )
    assert (event["type"], event["source"], event["id"]) == ("order.placed", "shop", "m-1")
    assert event["amount"] == {"minor": 2000, "currency": "EUR"}
    assert (event["refs"]["order_id"], event["refs"]["product_ids"]) == ("o-1", ["p-1", "p-2"])
    assert event["body"]["lines"] == [
        {"product_id": "p-1", "quantity": 2.0, "price_minor": 550},
        {"product_id": "p-2", "price_minor": 300},
    ]
    assert attributes(event) == {"revenue": "3", "tax": "2", "products": orjson.dumps(products).decode()}


@pytest.mark.parametrize(
    ("properties", "amount"),
    [
        ({"total": 1, "revenue": 2, "value": 3}, (100, "USD")),
        ({"revenue": 2, "value": 3}, (200, "USD")),
        ({"value": 3.005, "currency": "KWD"}, (3005, "KWD")),
        ({"value": 2.5, "currency": "JPY"}, (3, "JPY")),
        ({"value": -2.5, "currency": "JPY"}, (-3, "JPY")),
        ({"value": True}, None),
        ({"value": "NaN"}, None),
        ({"value": "1e400"}, None),
        ({"value": 3, "currency": "gold"}, None),
    ],
)
def test_money_is_total_else_revenue_else_value(properties: dict[str, Any], amount: tuple[int, str] | None) -> None:
    event = made(event="Order Completed", properties=properties)
    assert event["amount"] == (amount and {"minor": amount[0], "currency": amount[1]})


def test_a_name_that_nobody_knows_keeps_all_its_properties() -> None:
    properties = {
        "plan": "pro",
        "seats": 3,
        "value": 2,
        "deep": {"a": [1, None]},
        "none": None,
        "on": True,
        "order_id": "o",
    }
    event = made(event="Seat Map Opened", properties=properties)
    assert (event["type"], event["body"]) == ("custom.tracked", {"name": "Seat Map Opened"})
    assert attributes(event) == {
        "plan": "pro", "seats": "3", "value": "2", "deep": '{"a":[1,null]}', "on": "true", "order_id": "o",
    }  # fmt: skip
    assert event["refs"]["order_id"] == "o"


def test_what_does_not_fit_its_field_stays_an_attribute() -> None:
    event = made(event="Product Reviewed", properties={"rating": "4.5", "verified": "perhaps", "review_body": "Fine"})
    assert event["body"] == {"rating": 4.5, "text": "Fine"}
    assert attributes(event) == {"verified": "perhaps"}


def test_words_of_a_chat_are_kept_only_as_their_hash() -> None:
    event = made(event="Live Chat Message Sent", properties={"message_body": "My parcel!", "conversation_id": "v"})
    assert event["body"]["party"] == "customer"
    assert len(event["body"]["text_hash"]) == 32
    assert attributes(event) == {}
    assert event["refs"]["conversation_id"] == "v"


def identities(event: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["kind"], each["value"]) for each in event["identities"]]


def test_who_it_was() -> None:
    context = {"traits": {"email": "maja@example.org", "phone": 4930123456}}
    event = made(
        type="identify", anonymousId="a-1", traits={"email": "maja@example.org", "plan": "pro"}, context=context
    )
    assert event["type"] == "account.identified"
    assert identities(event) == [
        ("customer_id", "u"),
        ("email", "maja@example.org"),
        ("phone", "4930123456"),
        ("cookie_id", "a-1"),
    ]
    assert attributes(event) == {"plan": "pro"}
    app = made(event="x", userId=None, anonymousId="a-1", context={"device": {"type": "iOS"}})
    assert (identities(app), app["channel"]) == ([("device_id", "a-1")], "app")
    assert identities(made(event="x", userId=7)) == [("customer_id", "7")]


def test_the_other_kinds_of_messages() -> None:
    page = made(type="page", category="boots", name="Boots", properties={"url": "https://s.example/b", "title": "T"})
    assert (page["type"], page["context"]["url"], page["body"]) == (
        "web.page_viewed",
        "https://s.example/b",
        {"content_group": "boots"},
    )
    screen = made(type="screen", name="Cart", anonymousId="a")
    assert (screen["type"], screen["body"], screen["channel"]) == ("app.screen_viewed", {"screen": "Cart"}, "app")
    group = made(type="group", groupId="g-1", traits={"email": "info@acme.example", "name": "ACME"})
    assert (group["type"], group["body"], identities(group)) == (
        "account.grouped",
        {"group_id": "g-1"},
        [("customer_id", "u")],
    )
    alias = made(type="alias", previousId="p")
    assert (alias["type"], alias["body"]["a"], alias["body"]["b"]) == (
        "identity.aliased",
        {"kind": "customer_id", "value": "p"},
        {"kind": "customer_id", "value": "u"},
    )


def test_circumstances_and_consent() -> None:
    context = {
        "page": {"url": "https://s.example/", "referrer": "https://r.example/"},
        "campaign": {"name": "spring", "source": "news"},
        "userAgent": "UA",
        "locale": "de-DE",
        "consent": {"categoryPreferences": {"Advertising": False, "Analytics": True}},
        "sessionId": 17,
    }
    event = made(event="x", context=context)
    assert event["context"] == {
        "url": "https://s.example/", "referrer": "https://r.example/", "user_agent": "UA", "locale": "de-DE",
        "utm_campaign": "spring", "utm_source": "news",
    }  # fmt: skip
    assert event["consent"] == [{"purpose": "Advertising", "granted": False}, {"purpose": "Analytics", "granted": True}]
    assert event["session_id"] == "17"


def test_the_time_is_timestamp_else_original_timestamp_else_the_receipt() -> None:
    assert made(event="x", originalTimestamp="2020-01-01T00:00:00Z")["occurred_at"] == 1_772_359_440_123
    assert made(event="x", timestamp=None, originalTimestamp="2020-01-01T00:00:00")["occurred_at"] == 1_577_836_800_000
    assert made(event="x", timestamp=None)["occurred_at"] == NOW
    assert made(event="x", sentAt="nonsense")["sent_at"] is None


def test_without_an_id_the_same_message_gets_the_same_one_if_it_tells_its_time() -> None:
    one, again = made(messageId=None, event="x", sentAt="2026-03-01T10:05:00Z"), made(messageId=None, event="x")
    assert one["id"] == again["id"]
    assert one["id"] != made(messageId=None, event="y")["id"]


def test_a_batch_shares_its_context_and_its_bad_messages_cost_nobody() -> None:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep]
    batch = {
        "sentAt": "2026-03-01T10:05:00Z",
        "context": {"locale": "de-DE", "ip": "192.0.2.1"},
        "batch": [
            message(event="x", context={"ip": "192.0.2.2"}),
            7,
            message(type="sing"),
            message(event="x", properties={"deep": deep}),
            message(event="x", properties={str(number): 1 for number in range(1_001)}),
        ],
    }
    first, *bad = reader("USD", VOCABULARIES)(orjson.dumps(batch), arrival("batch"))
    event = parsed(first)
    assert event["context"] == {"locale": "de-DE", "ip": "192.0.2.2"}
    assert event["sent_at"] == 1_772_359_500_000
    assert [(each.event_id, each.problem.reason) for each in bad if isinstance(each, Unreadable)] == [
        (None, "wrong_type"),
        ("m-1", "unknown_type"),
        ("m-1", "too_large"),
        ("m-1", "too_large"),
    ]


def test_faults_are_told_where_the_message_has_them() -> None:
    translated = to_touchpoint(message(timestamp="soon", userId=None), Sender("shop"), NOW)
    assert isinstance(translated, Translated)
    problems = parse_touchpoint(translated.touchpoint)
    assert isinstance(problems, list)
    assert {translated.place(each.pointer) for each in problems} == {"/timestamp", "/event", "/userId"}
    assert isinstance(to_touchpoint(3, Sender("shop"), NOW), Problem)


def test_a_message_without_a_time_that_is_sent_again_stays_the_same_touchpoint() -> None:
    read = reader("USD", VOCABULARIES)
    body = orjson.dumps(message(event="x", timestamp=None))
    later = Arrival(WriteKey("shop"), NOW + 5_000, 100, {}, "track")
    (first,), (again,) = read(body, arrival("track")), read(body, later)
    assert parsed(first)["occurred_at"] == parsed(again)["occurred_at"] == NOW
    (other,) = read(orjson.dumps(message(event="x", timestamp=None, messageId="m-2")), later)
    assert parsed(other)["occurred_at"] == NOW + 5_000


def test_first_receipts_are_bounded() -> None:
    receipts = FirstReceipts(10)
    for number in range(1_000):
        assert receipts.of("s", {"messageId": f"{number}"}, number) == number
        assert receipts.of("s", {"messageId": f"{number}"}, number + 1) == number
    assert receipts.of("s", {"messageId": "0"}, 5_000) == 5_000
    assert receipts.of("s", {"messageId": "998"}, 5_000) == 998
