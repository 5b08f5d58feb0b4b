"""
A lane: one chDB connection with a thread of its own; statements in a lane come one after the other.

Two rules. A connection is used by its thread only (shared ones make readers wait for writers). And a statement
leaves nothing behind: settings are put back, external tables dropped, and after a statement that failed or may have
changed the session (`SET`, `USE`, `CREATE TEMPORARY TABLE`…) the connection is opened anew. chdb 4.4.0 answers the
statement after a failed one with the failed one's first rows.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO, ParamSpec, TypeVar, cast

from pipeline.embedded.warehouse.call import Call, External, Statistics
from pipeline.embedded.warehouse.chdb_types import Connection, QueryClass, Result
from pipeline.embedded.warehouse.chunks import JOINERS, pieces
from pipeline.embedded.warehouse.engine import Engine
from pipeline.embedded.warehouse.faults import READONLY, SYNTAX_ERROR, UNKNOWN_DATABASE, Fault
from pipeline.embedded.warehouse.statement import (
    Insert,
    escaped_parameter,
    output_format,
    quoted_name,
    quoted_string,
    with_identifiers,
)

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_DATABASE = "default"
_READ_ONLY = "READ_ONLY"
_READ_BY_GET = (
    "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. "
    "You should use method POST for modifying queries"
)


@dataclass(frozen=True)
class Answer:
    """What a statement answers: format, parts, and statistics where the whole is there already."""

    format: str
    parts: Iterator[bytes]
    statistics: Statistics | None = None


class Lane:
    """
    A connection with its thread.

    All methods but `run` and `close` are called on the lane's thread (`run` does that).

    Args:
        engine: Where to connect.
        baseline: Settings that hold for every statement unless it sets its own.
        home: Database of requests that name none.
    """

    def __init__(self, engine: Engine, baseline: Mapping[str, str], home: str) -> None:
        self._engine, self._baseline, self._home = engine, dict(baseline), home
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lane")
        self._connection: Connection | None = None
        self._changed: set[str] = set()
        self._temporary: list[str] = []
        self._streaming: object | None = None
        self._database = ""
        self._is_stained = False

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something on the lane's thread and await it."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """End the thread and the connection, after what it is doing."""
        self._thread.submit(self._disconnect)
        self._thread.shutdown(wait=True)

    def query(self, statement: str, output: str = "TSVRaw", parameters: Mapping[str, str] | None = None) -> Result:
        """Run a statement of ours, or one that was judged, and return chDB's result."""
        try:
            return self._connected().query(statement, output, params=dict(parameters or {}))
        except RuntimeError as error:
            raise self._failed(error) from error

    def answer(self, call: Call, *, at_once: bool = False) -> Answer:
        """
        Run any statement but an INSERT with data.

        Args:
            call: The statement.
            at_once: Build the whole answer before returning, so that a late fault is still told by status.

        Returns:
            The answer; its parts are to be taken on the lane's thread, and the lane is busy until they are.
        """
        kind = self._prepare(call)
        form = output_format(call.text) or call.default_format
        if kind == _READ_ONLY and not at_once and form in JOINERS:
            parts = self._stream(call)
            if parts is not None:
                return Answer(form, JOINERS[form](parts))
        result = self.query(call.text, call.default_format, call.parameters)
        return Answer(form, pieces(result), Statistics.of_result(result))

    def insert(self, call: Call, insert: Insert, data: BinaryIO) -> Statistics:
        """
        Run an INSERT; when this returns, its rows are in.

        Args:
            call: Settings and parameters; its text is not used.
            insert: The statement.
            data: An open file with all of the data.
        """
        self._prepare(call)
        head = with_identifiers(insert.head, dict(call.parameters))
        return self._load(replace(insert, head=head), data)

    def restore(self) -> None:
        """Leave nothing of the last statement behind, nor let it go on."""
        if self._streaming is not None:
            with suppress(RuntimeError):
                self._connected().streaming_cancel_query(self._streaming)
            self._is_stained = True
        if self._is_stained or self._connection is None:
            self._disconnect()
            return
        try:
            for name in self._temporary:
                self.query(f"DROP TEMPORARY TABLE IF EXISTS {quoted_name(name)}")
            if self._changed:
                baseline = self._baseline
                self.query(
                    "SET "
                    + ", ".join(
                        f"{name} = {quoted_string(baseline[name]) if name in baseline else 'DEFAULT'}"
                        for name in self._changed
                    )
                )
            self._temporary.clear()
            self._changed.clear()
        except Fault:
            self._disconnect()

    def _failed(self, error: RuntimeError) -> Fault:
        """Translate an error, and never use the connection again: it keeps rows of the failed query for the next."""
        self._is_stained = True
        return Fault.of_engine(error)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            # `readonly` comes last: nothing can be set after it.
            ordered = sorted(self._baseline.items(), key=lambda item: item[0] == "readonly")
            for name, value in ordered:
                self._connection.query(f"SET {name} = {quoted_string(value)}", "TSV", params={})
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._streaming, self._database, self._is_stained = None, None, "", False
        self._changed.clear()
        self._temporary.clear()

    def _prepare(self, call: Call) -> str:
        """Set everything up for a statement; return its class."""
        self._use(call.database)
        if call.settings:
            self._changed.update(call.settings)
            self.query("SET " + ", ".join(f"{_setting(n)} = {quoted_string(v)}" for n, v in call.settings.items()))
        for external in call.externals:
            self._upload(external)
        if not call.text:
            return ""
        kind = self._class_of_one(call.text)
        if kind != _READ_ONLY:
            if call.is_readonly:
                raise Fault(READONLY, _READ_BY_GET)
            self._is_stained = True
        return kind

    def _class_of_one(self, text: str) -> str:
        """Return the class of the one statement in a text; the engine itself would run several, one by one."""
        found = self._connected().classify_query(text)
        count = cast(int, found["statement_count"])
        if count > 1:
            raise Fault(SYNTAX_ERROR, f"Syntax error (Multi-statements are not allowed): found {count} statements")
        if count == 0:
            # It does not parse; the parser's own words say where. Should it parse after all, it is one statement.
            self.query("SELECT formatQuerySingleLine({text:String})", parameters={"text": escaped_parameter(text)})
        return cast(QueryClass, found["query_class"]).name

    def _use(self, database: str) -> None:
        wanted = database or self._home
        if wanted == self._database:
            return
        try:
            self.query(f"USE {quoted_name(wanted)}")
            self._database = wanted
        except Fault as fault:
            if database or fault.code != UNKNOWN_DATABASE:
                raise
            self.query(f"USE {DEFAULT_DATABASE}")
            self._database = DEFAULT_DATABASE

    def _upload(self, external: External) -> None:
        create = f"CREATE TEMPORARY TABLE {quoted_name(external.name)} ({external.structure}) ENGINE = Memory"
        self._class_of_one(create)
        self.query(create)
        self._temporary.append(external.name)
        if external.data:
            with self._engine.payload() as data:
                data.write(external.data)
                self._load(Insert(f"INSERT INTO {quoted_name(external.name)} ", "", external.format, b""), data)

    def _load(self, insert: Insert, data: BinaryIO) -> Statistics:
        """
        Insert from a file: not chDB's `send_insert`.

        That one acknowledges an INSERT whose last block could not be written, as when the memory ends (chdb 4.4.0).
        """
        data.flush()
        # The file has no name in any folder: nobody else finds it, and a crash leaves nothing behind.
        statement = insert.from_file(f"/proc/self/fd/{data.fileno()}")
        self._class_of_one(statement)
        return Statistics.of_result(self.query(statement))

    def _stream(self, call: Call) -> Iterator[bytes] | None:
        """Run a query part by part; None where the engine has no parts for this kind of query (as SHOW)."""
        try:
            parameters = dict(call.parameters)
            self._streaming = self._connected().send_query(call.text, call.default_format, params=parameters)
        except RuntimeError as error:
            if "Streaming query is not supported" in str(error):
                return None
            raise self._failed(error) from error
        return self._fetch()

    def _fetch(self) -> Iterator[bytes]:
        """Yield the parts of the streamed query; `restore` cancels it where the reader stopped early."""
        while self._streaming is not None:
            try:
                part = self._connected().streaming_fetch_result(self._streaming)
            except RuntimeError as error:
                self._streaming = None
                raise self._failed(error) from error
            if part is None or part.rows_read() == 0:
                self._streaming = None
            if part is not None and part.size():
                yield part.bytes()


def _setting(name: str) -> str:
    if not name.replace("_", "").isalnum():
        raise Fault(SYNTAX_ERROR, f"{name!r} is no name of a setting")
    return name
