"""
The edge between the commands and the person: faults become sentences and exit codes here, and nowhere else.

No traceback reaches the terminal unless `--debug` asks for it; the details of an unexpected fault are kept in the
data folder.
"""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline.cli.clickhouse import no_answer, place_of
from pipeline.cli.errors import DONE, INTERRUPTED, WRONG_USAGE, CommandError
from pipeline.cli.invocation import Invocation
from pipeline.cli.reach import try_reach
from pipeline.cli.root import throughline
from pipeline.config import SettingsError


def run(arguments: Sequence[str]) -> int:
    """
    Run one command line.

    Args:
        arguments: What follows the name of the program.

    Returns:
        The exit code: 0 done, 1 not so, 2 wrong usage or settings, 130 interrupted.
    """
    # Libraries' own log lines would stand between ours; parts that write logs configure them anew.
    logging.getLogger().addHandler(logging.NullHandler())
    invocation = Invocation.from_environment()
    try:
        outcome = throughline.main(list(arguments), prog_name="throughline", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
    except BrokenPipeError:
        return _end_quietly()
    except SystemExit as leaving:
        # click and rich make an exit of their own of a reader that went away, with the code of a failure.
        if not isinstance(leaving.__context__, BrokenPipeError):
            raise
        return _end_quietly()
    except (KeyboardInterrupt, click.Abort):
        click.echo("throughline: interrupted", err=True)
        return INTERRUPTED
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:  # noqa: BLE001 (the guard: the person gets a sentence, the file gets the traceback)
        return _explain(error, invocation)
    return outcome if isinstance(outcome, int) else DONE


def _explain(error: Exception, invocation: Invocation) -> int:
    if invocation.is_debug:
        traceback.print_exception(error)
    told = _translate(error, invocation)
    if told is None:
        told = CommandError(
            f"unexpected {type(error).__name__}: {_first_line(error)}",
            remedy=_keep_details(error, invocation),
        )
    for line in told.lines():
        click.echo(line, err=True)
    return told.exit_code


def _translate(error: Exception, invocation: Invocation) -> CommandError | None:
    """Return what an expected fault of a lower package means to the person; None when it is not expected."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, SettingsError):
        faults = "\n".join(f"  {line}" for line in str(error).splitlines())
        return CommandError(
            f"the settings cannot be used\n{faults}",
            remedy="`throughline settings` lists every name with its default and meaning",
            exit_code=WRONG_USAGE,
        )
    if isinstance(error, PermissionError):
        return CommandError(f"not permitted: {error.strerror}", where=str(error.filename), remedy="check its owner")
    # By name, because importing the class would cost every command half a second.
    if type(error).__name__ == "WarehouseUnavailable":
        return no_answer(_warehouse_place(invocation))
    if type(error).__name__ == "SchemaFileError":
        where, _, what = str(error).partition(": ")
        return CommandError(what, where=where, remedy="mend the file", exit_code=WRONG_USAGE)
    if type(error).__name__ == "WarehouseRefused":
        return CommandError(f"the warehouse refuses: {_first_line(error).rpartition('DB::Exception: ')[2]}")
    return None


def _warehouse_place(invocation: Invocation) -> str:
    """Return the address of the warehouse that a command spoke to; empty where that cannot be said any more."""
    try:
        found = try_reach(invocation)
    except (CommandError, SettingsError, OSError):
        return ""
    return place_of(found.settings.clickhouse.url.get_secret_value()) if found else ""


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or "no message"


def _keep_details(error: Exception, invocation: Invocation) -> str:
    """Write the traceback into the data folder, if there is one, and return what to do next."""
    again = "run it again with --debug to see the details"
    if not invocation.data.is_dir():
        return again
    file = invocation.data / "logs" / "commands.log"
    try:
        _append(file, f"{datetime.now(UTC).isoformat()} {sys.argv}\n{''.join(traceback.format_exception(error))}\n")
    except OSError:
        return again
    return f"the details are in {file}; please report them"


def _append(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(text)


def _end_quietly() -> int:
    """End like other programs whose reader went away (`| head`): no message, and nothing left to flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
