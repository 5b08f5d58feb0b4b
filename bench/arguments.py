"""What a run is asked for, checked before it starts anything: refusals say what is wrong, where, and what to do."""

import argparse
from collections.abc import Callable


def whole(least: int) -> Callable[[str], int]:
    """Return a type of arguments: whole numbers from `least` on."""

    def read(text: str) -> int:
        try:
            given = int(text)
        except ValueError:
            given = least - 1
        if given < least:
            raise argparse.ArgumentTypeError(f"{text!r} will not do; give a whole number, {least} or more")
        return given

    return read


def number(least: float = 0.0, *, or_just_that: bool = True) -> Callable[[str], float]:
    """Return a type of arguments: numbers from `least` on, or only above it."""
    allowed = f"{least:g} or more" if or_just_that else f"more than {least:g}"

    def read(text: str) -> float:
        try:
            given = float(text)
        except ValueError:
            given = float("nan")
        # Neither what is no number nor what has no end passes.
        if not (least <= given < float("inf")) or (given == least and not or_just_that):
            raise argparse.ArgumentTypeError(f"{text!r} will not do; give a number, {allowed}")
        return given

    return read
