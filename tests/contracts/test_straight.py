"""The straight way to the wire and the careful one write the same bytes, or the straight one steps back."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.schemas import schemas_folder
from pipeline.contracts.straight import write_straight
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.contracts.types import STATEMENT_TYPES

EXAMPLES = sorted((schemas_folder() / "examples").glob("*.json"))
NOW = 1_790_000_000_000

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 66), 1 << 66),
    st.floats(),
    st.text(max_size=80),
    st.sampled_from(["2026-03-01T10:04:00Z", "2026-03-01T10:04:60Z", "2026-03-01T100400.1Z", "EUR", "web", "", "0"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["kind", "value", "minor", "utm", "x"]), st.integers() | st.text(), max_size=2),
)


def example(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def agree(touchpoint: object, *, keeps_receipt: bool = False) -> bool:
    """Assert that both ways agree; returns whether the straight one was taken."""
    straight = write_straight(touchpoint, NOW, keeps_receipt=keeps_receipt)
    if straight is None:
        return False
    event = parse_touchpoint(touchpoint)
    assert isinstance(event, dict), event
    if event["received_at"] is None or not keeps_receipt:
        event["received_at"] = NOW
    assert straight.record == encode_touchpoint(event)
    assert (straight.occurred_at, straight.received_at) == (event["occurred_at"], event["received_at"])
    assert straight.content == encode_touchpoint({**event, "sent_at": None, "received_at": None}).value
    return True


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_type_goes_straight_but_statements(path: Path) -> None:
    assert agree(example(path)) == (path.stem not in STATEMENT_TYPES)
    assert agree(example(path), keeps_receipt=True) == (path.stem not in STATEMENT_TYPES)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_whatever_is_changed_both_agree(data: st.DataObject) -> None:
    touchpoint = example(data.draw(st.sampled_from(EXAMPLES)))
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = touchpoint
        while True:
            steps = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            step = data.draw(st.sampled_from([*steps, "new"] if isinstance(place, dict) else steps))
            inner = place.get(step) if isinstance(place, dict) else place[step]
            if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
                break
            place = inner
        match data.draw(st.integers(0, 2)) if isinstance(place, dict) else 0:
            case 0:
                place[step] = data.draw(ODD)
            case 1:
                place.pop(step, None)
            case _:
                place[step] = copy.deepcopy(example(data.draw(st.sampled_from(EXAMPLES))).get(str(step)))
    agree(touchpoint, keeps_receipt=data.draw(st.booleans()))


@pytest.mark.parametrize("value", [None, [], "text", 3, {}, {"type": []}, {"type": "web.sung"}])
def test_what_is_no_touchpoint_is_left_to_the_careful_way(value: object) -> None:
    assert write_straight(value, NOW, keeps_receipt=False) is None
