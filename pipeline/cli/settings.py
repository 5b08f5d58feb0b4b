"""`throughline settings`: what can be set, what is set, and whether it fits; the manual page is rendered from here."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Literal, get_args, get_origin

import click
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from rich.text import Text

from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json, table
from pipeline.config import Settings, environment_name

MASK = "••••••"
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True)
class Setting:
    """One setting as people see it; secrets are masked."""

    name: str
    group: str
    key: str
    kind: str
    value: str
    default: str
    meaning: str
    is_set: bool


def describe_settings(settings: Settings) -> list[Setting]:
    """Return every setting in the order of the groups, with its value in `settings`."""
    described = []
    for group in Settings.model_fields:
        values: BaseModel = getattr(settings, group)
        for key, field in type(values).model_fields.items():
            default = field.get_default(call_default_factory=True)
            described.append(
                Setting(
                    name=environment_name(group, key),
                    group=group,
                    key=key,
                    kind=_kind(field),
                    value=_text(getattr(values, key)),
                    default=_text(default),
                    meaning=field.description or "",
                    is_set=key in values.model_fields_set,
                )
            )
    return described


def write_duration(duration: timedelta) -> str:
    """Return a duration as settings are written: `30m`, `500ms`, `7d`."""
    seconds = duration.total_seconds()
    if seconds % 1:
        return f"{round(seconds * 1000)}ms"
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds and not seconds % size), ("s", 1))
    return f"{int(seconds) // size}{unit}"


def _kind(field: FieldInfo) -> str:
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return " | ".join(str(choice) for choice in get_args(annotation))
    names = {timedelta: "duration", SecretStr: "secret", int: "integer", float: "number", str: "text", bool: "yes/no"}
    if isinstance(annotation, type) and annotation in names:
        return names[annotation]
    origin = get_origin(annotation)
    return "JSON list" if origin is tuple else "JSON object" if origin is dict else "text"


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, timedelta):
        return write_duration(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={_text(inner)}" for key, inner in value.items())
    if isinstance(value, tuple):
        return ", ".join(str(inner) or '""' for inner in value)
    return str(value)


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "throughline settings",
        "throughline settings --json",
        "THROUGHLINE_STITCHING__VISIT_GAP=20m throughline settings check",
    ),
)
@json_option
@shared
@click.pass_context
def settings(context: click.Context, invocation: Invocation, *, as_json: bool) -> None:
    """
    Show every setting with its value, default and meaning.

    Settings come from the environment (THROUGHLINE_<GROUP>__<NAME>) and from the TOML file that
    THROUGHLINE_SETTINGS names, with one table per group; the environment wins. Secrets are masked.
    """
    if context.invoked_subcommand:
        return
    described = describe_settings(invocation.settings())
    if as_json:
        print_json([asdict(setting) for setting in described])
        return
    for group in Settings.model_fields:
        rows = [_row(setting) for setting in described if setting.group == group]
        console().print(table(group, ("name", "value", "default", "meaning"), rows), "")


def _row(setting: Setting) -> tuple[str, Text, str, str]:
    value = Text(setting.value, style="bold" if setting.is_set else "")
    return (setting.name, value, setting.default, setting.meaning)


@settings.command(epilog=examples("throughline settings check && throughline worker land"))
@shared
def check(invocation: Invocation) -> None:
    """Check the settings of this environment: exit 0 when they fit, else 2 with every fault."""
    changed = [setting for setting in describe_settings(invocation.settings()) if setting.is_set]
    click.echo(f"settings fit; {len(changed)} differ from what the program would choose by itself or are set")
    for setting in changed:
        click.echo(f"  {setting.name} = {setting.value}")
