"""
Reading the warehouse over plain HTTP: what the commands for people need, and nothing to import that is slow.

Workers use `pipeline.warehouse`; this asks as an analyst does, with the analyst's rights.
"""

import base64
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import orjson

from pipeline.cli.errors import NOT_SO, WRONG_USAGE, CommandError

TIMEOUT_S = 300
# A warehouse that lives says so at once, however busy it is.
PATIENCE_S = 5.0
CHUNK_BYTES = 1 << 16
_MOST_SAID = 300
_MOST_WORDS = 6
# Wrong in the text of the statement, so that asking again as it stands cannot help: unknown function, column or
# table, syntax, type mismatch, ambiguous or missing names, unknown format, wrong number of arguments.
STATEMENT_CODES = frozenset({16, 36, 42, 43, 46, 47, 53, 60, 62, 73, 81, 179, 184, 215, 386, 456})


class Warehouse:
    """
    Someone who may read.

    Args:
        url: http(s)://user:password@host:port/database.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.place = place_of(url)
        self._has_answered = False
        self._database = unquote(parts.path.strip("/")) or "default"
        credentials = f"{unquote(parts.username or 'default')}:{unquote(parts.password or '')}"
        self._authorization = "Basic " + base64.b64encode(credentials.encode()).decode()

    @contextmanager
    def ask(self, sql: str, form: str, parameters: Mapping[str, str] | None = None) -> Iterator[HTTPResponse]:
        """
        Send a statement and hand over the answer as it streams in.

        Args:
            sql: The statement; its own FORMAT wins over `form`.
            form: ClickHouse format of the answer.
            parameters: Values of `{name:Type}` places.

        Raises:
            CommandError: If nothing answers, or the warehouse refuses.
        """
        if not self._has_answered:
            require_answer(self.place, PATIENCE_S)
            self._has_answered = True
        options = {"database": self._database, "default_format": form}
        options |= {f"param_{name}": _parameter(value) for name, value in (parameters or {}).items()}
        request = urllib.request.Request(
            f"{self.place}/?{urlencode(options)}", data=sql.encode(), headers={"Authorization": self._authorization}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                yield answer
        except BrokenPipeError:  # whoever read what the command writes went away
            raise
        except urllib.error.HTTPError as error:
            raise _refusal(error.read().decode(errors="replace")) from error
        except (OSError, HTTPException) as error:
            raise no_answer(self.place, str(getattr(error, "reason", error))) from error

    def rows(self, sql: str, parameters: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """Return all rows of an answer."""
        with self.ask(sql, "JSONEachRow", parameters) as answer:
            return [orjson.loads(line) for line in answer.read().splitlines() if line]


def place_of(url: str) -> str:
    """Return where a warehouse is, without the credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or (8443 if parts.scheme == 'https' else 8123)}"


def require_answer(place: str, patience_s: float) -> None:
    """
    See whether anybody is there, before something is asked that may rightly take long.

    Args:
        place: From `place_of`.
        patience_s: Longest wait for the connection, and for the answer.

    Raises:
        CommandError: If nothing answers. Any answer will do: what is between us and ClickHouse may not know the path.
    """
    try:
        urllib.request.urlopen(f"{place}/ping", timeout=patience_s).close()
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):  # somebody is there; the real question tells what is wrong
            return
        is_slow = isinstance(reason, TimeoutError)
        raise no_answer(place, f"no word in {patience_s:g} s" if is_slow else str(reason)) from error


def no_answer(place: str, reason: str = "") -> CommandError:
    """Return what a person is told when the warehouse does not answer."""
    return CommandError(
        f"the warehouse does not answer ({reason})" if reason else "the warehouse does not answer",
        where=place,
        remedy="`throughline status` shows whether it runs; one of `throughline up` is started again after a minute of "
        "silence, of a server of your own see whether it runs and whether the address is right",
    )


def _parameter(value: str) -> str:
    """Escape a value as ClickHouse reads parameters (TSV)."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _refusal(text: str) -> CommandError:
    # The engine repeats the prefix where one of its errors led to another.
    match = re.search(r"Code: (\d+)\. (?:DB::Exception: )?(?:Code: \d+\. (?:DB::Exception: )?)*(.*)", text, re.DOTALL)
    code = int(match[1]) if match else 0
    said = (match[2] if match else text).strip().splitlines()
    message = re.sub(r"\s*\(version [^)]*\).*$", "", said[0] if said else "no reason given")
    return CommandError(
        f"the warehouse refuses: {_shortened(message)}" + (f" (ClickHouse code {code})" if code else ""),
        exit_code=WRONG_USAGE if code in STATEMENT_CODES else NOT_SO,
    )


def _shortened(message: str) -> str:
    """Shorten what the engine repeats of a statement, and the list of all words that could have stood there."""
    said, expected, words = message.partition(" Expected one of: ")
    if len(said) > _MOST_SAID:
        said = f"{said[:_MOST_SAID]}…"
    if not expected:
        return said
    first = words.split(", ")
    more = f", … ({len(first) - _MOST_WORDS} more)" if len(first) > _MOST_WORDS else ""
    return said + expected + ", ".join(first[:_MOST_WORDS]) + more
