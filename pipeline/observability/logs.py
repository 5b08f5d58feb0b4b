"""
Log lines: one event, one line, as text or as JSON, on standard error.

Libraries that repeat themselves while a broker is away are cut short: the same line at most once in half a minute,
with the number of those left out.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from pipeline.config import ObservabilitySettings

REPEAT_AFTER_S = 30.0
_TALKATIVE = ("aiokafka", "faust", "mode", "kafka", "urllib3", "clickhouse_connect")


class RepeatFilter(logging.Filter):
    """Lets the same line through once in `REPEAT_AFTER_S`; the next one tells how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Judge one line; called by the handler."""
        if not record.name.startswith(_TALKATIVE):
            return True
        key, now = (record.name, str(record.msg)), self._clock()
        since, left_out = self._last.get(key, (-REPEAT_AFTER_S, 0))
        if now - since < REPEAT_AFTER_S:
            self._last[key] = (since, left_out + 1)
            return False
        self._last[key] = (now, 0)
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out} more of these)"
            record.args = ()
        return True


class TextFormatter(logging.Formatter):
    """One line: time, level, logger, what happened; line breaks are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one line; called by the handler."""
        text = f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return text.replace("\r", "\\r").replace("\n", "\\n")


class JsonFormatter(logging.Formatter):
    """One JSON object with time, level, logger, message and, where there is one, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one line; called by the handler."""
        fields = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def configure(settings: ObservabilitySettings, stream: TextIO | None = None) -> None:
    """
    Send the log of this process to `stream` (standard error when None), and nowhere else.

    Libraries below WARNING are heard at level DEBUG only.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel("DEBUG" if settings.log_level == "DEBUG" else "WARNING")


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
