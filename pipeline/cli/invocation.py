"""
What every command shares: the data folder, `--debug`, `--json`, and the form of its help.

`--data` and `--debug` may stand before or after the name of the command.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from pipeline.config import Settings, data_folder, load_settings

Params = ParamSpec("Params")


@dataclass
class Invocation:
    """One run of the command: which installation it speaks of, as of when, and how much it tells about faults."""

    data: Path
    is_data_named: bool = False
    is_debug: bool = False
    as_of: datetime | None = None

    @classmethod
    def from_environment(cls) -> "Invocation":
        """Begin with the folder that the environment names."""
        return cls(data=data_folder())

    def settings(self) -> Settings:
        """Read the settings of this process; the command ends with exit code 2 when they are wrong."""
        return load_settings()


def _name_data(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        invocation = context.ensure_object(Invocation)
        invocation.data, invocation.is_data_named = value, True


def _ask_debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Invocation).is_debug = True


def data_option() -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option `--data`, which sets the folder on the invocation."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        expose_value=False,
        callback=_name_data,
        help="Folder of the local installation (default ./throughline-data, or THROUGHLINE_DATA).",
    )


def debug_option() -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the flag `--debug`, which shows the traceback of an unexpected fault."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=_ask_debug,
        help="Show the details of an unexpected fault.",
    )


def shared(command: Callable[Concatenate[Invocation, Params], None]) -> Callable[..., None]:
    """Give a command `--data` and `--debug`, and the invocation as its first argument."""
    return data_option()(debug_option()(click.pass_obj(command)))


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flag `--json` as argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(command)


def examples(*lines: str) -> str:
    """Return the end of a command's help: lines that can be typed as they stand."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
