"""What a bench is asked for is refused before it starts anything, and what it measured is told whatever happens."""

import argparse
import json
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench.arguments import positive
from bench.contestants import EMBEDDED
from bench.field import LEAST_EVENTS
from bench.run import Result


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    monkeypatch.setattr("sys.argv", ["bench", *words])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("events", ["-5", "0", "999", "many"])
def test_too_few_events_are_refused_with_the_least_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], events: str
) -> None:
    told = refused(monkeypatch, capsys, ["--events", events])
    assert "--events" in told
    assert f"{LEAST_EVENTS} or more" in told


@pytest.mark.parametrize(
    ("option", "given"),
    [(option, "0") for option in ("--customers", "--partitions", "--workers", "--rounds", "--rate")]
    + [("--seconds", "-1")],
)
def test_what_makes_no_run_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, given: str
) -> None:
    assert f"{option}: '{given}' will not do; give" in refused(monkeypatch, capsys, [option, given])


def test_a_run_of_nobody_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "end_with_children", lambda: None)
    assert "--broker kafka" in refused(monkeypatch, capsys, ["--only", "flink"]).splitlines()[-1]


def test_a_peer_that_would_write_all_at_once_says_how_many_events_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "end_with_children", lambda: None)
    told = refused(monkeypatch, capsys, ["--only", "plain", "--events", "20000"]).splitlines()[-1]
    assert "give --events 40001 or more" in told
    assert bench.why_absent("plain", EMBEDDED, 40_001) == ""


def test_apache_kafka_is_looked_for_before_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = refused(monkeypatch, capsys, ["--broker", "kafka"]).splitlines()[-1]
    assert "--broker kafka" in told
    assert "java" in told
    assert "make kafka" in told


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "much"])
def test_a_positive_number_is_a_number_above_zero(text: str) -> None:
    assert positive("0.5") == 0.5
    with pytest.raises(argparse.ArgumentTypeError, match="above 0"):
        positive(text)


def test_a_run_that_breaks_still_ends_with_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the broker did not take all events")

    monkeypatch.setattr(bench, "end_with_children", lambda: None)
    monkeypatch.setattr(bench, "Servers", broken)
    monkeypatch.setattr("sys.argv", ["bench", "--only", "ours"])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["is_whole"] is False
    assert "did not take all events" in told.err


def test_who_could_not_be_measured_is_named_and_the_run_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise ValueError("10000 events are too few")

    monkeypatch.setattr(bench, "run_peer", failing)
    comparison = bench.Comparison("embedded", 20_000)
    comparison.run(None, "plain", 1)  # type: ignore[arg-type]  # nothing of the field is looked at
    assert (comparison.is_whole, comparison.absent) == (False, {"plain": "10000 events are too few"})


def test_a_speed_that_rests_on_few_inserts_is_told_and_cpu_that_nobody_saw_is_not_a_number() -> None:
    comparison = bench.Comparison(EMBEDDED, 60_000)
    ours = Result(6_000.0, 3_000.0, cpu_us={"land-1": 20.0})
    comparison.results = {
        "ours": {1: ours},
        "bytewax": {1: Result(60_000.0, inserts=1)},
        "faust": {1: Result(3_000.0, cpu_us={"faust-1": 60.0}, inserts=bench.ENOUGH_INSERTS)},
    }
    assert comparison.few_inserts() == {"bytewax": 1}
    assert comparison.cpu_ratio("bytewax") is None
    assert comparison.cpu_ratio("faust") == 3.0
