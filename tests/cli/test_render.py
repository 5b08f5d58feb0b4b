"""The reference pages say what the code says, or the check fails and names them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from docs import render
from pipeline.cli.root import COMMANDS
from pipeline.cli.settings import describe_settings
from pipeline.config import Settings
from pipeline.observability.catalogue import CATALOGUE


def test_a_stale_page_is_named_with_exit_code_1_and_mended_by_rendering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "ROOT", tmp_path)
    runner = CliRunner()
    assert runner.invoke(render.main, []).exit_code == 0
    assert runner.invoke(render.main, ["--check"]).exit_code == 0
    page = tmp_path / "docs/reference/settings.md"
    page.write_text(page.read_text().replace("30m", "31m"))
    outcome = runner.invoke(render.main, ["--check"])
    assert outcome.exit_code == 1
    assert "stale: docs/reference/settings.md;" in outcome.output


def test_every_setting_command_and_metric_has_its_place() -> None:
    pages = render.render_pages()
    for setting in describe_settings(Settings()):
        assert f"| `{setting.name}` |" in pages["docs/reference/settings.md"]
        assert setting.meaning
    for name in COMMANDS:
        assert f"## throughline {name}\n" in pages["docs/reference/commands.md"]
    for spec in CATALOGUE:
        assert f"| `{spec.name}` |" in pages["docs/reference/metrics.md"]
