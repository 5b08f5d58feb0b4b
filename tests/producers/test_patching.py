"""Patches: each step does what it says, twice as once, and tells what it cannot do."""

import copy
from typing import Any

import pytest

from pipeline.producers.patching import PatchError, parse_steps, patched

EVENT: dict[str, Any] = {
    "id": "e-1",
    "identities": [{"kind": "mail", "value": "a@b.c"}],
    "body": {"rating": "4", "note": "x", "paid": "yes", "at": "2026-03-01 10:00:00"},
}


def after(*lines: str) -> dict[str, Any]:
    before = copy.deepcopy(EVENT)
    made = patched(EVENT, parse_steps(lines))
    assert before == EVENT, "the given touchpoint is not changed"
    assert patched(made, parse_steps(lines)) == made, "patching twice is patching once"
    return made


@pytest.mark.parametrize(
    ("line", "pointer", "expected"),
    [
        ('set /source "shop"', "source", "shop"),
        ("set /source shop", "source", "shop"),
        ("set /revision 2", "revision", 2),
        ("set /refs/order_id o-1", "refs", {"order_id": "o-1"}),
        ("set /identities/0/kind email", "identities", [{"kind": "email", "value": "a@b.c"}]),
        ('set /tags/0 "a b"', "tags", ["a b"]),
        ("cast /body/rating integer", "body", {**EVENT["body"], "rating": 4}),
        ("cast /body/rating number", "body", {**EVENT["body"], "rating": 4.0}),
        ("cast /body/paid boolean", "body", {**EVENT["body"], "paid": True}),
        ("cast /body/at time", "body", {**EVENT["body"], "at": "2026-03-01T10:00:00+00:00"}),
        ("cast /body/note list", "body", {**EVENT["body"], "note": ["x"]}),
        ("drop /body/note", "body", {name: value for name, value in EVENT["body"].items() if name != "note"}),
        ("drop /body/nothing", "body", EVENT["body"]),
        ("rename /nothing /body/score", "body", EVENT["body"]),
        ("drop /identities/0", "identities", []),
    ],
)
def test_a_step_does_what_it_says(line: str, pointer: str, expected: object) -> None:
    if line == "drop /identities/0":
        assert patched(EVENT, parse_steps([line]))[pointer] == expected  # a list shrinks each time
    else:
        assert after(line)[pointer] == expected


def test_steps_are_done_in_their_order() -> None:
    made = after("rename /body/rating /body/score", "cast /body/score integer", "drop /body/note", "# a remark", "")
    assert made["body"] == {"score": 4, "paid": "yes", "at": "2026-03-01 10:00:00"}


@pytest.mark.parametrize(
    "line",
    ["mend it", "set /x", "cast /x colour", "drop x", "rename /x", "set / 1", "set /a//b 1", "cast /x"],
)
def test_what_is_no_step_is_refused(line: str) -> None:
    with pytest.raises(PatchError, match=r"step|pointer|cast to"):
        parse_steps([line])


@pytest.mark.parametrize(
    "line",
    [
        "cast /body/note integer",
        "cast /id number",
        "cast /body/note boolean",
        "cast /body/note time",
        "set /id/inside 1",
        "set /identities/7/kind email",
    ],
)
def test_what_cannot_be_done_is_told_with_the_step(line: str) -> None:
    with pytest.raises(PatchError, match=line):
        patched(EVENT, parse_steps([line]))
