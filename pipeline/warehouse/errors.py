"""
Trouble with the warehouse, told as what to do about it.

One rule: errors of the driver, of HTTP and of ClickHouse become one of two instructions here and nowhere else. What is
not known to be the fault of the rows is never blamed on them: a landing that cannot tell waits and tries again, for a
broken warehouse must not reject anything; a reader is told that its statement was refused.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from clickhouse_connect.driver.exceptions import Error as DriverError
from clickhouse_connect.driver.exceptions import OperationalError
from urllib3.exceptions import HTTPError

_CODE = re.compile(r"[Cc]ode: (\d+)")
_STATUS = re.compile(r"HTTP status (\d{3})")
_RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})

# The warehouse is busy, short of something or half there; the same statement may do later.
UNAVAILABLE_CODES = {
    3: "UNEXPECTED_END_OF_FILE",
    159: "TIMEOUT_EXCEEDED",
    160: "TOO_SLOW",
    164: "READONLY",
    198: "DNS_ERROR",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    289: "REPLICA_IS_NOT_IN_QUORUM",
    319: "UNKNOWN_STATUS_OF_INSERT",
    341: "UNFINISHED",
    373: "SESSION_IS_LOCKED",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    473: "DEADLOCK_AVOIDED",
    499: "S3_ERROR",
    745: "SERVER_OVERLOADED",
    999: "KEEPER_EXCEPTION",
}

# The rows themselves cannot be stored. Only these may make a landing divide its batch and reject a record.
ROW_CODES = {
    6: "CANNOT_PARSE_TEXT",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    32: "ATTEMPT_TO_READ_AFTER_EOF",
    33: "CANNOT_READ_ALL_DATA",
    38: "CANNOT_PARSE_DATE",
    41: "CANNOT_PARSE_DATETIME",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    128: "TOO_LARGE_ARRAY_SIZE",
    130: "CANNOT_READ_ARRAY_FROM_TEXT",
    131: "TOO_LARGE_STRING_SIZE",
    190: "SIZES_OF_ARRAYS_DONT_MATCH",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    376: "CANNOT_PARSE_UUID",
    407: "DECIMAL_OVERFLOW",
    467: "CANNOT_PARSE_BOOL",
    469: "VIOLATED_CONSTRAINT",
    691: "UNKNOWN_ELEMENT_OF_ENUM",
}


class WarehouseError(Exception):
    """Trouble with the warehouse; `code` is ClickHouse's where it gave one."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class WarehouseUnavailable(WarehouseError):  # noqa: N818 - the name is the instruction
    """
    Wait and do the same again.

    The outcome of what was attempted is unknown: rows may be in. They are keyed by content, so repeating is safe.
    """


class WarehouseRefused(WarehouseError):  # noqa: N818 - the name is the instruction
    """The statement or the rows are wrong; the same will be refused again."""


@contextmanager
def translated(*, landing: bool = False) -> Iterator[None]:
    """
    Turn errors of the driver into instructions while the block runs.

    Args:
        landing: The block inserts rows with a statement of our own. An error that is not known to be the rows' fault
            (no such table, no right, a code never seen) is then `WarehouseUnavailable`.

    Raises:
        WarehouseUnavailable: If the same may work later.
        WarehouseRefused: If it will not.
    """
    try:
        yield
    except (pa.ArrowException, OverflowError) as error:
        raise WarehouseRefused(f"rows do not fit the table: {error}") from error
    except (DriverError, HTTPError, OSError) as error:
        raise translate(error, landing=landing) from error


def translate(error: Exception, *, landing: bool = False) -> WarehouseError:
    """Return what an error of the driver, of HTTP or of ClickHouse means for the caller (see `translated`)."""
    message = str(error)
    if not isinstance(error, DriverError):
        return WarehouseUnavailable(f"the warehouse does not answer: {message}")
    code = error.code if error.code is not None else _number(_CODE, message)
    if code is not None:
        is_refused = code in ROW_CODES if landing else code not in UNAVAILABLE_CODES
        return (WarehouseRefused if is_refused else WarehouseUnavailable)(message, code)
    status = _number(_STATUS, message)
    is_transport = status in _RETRIED_STATUSES if status is not None else isinstance(error, OperationalError)
    return WarehouseUnavailable(message) if is_transport or landing else WarehouseRefused(message)


def _number(pattern: re.Pattern[str], message: str) -> int | None:
    match = pattern.search(message)
    return int(match[1]) if match else None
