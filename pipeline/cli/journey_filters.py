"""
Which journeys a map, a funnel or a list of paths is about: options and the SQL condition that they make.

One rule: filters choose whole journeys, never touchpoints of them, so that shares stay shares of something that
happened. Values are bound parameters; only names from fixed lists stand in the statement.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pipeline.cli.days import days
from pipeline.contracts.kinds import ANY_STAGE, CHANNELS, STAGES

PICTURES = (".svg", ".html")


@dataclass(frozen=True)
class Chosen:
    """
    Journeys that are chosen.

    Args:
        condition: On `v_journey_paths`; empty for all journeys.
        parameters: Values of its places.
    """

    condition: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    def of_journeys(self, column: str) -> str:
        """Return the condition on a journey_id of another view."""
        return f"{column} IN (SELECT journey_id FROM v_journey_paths WHERE {self.condition})" if self.condition else "1"


def filters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --since, --until, --channel and --stage."""
    for option in (
        click.option("--stage", type=click.Choice([*STAGES]), help="Only journeys with a touchpoint of this stage."),
        click.option("--channel", type=click.Choice(CHANNELS), help="Only journeys with a touchpoint on this channel."),
        days("Only what began on this day (UTC) or later.", "Only what began before this day (UTC)."),
    ):
        command = option(command)
    return command


def picture_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --out FILE, which draws into an .svg or .html."""
    return click.option(
        "--out",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_checked_picture,
        metavar="FILE",
        help="Draw it into this .svg or .html as well; the file needs nothing else.",
    )(command)


def choose(options: Mapping[str, Any], *, by_time: bool = True) -> Chosen:
    """Return the journeys that the options of `filters` choose; without `by_time` whenever they began."""
    conditions, parameters = [], {}
    if by_time:
        for name, operator in (("since", ">="), ("until", "<")):
            if options[name] is not None:
                conditions.append(f"started_at {operator} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')")
                parameters[name] = str(milliseconds(options[name]))
    for name in ("channel", "stage"):
        if options[name] is not None:
            conditions.append(f"has({name}s, {{{name}:String}})")
            parameters[name] = options[name]
    return Chosen(" AND ".join(conditions), parameters)


def milliseconds(at: datetime) -> int:
    """Return a time of UTC, whether it says so or not, in milliseconds since 1970."""
    return round(at.replace(tzinfo=UTC).timestamp() * 1000)


def stage_order(stage: str) -> int:
    """Return the place of a stage in a customer's life; what has none comes last."""
    return STAGES.index(stage) if stage in STAGES else len(STAGES) + (stage != ANY_STAGE)


def _checked_picture(_context: click.Context, _parameter: click.Parameter, file: Path | None) -> Path | None:
    if file is not None and file.suffix.lower() not in PICTURES:
        raise click.BadParameter(f"{file.name} is neither .svg nor .html")
    if file is not None and not file.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {file.absolute().parent}")
    return file
