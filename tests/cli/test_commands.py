"""What every command has in common: help with an example, exit codes, and errors that say what to do."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from pipeline.cli.installation import chosen_broker, keep_installation
from pipeline.cli.root import COMMANDS, throughline
from tests.cli.conftest import Command


def every_command() -> list[tuple[str, click.Command]]:
    found = []
    for name in COMMANDS:
        command = throughline.get_command(click.Context(throughline), name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {below}", inner) for below, inner in command.commands.items()]
    return found


@pytest.mark.parametrize(("path", "command"), every_command(), ids=[path for path, _ in every_command()])
def test_every_command_has_help_with_an_example_of_itself(path: str, command: click.Command) -> None:
    help_text = command.get_help(click.Context(command, info_name=path))
    assert command.help
    assert f"throughline {path}" in help_text.partition("Examples:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_what_the_command_says_of_itself(name: str) -> None:
    command = throughline.get_command(click.Context(throughline), name)
    assert command is not None
    assert command.help is not None
    assert (
        command.help.strip().partition("\n")[0].removesuffix(".").startswith(COMMANDS[name].summary.removesuffix("."))
    )


@pytest.mark.parametrize("more", [(), ("--detach",)])
def test_a_data_folder_that_cannot_be_made_is_named(command: Command, more: tuple[str, ...]) -> None:
    outcome = command("--data", "/proc/nobody/here", "up", *more)
    assert (outcome.code, "/proc/nobody/here" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("up", "--nonsense"),
        ("up", "--broker", "carrier-pigeon"),
        ("wait", "--timeout", "soon"),
        ("customer",),
        ("customer", "ada@example.org"),
        ("explain", "email:ada@example.org"),
        ("explain", "email:ada@example.org", "ada"),
        ("identity", "merge", "customer_id:1", "email:ada@example.org"),
        ("identity", "withdraw", "s-1", "customer_id:1"),
        ("query", "SELECT 1", "--json", "--format", "CSV"),
        ("simulate", "--out", "x.jsonl", "--rate", "5"),
        ("simulate", "--customers", "0"),
        ("simulate", "--until", "2026-02-30"),
        ("simulate", "--until", "1900-01-31", "--out", "x.jsonl"),
        ("simulate", "--until", "0001-01-01", "--out", "x.jsonl"),
        ("simulate", "--until", "2300-01-02", "--out", "x.jsonl"),
        ("demo", "--until", "yesterday"),
        ("demo", "--until", "1899-12-31"),
        ("rejected", "show", "17"),
        ("rejected", "fix", "touchpoints.web:0:1"),
        ("rejected", "fix", "touchpoints.web:0:1", "--step", "mend it"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_word_on_stderr(command: Command, arguments: tuple[str, ...]) -> None:
    outcome = command("--data", "nowhere", *arguments)
    assert outcome.code == 2
    assert outcome.err
    assert "Traceback" not in outcome.err + outcome.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("wait",),
        ("query", "SELECT 1"),
        ("customer", "email:ada@example.org"),
        ("explain", "email:ada@example.org", "cookie_id:c"),
        ("identity", "split", "email:ada@example.org", "cookie_id:c"),
        ("import", "events", "-"),
        ("simulate",),
        ("rejected", "list"),
        ("topics", "list"),
    ],
)
def test_where_nothing_runs_it_says_so_and_how_to_start(command: Command, arguments: tuple[str, ...]) -> None:
    outcome = command(*arguments)
    assert outcome.code == 1
    assert "nothing runs in throughline-data" in outcome.err
    assert "throughline up" in outcome.err


@pytest.mark.parametrize(
    "part", [("topics", "create"), ("topics", "grow", "--partitions", "9"), ("topics", "alter"), ("migrate",)]
)
def test_a_named_folder_where_nothing_runs_is_never_taken_for_the_servers_of_the_settings(
    command: Command, here: Path, part: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THROUGHLINE_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    outcome = command(*part, "--data", str(here / "stopped"))
    assert outcome.code == 1
    assert f"nothing runs in {here / 'stopped'}" in outcome.err


def test_down_where_nothing_runs_is_done_already(command: Command, here: Path) -> None:
    outcome = command("down")
    assert (outcome.code, outcome.err) == (0, "")
    assert "nothing runs" in outcome.out
    assert not list(here.iterdir())


def test_a_durable_broker_that_is_not_there_names_the_command_that_brings_it(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THROUGHLINE_EMBEDDED__KAFKA_FOLDER", str(here / "nowhere"))
    outcome = command("up", "--broker", "kafka", "--detach")
    assert outcome.code == 2
    assert "make kafka" in outcome.err
    assert not list(here.iterdir())


@pytest.mark.parametrize(("own", "other"), [("embedded", "kafka"), ("kafka", "embedded")])
def test_a_folder_stays_with_the_broker_it_was_made_with(command: Command, here: Path, own: str, other: str) -> None:
    folder = here / "data"
    keep_installation(folder, [], "", {}, own)
    outcome = command("up", "--broker", other, "--detach", "--data", str(folder))
    assert outcome.code == 2
    assert f"made with --broker {own}" in outcome.err
    assert str(folder) in outcome.err
    assert chosen_broker(folder, None) == own == chosen_broker(folder, own)
    assert chosen_broker(here / "new", None) == "embedded"


def test_all_wrong_settings_are_told_at_once_with_exit_code_2(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THROUGHLINE_KAFKA__BOOTSTARP", "x")
    monkeypatch.setenv("THROUGHLINE_STITCHING__VISIT_GAP", "soon")
    for arguments in (("settings",), ("settings", "check"), ("up", "--detach"), ("status",)):
        outcome = command(*arguments)
        assert outcome.code == 2
        assert "THROUGHLINE_KAFKA__BOOTSTARP" in outcome.err
        assert "THROUGHLINE_STITCHING__VISIT_GAP" in outcome.err


def test_settings_show_value_default_and_meaning_and_hide_secrets(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THROUGHLINE_IDENTITY__HASH_KEY", "very-secret")
    monkeypatch.setenv("THROUGHLINE_COLLECTOR__WRITE_KEYS", '{"shop": "also-secret"}')
    monkeypatch.setenv("THROUGHLINE_STITCHING__VISIT_GAP", "20m")
    shown = command("settings", "--json")
    settings = {setting["name"]: setting for setting in json.loads(shown.out)}
    gap = settings["THROUGHLINE_STITCHING__VISIT_GAP"]
    assert (gap["value"], gap["default"], gap["is_set"]) == ("20m", "30m", True)
    assert "silence" in gap["meaning"]
    for outcome in (shown, command("settings"), command("settings", "check")):
        assert outcome.code == 0
        assert "very-secret" not in outcome.out
        assert "also-secret" not in outcome.out


def test_an_unexpected_fault_is_a_sentence_and_its_details_a_file(
    command: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_folder: Path) -> bool:
        raise ZeroDivisionError("the floor is lava")

    monkeypatch.setattr("pipeline.cli.down.stop", explode)
    (here / "throughline-data").mkdir()
    outcome = command("down")
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    assert "the floor is lava" in outcome.err
    assert "Traceback" in (here / "throughline-data" / "logs" / "commands.log").read_text()
    assert "Traceback" in command("down", "--debug").err


def test_schemas_list_names_every_family_with_its_types(command: Command) -> None:
    listed = json.loads(command("schemas", "list", "--json").out)
    assert len(listed) == 9
    assert {"order.placed", "payment.failed"} <= set(next(row for row in listed if row["family"] == "orders")["types"])
    assert json.loads(command("schemas", "show", "orders").out)["type"] == "record"
    assert command("schemas", "show", "weather").code == 1
    assert "throughline schemas show orders" in command("schemas", "show", "order.placed").err


@pytest.mark.parametrize("name", ["simulate", "demo"])
def test_a_history_that_is_fed_does_not_end_in_the_future(command: Command, name: str) -> None:
    day_after_tomorrow = datetime.now(UTC) + timedelta(days=2)
    outcome = command(name, "--until", f"{day_after_tomorrow:%Y-%m-%d}")
    assert (outcome.code, "that day has not begun" in outcome.err) == (2, True)


def test_a_simulation_is_the_same_bytes_again_and_tells_its_truth(command: Command, here: Path) -> None:
    arguments = ("simulate", "--seed", "7", "--customers", "60", "--until", "2026-03-01")
    first = command(*arguments, "--out", "a.jsonl", "--truth")
    assert first.code == 0
    assert {story["kind"] for story in json.loads(first.out)["stories"]} >= {"carrier_bad_week", "payment_outage"}
    assert command(*arguments, "--out", "b.jsonl.gz").code == 0
    assert command(*arguments, "--out", "c.jsonl.gz").code == 0
    assert (here / "b.jsonl.gz").read_bytes() == (here / "c.jsonl.gz").read_bytes()
    lines = (here / "a.jsonl").read_text().splitlines()
    assert len(lines) > 500
    assert all(json.loads(line)["id"] for line in lines)
    assert command(*arguments, "--out", "no/such/folder.jsonl").code == 2
