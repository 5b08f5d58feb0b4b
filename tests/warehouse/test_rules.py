"""What results depend on, as a document: nothing is forgotten, nothing is lost on the way, differences are told."""

import json
from datetime import timedelta

import pytest

from pipeline.config import Settings, StitchingSettings
from pipeline.warehouse.rules import Progress, RulesBook, State
from pipeline.warehouse.rules_document import (
    LANDING_ONLY,
    STITCHING_RULES,
    Difference,
    RulesUnreadable,
    differences,
    document_of,
    read_document,
    settings_of,
    write_document,
)
from pipeline.warehouse.views.expressions import JOURNEY_GAP_MS
from tests.warehouse.conftest import Shop

# They say how a worker works, and change no answer. A new setting has to be put here or among the rules.
OPERATIONAL = {
    "rules_version",
    "max_batch_keys",
    "linger",
    "max_rest",
    "large_customer",
    "sweep_interval",
    "sweep_margin",
}

CHANGED = Settings.model_validate(
    {
        "identity": {"hash_key": "k", "cap_same_kind": 3, "blocklist": ("Kiosk", "x")},
        "stitching": {"visit_gap": "90s", "journey_gap": timedelta(days=7, microseconds=1)},
        "pain_points": {
            "low_nps": 4,
            "calendars": {"default": {"time_zone": "Europe/Berlin", "holidays": ["2026-12-25"]}},
        },
    }
)


def test_every_setting_of_stitching_is_a_rule_or_changes_no_answer() -> None:
    assert set(StitchingSettings.model_fields) == OPERATIONAL | set(STITCHING_RULES)
    named = {name.partition(".")[2] for name in document_of(Settings()) if name.startswith("identity.")}
    assert named == set(type(Settings().identity).model_fields) - {"phone_region"}
    assert set(LANDING_ONLY) == {"hash_key", "phone_region"}


def test_a_document_gives_back_the_rules_it_was_made_of() -> None:
    document = read_document(write_document(document_of(CHANGED)))
    kept = Settings.model_validate({"identity": {"hash_key": "k"}, "stitching": {"linger": "7s"}})
    taken = settings_of(document, kept)
    assert differences(document, document_of(taken)) == []
    assert taken.stitching.journey_gap == CHANGED.stitching.journey_gap
    assert taken.pain_points == CHANGED.pain_points
    assert taken.stitching.linger == timedelta(seconds=7)
    assert "k" not in json.loads(write_document(document)).values()


def test_differences_are_told_in_the_words_of_the_settings() -> None:
    told = [str(one) for one in differences(document_of(Settings()), document_of(CHANGED))]
    # Of a calendar just what is another.
    assert (
        'pain_points.calendars.default.holidays: [] → ["2026-12-25"]; '
        "pain_points.calendars.default.time_zone: UTC → Europe/Berlin"
    ) in told
    rules = {"program.pain_rules": {"low_score": 1, "long_wait": 1}}
    [raised] = differences(rules, {"program.pain_rules": {"low_score": 2, "long_wait": 1}})
    assert str(raised) == "program.pain_rules.low_score: 1 → 2"
    assert "identity.cap_same_kind: 10 → 3" in told
    assert "stitching.visit_gap: 30m → 1m 30s" in told
    assert not [one for one in told if "hash_key" in one], "a key that one side does not name is no difference"


def test_what_another_program_knows_is_a_difference_of_the_program() -> None:
    now = document_of(Settings())
    older = {name: value for name, value in now.items() if name != "pain_points.low_nps"}
    assert differences(older, now) == [Difference("pain_points.low_nps", None, 6, is_program=True)]
    assert settings_of(older, CHANGED).pain_points.low_nps == CHANGED.pain_points.low_nps
    with pytest.raises(RulesUnreadable, match="another version of the program"):
        settings_of({**now, "identity.cap_of_tomorrow": 1}, Settings())


def test_what_was_recorded_first_holds_and_progress_is_what_was_saved_last(shop: Shop) -> None:
    book = RulesBook(shop.client)
    book.record(5, CHANGED)
    book.record(5, Settings())
    assert [version.number for version in book.versions()] == [1, 5]
    version = book.version(5)
    assert version is not None
    assert write_document(version.document or {}) == write_document(document_of(CHANGED))
    assert (version.is_active, version.progress.state) == (False, State.MAKING)
    for passed in range(5):
        book.save(Progress(5, State.MAKING, passed=passed, total=8))
    progress = book.versions()[1].progress
    assert (progress.passed, progress.share) == (4, 0.5)
    book.activate(5)
    book.activate(1)
    book.activate(5)
    assert book.active() == 5
    gap = f"SELECT {JOURNEY_GAP_MS.replace('{db}', str(shop.client.database))}"
    assert shop.read(gap) == [(7 * 86_400_000,)]
    book.activate(1)
    assert shop.read(gap) == [(30 * 86_400_000,)]
