"""`--as-of TIME` on commands that read results: the same report from what had been received by then."""

from collections.abc import Callable
from datetime import UTC, datetime

import click

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.invocation import Invocation


class Moment(click.ParamType):
    """A time in ISO 8601; without a zone it is UTC, a day is its beginning."""

    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it; milliseconds count."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} is no time such as 2026-11-01 or 2026-11-01T08:30:00Z", param, ctx)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _stand_at(context: click.Context, _parameter: click.Parameter, value: datetime | None) -> None:
    if value is not None:
        context.ensure_object(Invocation).as_of = value


def as_of_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--as-of`, which sets the time on the invocation; `reach` then finds the database of that time."""
    return click.option(
        "--as-of",
        type=Moment(),
        metavar="TIME",
        expose_value=False,
        callback=_stand_at,
        help="As it was known at this time: from what had been received by then.",
    )(command)


def refuse_the_future(at: datetime) -> None:
    """
    Refuse a time that is not over yet.

    Raises:
        CommandError: Naming it.
    """
    if at > datetime.now(UTC):
        raise CommandError(f"{at.isoformat()} is not over yet", exit_code=WRONG_USAGE)
