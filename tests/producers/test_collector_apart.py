"""Events of other forms that no strict reader takes, among others."""

import orjson
import pytest

from pipeline.producers.collector.cloudevents import read_batched, read_binary, read_structured
from pipeline.producers.collector.reading import Unreadable
from pipeline.producers.collector.segment import reader, written_key
from pipeline.producers.segment import VOCABULARIES, Sender, Translated, to_touchpoint
from tests.producers.test_collector_forms import CLOUD, NOW, arrival, message, parsed


def test_one_message_that_cannot_be_read_costs_no_other() -> None:
    read = reader("USD", VOCABULARIES)
    good, bad = orjson.dumps(message(event="x")), orjson.dumps(message(event="?")).replace(b"?", b"\\ud83d")
    body = b'{"writeKey": "wk", "context": {"locale": "de-DE"}, "batch": [' + b",".join((good, bad, good)) + b"]}"
    first, refused, last = read(body, arrival("batch"))
    assert parsed(first)["context"] == parsed(last)["context"] == {"locale": "de-DE"}
    assert isinstance(refused, Unreadable)
    assert (refused.event_id, refused.problem.reason, refused.problem.pointer) == ("m-1", "invalid_value", "/event")
    assert written_key(body) == "wk"
    (single,) = read(bad, arrival("track"))
    assert isinstance(single, Unreadable)
    around = read(body.replace(b"de-DE", b"\\udc00"), arrival("batch"))
    assert [each.problem.pointer for each in around if isinstance(each, Unreadable)] == [
        "/context/locale",
        "/event",
        "/context/locale",
    ]


@pytest.mark.parametrize("odd", ["plain text", ["a", 1]])
def test_properties_that_are_no_object_are_kept(odd: object) -> None:
    event = parsed(to_touchpoint(message(event="x", properties=odd), Sender("shop"), NOW))
    (kept,) = event["attributes"]
    assert kept == {"key": "properties", "value": odd if isinstance(odd, str) else '["a",1]'}


def test_the_time_of_a_message_without_one_is_in_its_id() -> None:
    timed = message(event="x", timestamp=None, messageId="019d7b8c-4c00-7abc-8def-0123456789ab")
    untimed = {**timed, "messageId": "4c3f1f0e-4c00-4abc-8def-0123456789ab"}
    events = [to_touchpoint(each, Sender("shop"), NOW) for each in (timed, untimed, message(event="x"))]
    assert [parsed(each)["occurred_at"] for each in events] == [0x019D7B8C4C00, NOW, 1_772_359_440_123]
    assert [each.warning is not None for each in events if isinstance(each, Translated)] == [False, True, False]


def test_a_cloud_event_that_cannot_be_read_costs_no_other() -> None:
    good, bad = orjson.dumps(CLOUD), orjson.dumps({**CLOUD, "data": "?"}).replace(b"?", b"\\ud83d")
    first, refused = read_batched(b"[" + good + b"," + bad + b"]", arrival())
    assert parsed(first)["id"] == "c-1"
    (structured,) = read_structured(bad, arrival())
    (binary,) = read_binary(b'"\\ud83d"', arrival(ce_specversion="1.0", ce_id="c-1"))
    for each in (refused, structured, binary):
        assert isinstance(each, Unreadable)
        assert (each.event_id, each.problem.reason, each.problem.pointer) == ("c-1", "invalid_value", "/data")
