"""One installation for all documents: the shop of the tutorial, with the answers to the tutorial's questions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.clickhouse import Warehouse
from tests.cli.conftest import Installation
from tests.docs.pages import ROOT, arguments_of, blocks, typed_lines

Rows = list[dict[str, Any]]

TUTORIAL = ROOT / "docs" / "tutorial.md"


@dataclass(frozen=True)
class Shop:
    """
    The running installation.

    Args:
        throughline: Runs a command on it.
        analyst: Asks as the reader does, with the rights of the reader.
        run: What run.json says.
        tutorial: Answers to the tutorial's statements, asked before any test added touchpoints.
    """

    throughline: Installation
    analyst: Warehouse
    run: Mapping[str, Any]
    tutorial: Mapping[str, Rows]


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Start an installation and let the tutorial's shop in, by the tutorial's own command."""
    folder: Path = tmp_path_factory.mktemp("documents")
    throughline = Installation(folder)
    started = throughline("up", "--detach")
    try:
        assert started.code == 0, started.err
        lines = [arguments_of(line, "throughline") for line in typed_lines(TUTORIAL)]
        (simulate,) = [arguments for arguments in lines if arguments and arguments[0] == "simulate"]
        fed = throughline(*simulate)
        assert fed.code == 0, fed.err
        run = json.loads((folder / "run.json").read_text())
        analyst = Warehouse(run["clickhouse"])
        asked = {block.text: analyst.rows(block.text) for block in blocks(TUTORIAL) if block.language == "sql"}
        yield Shop(throughline, analyst, run, asked)
    finally:
        throughline("down")
