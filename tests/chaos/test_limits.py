"""A run of recoveries fails where one passes its limit, and where it could not be measured."""

import json
from typing import Any

import pytest

from tests.chaos import __main__ as command
from tests.chaos.__main__ import main, plan_of, the_parser
from tests.chaos.limits import FAULTS, Limits, passed
from tests.chaos.playing import Say
from tests.chaos.running import Plan


def figure(fault: str, **changed: Any) -> dict[str, Any]:
    """Figures of a recovery that is well within all limits, but for what is changed."""
    stage = {"standstill_s": 4.0, "first_row_s": 3.0, "caught_up_s": 4.0, "catch_up_rate": 12.0}
    return {
        "fault": fault,
        "land": {**stage, **changed.pop("land", {})},
        "stitch": {**stage, "catch_up_rate": None, **changed.pop("stitch", {})},
        "rss_before_mb": {"land-1": 280, "warehouse": 400, "broker": 200},
        "rss_peak_mb": {"land-1": 310, "warehouse": 410, "broker": 300},
        "rebalances": {"land": 0, "stitch": 1},
        **changed,
    }


PASSED: list[tuple[str, dict[str, Any], str]] = [
    ("kill land-1", {"land": {"first_row_s": 8.1}}, "first_row_s of land is 8.1, at most 8"),
    ("kill land-1", {"land": {"first_row_s": None}}, "not before the next fault"),
    ("kill land-1", {"land": {"catch_up_rate": 4.9}}, "4.9 times the rate of arrival, at least 5"),
    ("kill land-1", {"land": {"catch_up_rate": None}}, "at least 5"),
    ("kill stitch-1", {"stitch": {"first_row_s": 8.1}}, "first_row_s of stitch"),
    ("kill broker", {"land": {"first_row_s": 5.1}}, "first_row_s of land is 5.1, at most 5"),
    ("kill broker", {"stitch": {"first_row_s": 5.1}}, "first_row_s of stitch is 5.1, at most 5"),
    ("freeze warehouse", {"land": {"caught_up_s": 20.1}}, "caught_up_s of land is 20.1, at most 20"),
    ("freeze warehouse", {"stitch": {"caught_up_s": None}}, "caught_up_s of stitch"),
    ("freeze warehouse", {"rss_peak_mb": {"land-1": 340}}, "land-1 grew from 280 to 340 MB, at most by 20%"),
    ("freeze warehouse", {"rebalances": {"land": 2}}, "land was dealt its partitions anew 2 times, at most 1"),
]


@pytest.mark.parametrize(("fault", "changed", "told"), PASSED)
def test_every_limit_is_one(fault: str, changed: dict[str, Any], told: str) -> None:
    (line,) = passed([figure(fault, **changed)], Limits())
    assert line.startswith(fault)
    assert told in line


def test_what_is_within_the_limits_is_not_told_and_slow_machines_have_their_own() -> None:
    names = [fault.partition(":")[0] for fault in FAULTS]
    assert passed(map(figure, names), Limits()) == []
    slow = figure("kill land-1", land={"first_row_s": 11.0})
    assert passed([slow], Limits())
    given = the_parser().parse_args(["--recovery", "--limits", "first_row_s=12"])
    assert passed([slow], given.limits) == []
    assert given.limits.broker_back_s == Limits().broker_back_s


def test_recoveries_have_faults_and_parts_of_their_own_whatever_the_seed() -> None:
    plan = plan_of(6, the_parser().parse_args(["--recovery"]))
    assert (plan.faults, plan.land, plan.stitch, plan.nodes, plan.rest_s) == (FAULTS, 1, 1, 1, 15.0)
    assert plan_of(6, the_parser().parse_args([])).limits is None


GOOD = {
    **dict.fromkeys(command.COUNTS, 0),
    "clean": True,
    "hit_nothing": [],
    "passed": [],
    "acknowledged": 1234,
    "touchpoints": 1200,
}


@pytest.mark.parametrize(
    ("wrong", "code", "told"),
    [
        ({}, 0, "clean (lost 0, "),
        ({"clean": False, "lost": 1}, 1, "NOT CLEAN (lost 1, "),
        ({"hit_nothing": ["reset load>broker"]}, 1, "NOT SHOWN, for it hit nothing: reset load>broker"),
        ({"passed": ["kill land-1: late"]}, 1, "TOO SLOW: kill land-1: late"),
    ],
)
def test_the_exit_code_tells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: dict[str, Any], code: int, told: str
) -> None:
    def result(plan: Plan, _say: Say) -> dict[str, Any]:
        return {"seed": plan.seed, **GOOD, **wrong}

    monkeypatch.setattr(command, "run", result)
    monkeypatch.setattr(command, "require_kafka", lambda *_: None)
    monkeypatch.setattr(command, "end_with_children", lambda: None)
    assert main(["--recovery"]) == code
    out, err = capsys.readouterr()
    assert told in err
    assert json.loads(out)["seeds"][0]["passed"] == wrong.get("passed", [])
