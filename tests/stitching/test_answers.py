"""Whoever changes an answer raises the version that tells so, or results of before pass for those of today."""

import json
from copy import deepcopy
from typing import Any

import pytest

from pipeline.stitching.pain import RULES
from pipeline.warehouse.rules_document import ANSWERS
from tests.stitching import answers


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return answers.record_now()


def test_an_answer_changes_only_with_its_version(now: dict[str, Any]) -> None:
    recorded = json.loads(answers.RECORDED.read_text(encoding="utf-8"))
    assert not answers.unversioned(recorded, now), (
        "answered in another way: raise ANSWERS in pipeline/warehouse/rules_document.py, or the version of the rule of "
        "pain points; then run python -m tests.stitching.answers"
    )
    assert recorded == now, "run python -m tests.stitching.answers, and commit what it records"


def test_a_change_without_a_new_version_is_seen(now: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    other = deepcopy(now)
    other["made"]["visits"][1] = other["made"]["pain_points.low_score"][1] = "another"
    del other["made"]["trade"]
    assert answers.unversioned(other, now) == ["pain_points.low_score", "trade", "visits"]
    assert answers.unversioned(now, other) == ["pain_points.low_score", "trade", "visits"]
    assert answers.unversioned({**other, "told": "another story"}, now) == []
    monkeypatch.setattr(answers, "ANSWERS", ANSWERS + 1)
    assert answers.unversioned(other, now) == []


def test_the_story_has_something_of_everything(now: dict[str, Any]) -> None:
    """A part that nothing is told about could change unseen."""
    prints = [now["made"][f"pain_points.{rule.kind}"][1] for rule in RULES]
    assert len(set(prints)) == len(prints), "two kinds of which none was found look alike"
