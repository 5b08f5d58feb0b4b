"""The golden examples say today what they said when they were written."""

import pytest

from pipeline.contracts.examples import example_of
from pipeline.contracts.schemas import body_fields, envelope_fields
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.touchpoint import decode_touchpoint, encode_touchpoint, to_json
from pipeline.contracts.types import FAMILIES, touchpoint_types
from pipeline.contracts.wire import HEADER_BYTES
from tests.contracts.golden import FOLDER, example, parsed

TYPES = tuple(touchpoint_types())


def test_every_example_is_of_a_type_and_lies_there_as_json_and_bytes() -> None:
    """A type needs none (one is made of its fields), but one that was written has both forms."""
    written = {file.stem for file in FOLDER.glob("*.json")}
    assert written <= set(TYPES)
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.{e}" for name in written for e in ("json", "avro")}


@pytest.mark.parametrize("name", TYPES)
def test_an_example_that_nobody_wrote_is_made_of_the_fields(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.contracts.examples.schemas_folder", lambda: FOLDER / "nowhere")
    made = example_of(name)
    row = touchpoint_types()[name]
    assert set(made.get("body", {})) == set(row.body)
    event = parsed(made)
    assert decode_touchpoint(encode_touchpoint(event).value) == event


@pytest.mark.parametrize("name", TYPES)
def test_bytes_and_json_are_the_same_touchpoint(name: str) -> None:
    """Recorded bytes decode to the event of the JSON, and by the same schema the event encodes to exactly these."""
    event = parsed(example(name))
    file = FOLDER / f"{name}.avro"
    recorded = file.read_bytes() if file.exists() else encode_touchpoint(event).value
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
