"""
Why a record is refused: a closed list, and the finding that names one of them.

Reasons are about the data only. Trouble of the machinery is an exception and refuses nothing.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a record is refused; also the label of metrics and the column of `v_rejected`."""

    TOMBSTONE = "tombstone"
    """The record has no value."""

    UNDECODABLE = "undecodable"
    """The bytes are not what their schema says, or no JSON."""

    UNKNOWN_SCHEMA = "unknown_schema"
    """The value names no schema that we know."""

    WRONG_TOPIC = "wrong_topic"
    """The type belongs to another family's topic."""

    UNKNOWN_TYPE = "unknown_type"
    """The table of types has no such row."""

    MISSING_FIELD = "missing_field"
    """A required field is absent or null."""

    UNKNOWN_FIELD = "unknown_field"
    """A field that the envelope or the type does not have."""

    WRONG_TYPE = "wrong_type"
    """A value of another type than its field."""

    INVALID_VALUE = "invalid_value"
    """A value of the right type that the field does not take."""

    NO_IDENTIFIER = "no_identifier"
    """Nobody is named whom the touchpoint could belong to."""

    FUTURE_TIME = "future_time"
    """It is said to have happened more than a day after its receipt."""

    TOO_LARGE = "too_large"
    """More bytes than a record may have."""

    BAD_STATEMENT = "bad_statement"
    """A statement about identity that says nothing or may not be said."""

    REFUSED_BY_WAREHOUSE = "refused_by_warehouse"
    """The warehouse takes everything around it, but not this."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of one touchpoint: the reason, where it is (JSON pointer into the event) and what is wrong."""

    reason: Reason
    pointer: str
    detail: str

    def __str__(self) -> str:
        """Read as one line."""
        return f"{self.reason} at {self.pointer or 'the event'}: {self.detail}"


def pointer_to(*steps: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a place in an event."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
