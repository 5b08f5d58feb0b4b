"""CI runs no less than it says: nothing is skipped there for want of something, and chance is new every night."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import child_environment
from tests.absent import not_here

ROOT = Path(__file__).parent.parent
TELL_CI = '#!/bin/sh\necho "$CI $*"\n'
NEW_CHANCE = """
from hypothesis import settings
import tests.properties.conftest
deep = settings.get_profile("deep")
assert not deep.derandomize, "every night would try the same"
"""


@pytest.mark.parametrize("script", [".ci/run", ".ci/nightly"])
def test_every_step_of_ci_knows_that_it_is_in_ci(script: str, tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text(TELL_CI)
    make.chmod(0o755)
    environment = child_environment({"PATH": f"{tmp_path}:/usr/bin:/bin", "CI": ""})
    told = subprocess.run([ROOT / script], env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert told.stdout
    assert all(line.startswith("1 ") for line in told.stdout.splitlines()), told.stdout


def test_a_step_of_the_night_that_fails_hides_no_other_and_is_named(tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$*"\ntest "$1" != model\n')
    make.chmod(0o755)
    environment = child_environment({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    told = subprocess.run(
        [ROOT / ".ci" / "nightly"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert told.returncode == 1
    assert told.stderr == "failed: make model\n"
    assert [line.split()[0] for line in told.stdout.splitlines()][-1] == "chaos-night"


def test_what_is_missing_is_skipped_with_a_way_to_have_it_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no java; to run it, install it"):
        not_here("no java", "install it")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="CI must not skip this: no java"):
        not_here("no java", "install it")


def test_the_nights_of_ci_try_something_new() -> None:
    """Hypothesis repeats itself where it sees CI."""
    environment = child_environment({"CI": "1"})
    subprocess.run([sys.executable, "-c", NEW_CHANCE], cwd=ROOT, env=environment, timeout=60, check=True)
