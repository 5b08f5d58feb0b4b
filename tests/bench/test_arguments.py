"""What a bench is asked for is refused before it starts anything, and what it measured is told whatever happens."""

import json

import pytest

from bench import __main__ as bench
from bench.field import LEAST_EVENTS


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
