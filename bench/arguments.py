"""What a run is asked for, checked before it starts anything: refusals say what is wrong, where, and what to do."""

import argparse
import math
from collections.abc import Callable

from pipeline.config import load_settings
from pipeline.embedded.kafka.jars import KafkaMissing, find_java, jars_folder, require_jars


class WithDefaults(argparse.HelpFormatter):
    """Help that says what is taken where nothing is said."""

    def _get_help_string(self, action: argparse.Action) -> str:
        said = action.help or ""
        if "default" in said or action.default in (None, False, argparse.SUPPRESS) or action.default == []:
            return said
        return f"{said} (default: %(default)s)"


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


def positive(text: str) -> float:
    """Read an argument that is a number above zero."""
    given = _finite(text)
    if given <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} will not do; give a number above 0")
    return given


def not_negative(text: str) -> float:
    """Read an argument that is a number from zero on."""
    given = _finite(text)
    if given < 0:
        raise argparse.ArgumentTypeError(f"{text!r} will not do; give a number, 0 or more")
    return given


def require_kafka(parser: argparse.ArgumentParser, argument: str = "--broker kafka") -> None:
    """End with exit code 2, in the words of the parser, where Apache Kafka or the Java that runs it is missing."""
    try:
        require_jars(jars_folder(load_settings().embedded.kafka_folder))
        find_java()
    except KafkaMissing as error:
        parser.error(f"{argument}: {error}; run `make kafka` first (needs java 17 or newer and mvn)")


def _finite(text: str) -> float:
    """Return the number, or one that no argument may be where the text is none or has no end."""
    try:
        given = float(text)
    except ValueError:
        return -1.0
    return given if math.isfinite(given) else -1.0
