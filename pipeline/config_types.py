"""What every group of settings is made of: a model that refuses unknown names, and durations as people write them."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

_DURATION_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> object:
    """Read `30m`, `500ms`, `2h`, `30d` or a number of seconds; anything else is left to pydantic (ISO 8601)."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", value) if isinstance(value, str) else None
    return timedelta(seconds=float(match[1]) * _DURATION_UNITS[match[2] or "s"]) if match else value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class Group(BaseModel):
    """Base of every group: frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
