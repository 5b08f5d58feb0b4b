"""The golden examples say today what they said when they were written."""

import pytest

from pipeline.contracts.schemas import body_fields, envelope_fields
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.touchpoint import decode_touchpoint, encode_touchpoint, to_json
from pipeline.contracts.types import FAMILIES, touchpoint_types
from pipeline.contracts.wire import HEADER_BYTES
from tests.contracts.golden import FOLDER, example, parsed

TYPES = tuple(touchpoint_types())


def test_every_type_has_an_example_and_nothing_else_lies_there() -> None:
    """A type without an example is not finished."""
    expected = {f"{name}.{ending}" for name in TYPES for ending in ("json", "avro")}
    assert {file.name for file in FOLDER.iterdir()} == expected


@pytest.mark.parametrize("name", TYPES)
def test_bytes_and_json_are_the_same_touchpoint(name: str) -> None:
    """Recorded bytes decode to the event of the JSON, and by the same schema the event encodes to exactly these."""
    event = parsed(example(name))
    recorded = (FOLDER / f"{name}.avro").read_bytes()
    assert decode_touchpoint(recorded) == event
    encoded = encode_touchpoint(event)
    if recorded[:HEADER_BYTES] == encoded.value[:HEADER_BYTES]:
        assert encoded.value == recorded
    assert encoded.topic == topic_of_family(touchpoint_types()[name].family)


@pytest.mark.parametrize("name", TYPES)
def test_json_is_what_to_json_shows(name: str) -> None:
    """What is shown reads back as the same event and has no field that the example lacks but defaults."""
    event = parsed(example(name))
    shown = to_json(event)
    assert parsed(shown) == event
    assert set(shown) - set(example(name)) <= {"channel", "direction"}


@pytest.mark.parametrize("family", FAMILIES)
def test_examples_show_every_body_field(family: str) -> None:
    """A field that no example uses is a field that nobody has tried."""
    shown: set[str] = set()
    for row in touchpoint_types().values():
        if row.family == family:
            shown |= set(example(row.name).get("body") or {})
    assert shown == set(body_fields(family))


def test_examples_show_every_envelope_field() -> None:
    """The same for the envelope and its records."""
    examples = [example(name) for name in TYPES]
    shown = {name for touchpoint in examples for name in touchpoint}
    assert shown == {*envelope_fields(), "body"}
    for name in ("refs", "context"):
        used = {field for touchpoint in examples for field in touchpoint.get(name, {})}
        assert used == {field.name for field in envelope_fields()[name].fields}
