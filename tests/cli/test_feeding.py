"""What a command that feeds says of a broker that ended meanwhile."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cli.errors import CommandError
from pipeline.cli.feeding import finish
from pipeline.cli.reach import Reach
from pipeline.cli.runfile import Run
from pipeline.config import Settings
from pipeline.producers.importing import ImportReport


def test_a_log_that_ended_while_it_was_fed_is_no_success(tmp_path: Path) -> None:
    run = Run("localhost:1", "http://localhost:1", "", "", [], [], log_id="first")
    found = Reach(Settings(), "", run, tmp_path)
    run.write(tmp_path)
    finish(found, ImportReport(), must_wait=False, as_json=False)
    replace(run, log_id="second").write(tmp_path)
    with pytest.raises(CommandError, match="lost"):
        finish(found, ImportReport(), must_wait=False, as_json=False)


def test_a_log_that_the_settings_name_is_not_looked_after(tmp_path: Path) -> None:
    finish(Reach(Settings(), "", None, tmp_path), ImportReport(), must_wait=False, as_json=False)
