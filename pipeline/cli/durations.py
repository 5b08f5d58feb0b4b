"""Durations as an option says them, always with a unit."""

from datetime import timedelta

import click

from pipeline.config_types import parse_duration


def read_duration(option: str, text: str, least: timedelta, such_as: str) -> timedelta:
    """
    Return the duration that an option says.

    Args:
        option: Its name, for the error.
        text: What it says.
        least: Anything shorter is refused.
        such_as: Examples, for the error.

    Raises:
        click.UsageError: If it is no duration, too short, or without a unit.
    """
    # A bare number would be seconds, and who writes 7 means days.
    duration = None if text.strip().isdecimal() else parse_duration(text)
    if not isinstance(duration, timedelta) or duration < least:
        raise click.UsageError(f"{option} {text}: name a time such as {such_as}")
    return duration
