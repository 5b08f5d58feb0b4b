"""Links lead somewhere; commands, targets, settings, metrics and touchpoints that are written about exist."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import click
import pytest

from pipeline.cli.invocation import Invocation
from pipeline.cli.root import throughline
from pipeline.config import PREFIX, Settings
from pipeline.contracts.touchpoint import parse_touchpoint
from pipeline.contracts.types import touchpoint_types
from pipeline.observability.catalogue import CATALOGUE
from tests.docs.pages import (
    PAGES,
    RENDERED,
    ROOT,
    Block,
    all_blocks,
    anchors,
    arguments_of,
    blocks,
    command_lines,
    links,
    name_of,
    typed_lines,
)

WRITTEN = [page for page in PAGES if RENDERED not in page.parents and page.parent.name != "adr"]
METRIC = re.compile(r"`(throughline_[a-z_]+)")
SETTING = re.compile(rf"\b{PREFIX}([A-Z_]+?)__([A-Z_]+)\b")


def parse(arguments: list[str]) -> None:
    """Read a command line as the program does, and run nothing."""
    command: click.Command | None = throughline
    name: str | None = "throughline"
    context: click.Context | None = None
    rest = list(arguments)
    while isinstance(command, click.Group):
        context = click.Context(command, context, name, obj=Invocation(Path("nowhere")))
        _, rest, _ = command.make_parser(context).parse_args(rest)
        if not rest:
            return
        name, command, rest = command.resolve_command(context, rest)
    assert command is not None
    command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{name_of(page)} links to {link}"


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_command_parses(page: Path) -> None:
    typed = set(typed_lines(page))
    for line in command_lines(page):
        arguments = arguments_of(line, "throughline")
        if arguments is None:
            continue
        try:
            parse(arguments)
        except click.exceptions.Exit as left:
            assert left.exit_code == 0, line
        except click.MissingParameter as refused:
            assert line not in typed, f"{line}: {refused.format_message()}"  # a sentence may name a command alone
        except click.ClickException as refused:
            pytest.fail(f"{line}: {refused.format_message()}")


def test_a_command_that_is_not_there_would_be_seen() -> None:
    for wrong in (["unstitch"], ["up", "--nonsense"], ["rejected", "heal"], ["wait", "--timeout", "soon"]):
        with pytest.raises(click.UsageError):
            parse(wrong)


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in command_lines(page):
        if (arguments := arguments_of(line, "make")) is not None:
            assert {word for word in arguments if "=" not in word} <= targets, line


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_setting_and_metric_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for group, name in SETTING.findall(text):
        model = Settings.model_fields[group.lower()].annotation
        assert model is not None
        assert name.lower() in model.model_fields, f"{group}__{name}"
    assert set(METRIC.findall(text)) <= {spec.name for spec in CATALOGUE}


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_every_touchpoint_in_json_is_one(block: Block) -> None:
    value = json.loads(block.text)
    if "type" in value:
        assert isinstance(parse_touchpoint(value), dict), parse_touchpoint(value)


@pytest.mark.parametrize("block", all_blocks("jsonl"), ids=str)
def test_every_line_in_json_lines_is_a_touchpoint(block: Block) -> None:
    parsed = [parse_touchpoint(json.loads(line)) for line in block.text.splitlines()]
    bad = [outcome for outcome in parsed if not isinstance(outcome, dict)]
    assert len(bad) == (1 if block.note == "one bad line" else 0), bad


def test_the_pages_have_what_these_tests_look_for() -> None:
    """A change of form must not make all of this pass on nothing."""
    assert len(all_blocks("sql")) > 30
    assert sum(1 for block in all_blocks("json") if "type" in json.loads(block.text)) >= 4
    lines = [line for page in WRITTEN for line in command_lines(page)]
    assert sum(1 for line in lines if arguments_of(line, "throughline")) > 50
    assert any(block.note == "may be empty" for page in WRITTEN for block in blocks(page))


def test_the_readme_tells_the_command_that_tests() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\nmake test\n" in readme
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_the_number_of_types_is_right(page: str) -> None:
    told = re.findall(r"(\d+) types", (ROOT / page).read_text(encoding="utf-8"))
    assert told == [str(len(touchpoint_types()))]


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "images").glob("*.svg")), ids=name_of)
def test_every_picture_is_well_formed_has_a_title_and_a_dark_form(picture: Path) -> None:
    text = picture.read_text(encoding="utf-8")
    root = ET.fromstring(text)
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert "prefers-color-scheme: dark" in text
    assert "<script" not in text
