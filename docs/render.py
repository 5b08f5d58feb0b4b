"""
Render the reference pages from the code that they describe, and the typed builders from the schemas.

`python -m docs.render` writes `docs/reference/*`, `docs/dbt/sources.yml` and `pipeline/producers/touchpoints/*.py`;
`--check` writes nothing, names the files that are stale and ends with exit code 1. Nothing in those files is written by
hand, so nothing in them can drift.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from docs.builders import render_builders
from docs.catalogue import render_picture, render_sources
from pipeline.cli.root import COMMANDS, throughline
from pipeline.cli.settings import Setting, describe_settings
from pipeline.config import Settings
from pipeline.contracts.reference import render_touchpoints
from pipeline.observability.catalogue import CATALOGUE
from pipeline.warehouse.reference import render_reference

ROOT = Path(__file__).parent.parent
MADE_BY = "<!-- Rendered by `make render` from the code; edit the code instead. -->\n\n"


def render_settings() -> str:
    """Return the page of all settings."""
    lines = [
        "# Settings",
        "",
        "Settings come from the environment (`THROUGHLINE_<GROUP>__<NAME>`) and from the TOML file that",
        "`THROUGHLINE_SETTINGS` names, with one table per group; the environment wins. Unknown names are errors, and",
        "all faults are reported at once. `throughline settings` shows what is in force. Durations are written",
        "`500ms`, `30s`, `15m`, `2h`, `30d`; lists and objects as JSON.",
        "",
        "`THROUGHLINE_DATA` names the folder of a local installation (default `./throughline-data`).",
    ]
    described = describe_settings(Settings())
    for group in Settings.model_fields:
        lines += [
            "",
            f"## {group}",
            "",
            _meaning_of(group),
            "",
            "| name | type | default | meaning |",
            "|---|---|---|---|",
        ]
        lines += [_setting_row(setting) for setting in described if setting.group == group]
    return "\n".join(lines) + "\n"


def render_commands() -> str:
    """Return the page of all commands, each with its help as the terminal shows it."""
    lines = ["# Commands", "", "Exit codes: 0 done, 1 the thing asked for is not so, 2 wrong usage or settings.", ""]
    lines += ["| command | does |", "|---|---|"]
    lines += [f"| [`{name}`](#throughline-{name}) | {entry.summary} |" for name, entry in COMMANDS.items()]
    for path, command, context in _commands(throughline, "throughline", None):
        lines += ["", f"## {path}", "", "```text", command.get_help(context).rstrip(), "```"]
    return "\n".join(lines) + "\n"


def render_metrics() -> str:
    """Return the page of all metrics."""
    lines = [
        "# Metrics",
        "",
        "Every worker and the collector serve `/metrics`, `/livez` and `/readyz` on a port of their own. Labels are",
        "closed sets; no id is ever a label.",
        "",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for spec in CATALOGUE:
        labels = "<br>".join(f"`{name}`: {', '.join(values)}" for name, values in spec.labels.items())
        lines.append(f"| `{spec.name}` | {spec.kind} | {labels} | {spec.help} |")
    return "\n".join(lines) + "\n"


def render_pages() -> dict[str, str]:
    """Return every rendered page: path within the repository → text."""
    pages = {
        "docs/reference/settings.md": render_settings(),
        "docs/reference/commands.md": render_commands(),
        "docs/reference/metrics.md": render_metrics(),
        "docs/reference/touchpoints.md": render_touchpoints(),
        **render_reference(),
    }
    made = {"docs/reference/views.svg": render_picture(), "docs/dbt/sources.yml": render_sources()}
    return {**{path: MADE_BY + text for path, text in pages.items()}, **made, **render_builders()}


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 and name what is stale.")
def main(*, check: bool) -> None:
    """Render the reference pages."""
    pages = render_pages()
    stale = [path for path, text in pages.items() if not _holds(ROOT / path, text)]
    if check:
        if stale:
            click.echo(f"stale: {', '.join(stale)}; run `make render` and commit the result", err=True)
            sys.exit(1)
        return
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(pages[path], encoding="utf-8")
        click.echo(f"rendered {path}")


def _holds(page: Path, text: str) -> bool:
    return page.exists() and page.read_text(encoding="utf-8") == text


def _commands(
    command: click.Command, path: str, parent: click.Context | None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield a command and everything below it, with the context that its help needs."""
    context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent, terminal_width=100)
    yield path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _commands(below, f"{path} {name}", context)


def _meaning_of(group: str) -> str:
    kind = Settings.model_fields[group].annotation
    assert kind is not None
    return (kind.__doc__ or "").strip()


def _setting_row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default else ""
    cells = (f"`{setting.name}`", setting.kind, default, setting.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()
