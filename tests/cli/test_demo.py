"""The demo, from an empty machine to an empty machine."""

import tempfile
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import run_here


@pytest.mark.slow
def test_the_demo_finds_what_was_planted_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outcome = run_here("demo", "--customers", "200", "--seed", "3", "--until", "2026-03-02")
    assert outcome.code == 0, outcome.err
    for heading in (
        "What happened",
        "One customer's story",
        "The busiest journeys",
        "What hurts",
        "Where to look next",
    ):
        assert heading in outcome.out
    lines = outcome.out.splitlines()
    # The history ends on a day of its own, so what is found in it is the same on every day.
    assert any(
        line.startswith("  ▲ Late delivery where carrier is Swift Parcel, from 22 Dec to 25 Dec: ") for line in lines
    )
    told = [line for line in lines if line.startswith("    planted: ")]
    assert len(told) == 7
    assert any(line.startswith("  ▲ Failed payment where code is gateway_timeout, on 15 Jan: ") for line in lines)
    assert "throughline simulate --seed 3 --customers 200 --until 2026-03-02 --wait" in outcome.out
    assert "\x1b" not in outcome.out
    assert not list(tmp_path.iterdir())
    ours = [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(one.info["cmdline"] or [])]
    assert ours == []
