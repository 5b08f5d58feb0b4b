"""What is believed of a registry's answers, and what is not."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.cli.rejected_mending import opened_letters
from pipeline.config import IdentitySettings
from pipeline.config_registry import RegistrySettings
from pipeline.contracts.examples import example_of
from pipeline.contracts.schemas import WriterSchema, family_schema, writer_schema
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.producers.admission import Admission
from pipeline.producers.mending import mend
from pipeline.registry.client import RegistryClient, RegistryRefused, RegistryUnavailable
from pipeline.registry.framing import RegistryFraming
from pipeline.registry.schemas import Foreign, IdResolver, Unresolved
from pipeline.warehouse.dead_letters import DeadLetter
from tests.registry.servers import Misbehaving

LATER = timedelta(seconds=5)
ORDERS = dict(family_schema("orders"))


def settings(url: str) -> RegistrySettings:
    return RegistrySettings(url=SecretStr(url), timeout=timedelta(seconds=2), retry_after=LATER)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def answer(schema: object) -> dict[str, Any]:
    return {"schema": json.dumps(schema)}


GARBAGE: dict[str, tuple[int, object]] = {
    "no JSON": (200, b"<html>hello</html>"),
    "no UTF-8": (200, b"\xff\xfe"),
    "a list": (200, []),
    "no schema in it": (200, {"id": 1}),
    "a schema that is no JSON": (200, {"schema": "record"}),
    "a schema that is no record": (200, {"schema": '"string"'}),
    "a schema that is no text": (200, {"schema": 5}),
    "Protobuf": (200, {"schema": "message A {}", "schemaType": "PROTOBUF"}),
    "a proxy's 404": (404, b"<html>not found</html>"),
    "another 404": (404, {"error_code": 1}),
    "an error of the server": (500, {"error_code": 50001}),
    "unavailable": (503, b""),
    "too many": (429, b""),
    "nonsense": (200, b"{" * 100_000),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_and_trouble_are_no_answer(misbehaving: Misbehaving, name: str) -> None:
    misbehaving.says(*GARBAGE[name])
    with pytest.raises(RegistryUnavailable):
        RegistryClient(settings(misbehaving.url)).schema_of(7)
    resolver = IdResolver(RegistryClient(settings(misbehaving.url)), LATER)
    assert isinstance(resolver.resolve(7), Unresolved)


def test_no_registry_is_no_answer_either() -> None:
    with pytest.raises(RegistryUnavailable):
        RegistryClient(settings("http://127.0.0.1:9/apis")).schema_of(7)


def test_only_the_registrys_own_word_says_that_there_is_none(misbehaving: Misbehaving) -> None:
    misbehaving.says(404, {"error_code": 40403, "message": "Schema not found"})
    assert RegistryClient(settings(misbehaving.url)).schema_of(7) is None
    misbehaving.says(401, {"error_code": 40101, "message": "who are you?"})
    with pytest.raises(RegistryRefused, match="who are you"):
        RegistryClient(settings(misbehaving.url)).schema_of(7)


def test_ids_are_asked_for_once_and_trouble_not_with_every_record(misbehaving: Misbehaving) -> None:
    clock = Clock()
    resolver = IdResolver(RegistryClient(settings(misbehaving.url)), LATER, clock)
    misbehaving.says(503, b"")
    for schema_id in (7, 7, 8):
        assert isinstance(resolver.resolve(schema_id), Unresolved)
    assert len(misbehaving.asked) == 1
    misbehaving.says(404, {"error_code": 40403})
    clock.now = 6
    for schema_id in (7, 7, 8):
        assert isinstance(resolver.resolve(schema_id), Unresolved)
    assert len(misbehaving.asked) == 3
    misbehaving.says(200, answer(ORDERS))
    clock.now = 12
    for _ in range(3):
        assert resolver.resolve(7) == writer_schema("orders")
    assert len(misbehaving.asked) == 4
    assert resolver.schema_by_fingerprint(writer_schema("orders").fingerprint) is not None


FOREIGN = {
    "somebody else's": {"type": "record", "name": "Invoice", "fields": [{"name": "a", "type": "int"}]},
    "recursive": {**ORDERS, "fields": [*ORDERS["fields"], {"name": "x", "type": ["null", "OrdersTouchpoint"]}]},
    "a bomb": {**ORDERS, "fields": [*ORDERS["fields"], {"name": "x", "type": {"type": "array", "items": "null"}}]},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_schemas_of_others_and_unsafe_ones_are_known_as_such(misbehaving: Misbehaving, name: str) -> None:
    misbehaving.says(200, answer(FOREIGN[name]))
    resolver = IdResolver(RegistryClient(settings(misbehaving.url)), LATER)
    assert isinstance(resolver.resolve(7), Foreign)


def test_a_frame_is_looked_up_once_and_an_unregistered_schema_refused(misbehaving: Misbehaving) -> None:
    event = parse_touchpoint(example_of("order.placed"))
    assert isinstance(event, dict)
    record = encode_touchpoint(event)
    clock = Clock()
    framing = RegistryFraming(RegistryClient(settings(misbehaving.url)), LATER, clock)
    misbehaving.says(404, {"error_code": 40403})
    with pytest.raises(RegistryRefused, match="throughline schemas register"):
        framing(record)
    misbehaving.says(503, b"")
    for _ in range(3):
        with pytest.raises(RegistryUnavailable):
            framing(record)
    assert len(misbehaving.asked) == 2
    clock.now = 6
    misbehaving.says(200, {"id": 259})
    framed = [framing(record) for _ in range(3)]
    assert len(misbehaving.asked) == 3
    assert framed[0].value == b"\0\0\0\1\3" + record.value[10:]
    assert isinstance(writer_schema("orders"), WriterSchema)


def test_a_dead_letter_from_before_the_registry_is_opened(misbehaving: Misbehaving) -> None:
    """What was rejected because nobody could say what its id names can be mended once somebody can."""
    event = parse_touchpoint(example_of("order.placed"))
    assert isinstance(event, dict)
    payload = b"\0\0\0\0\7" + encode_touchpoint(event).value[10:]
    letter = DeadLetter("log", "touchpoints.orders", 0, 1, 2**41, "unknown_schema", "", "", "open", payload, b"")
    admission = Admission(IdentitySettings(), 1_048_576, keeps_receipt=True)
    unopened, schema_of = opened_letters([letter], RegistrySettings())
    assert mend(unopened[0], (), admission, schema_of).admitted is None
    misbehaving.says(200, answer(ORDERS))
    letters, schema_of = opened_letters([letter], settings(misbehaving.url))
    mended = mend(letters[0], (), admission, schema_of)
    assert mended.admitted is not None
    assert mended.admitted.event_id == event["id"]
