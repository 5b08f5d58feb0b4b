"""`--since DAY` and `--until DAY`: days of UTC between which a report looks, in this order."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import click

_DAY: Final = click.DateTime(["%Y-%m-%d"])


def days(since: str, until: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Give a command both days, and refuse them where none lies between: an empty report would look like good news.

    Args:
        since: What the first day chooses, for the help.
        until: What the day after the last one chooses.
    """

    def give(command: Callable[..., None]) -> Callable[..., None]:
        for option in (
            click.option("--until", type=_DAY, callback=_in_order, help=until),
            click.option("--since", type=_DAY, callback=_in_order, help=since),
        ):
            command = option(command)
        return command

    return give


def _in_order(context: click.Context, parameter: click.Parameter, value: datetime | None) -> datetime | None:
    # Whichever of the two is read last sees the other.
    read = {**context.params, str(parameter.name): value}
    since, until = read.get("since"), read.get("until")
    if since is not None and until is not None and since >= until:
        raise click.UsageError(
            f"no day lies between --since {since:%Y-%m-%d} and --until {until:%Y-%m-%d}, which is itself not included"
        )
    return value
