"""
ClickHouse's HTTP interface over the embedded engine.

The rule it owns: a request gets a lane, its statement runs there, and what comes from outside passes the gate first.
Sessions are not kept (parameters that name one are accepted and ignored): every request stands for itself.
"""

import asyncio
import socket

from aiohttp import web

from pipeline.config import EmbeddedSettings
from pipeline.embedded.warehouse.allowed import TRANSPORT_SETTINGS
from pipeline.embedded.warehouse.answering import Exchange
from pipeline.embedded.warehouse.asking import MAX_EXTERNAL_BYTES, Asking, authenticated, read_asking
from pipeline.embedded.warehouse.call import Call, Statistics
from pipeline.embedded.warehouse.compression import choose_encoding
from pipeline.embedded.warehouse.credentials import INSIDE, OUTSIDE, Credentials
from pipeline.embedded.warehouse.engine import Engine
from pipeline.embedded.warehouse.faults import ACCESS_DENIED, READONLY, Fault
from pipeline.embedded.warehouse.gate import Gate
from pipeline.embedded.warehouse.lane import Lane
from pipeline.embedded.warehouse.lanes import Lanes

HOME = "throughline"
"""Database of requests that name none, where it exists."""

# Statements at once: the pipeline's workers, migrations and commands; and people with their dashboards.
_INSIDE_LANES, _OUTSIDE_LANES = 10, 6
# A query of people takes a further core for each of these that is free. The engine's own bound, 1 GiB, is for servers
# with the machine to themselves: below ours it would leave every query one thread. The pipeline's keep that one, for
# it runs on all cores as it is, and two threads of a query hold twice the memory.
_FREE_BYTES_PER_THREAD = 64 << 20
_MAX_ADDRESS_BYTES = 1 << 20
# What is under way gets this long to end by itself, then it is killed.
_SHUTDOWN_S = 3.0
_READ_METHODS = ("GET", "HEAD")
_OK = "Ok.\n"


class Warehouse:
    """
    The server over one engine.

    Args:
        engine: Opened; the server does not close it.
        credentials: Who may come in.
        settings: Bounds of outside queries.
    """

    def __init__(self, engine: Engine, credentials: Credentials, settings: EmbeddedSettings) -> None:
        self._engine, self._credentials = engine, credentials
        timeout_s = settings.query_timeout.total_seconds()
        inside = {
            "async_insert": "0",
            "implicit_select": "0",
            "allow_introspection_functions": "0",
        }
        outside = inside | {
            "max_execution_time": f"{timeout_s:g}",
            "max_memory_usage": str(settings.query_memory_bytes),
            "max_threads_min_free_memory_per_thread": str(_FREE_BYTES_PER_THREAD),
            "readonly": "2",
        }
        self._lanes = {
            INSIDE: Lanes([Lane(engine, inside, HOME) for _ in range(_INSIDE_LANES)]),
            OUTSIDE: Lanes([Lane(engine, outside, HOME) for _ in range(_OUTSIDE_LANES)]),
        }
        caps = {"max_execution_time": timeout_s, "max_memory_usage": float(settings.query_memory_bytes)}
        self._gate = Gate(engine.table_functions, caps)
        self._runner: web.AppRunner | None = None

    async def start(self, listener: socket.socket) -> None:
        """Begin to serve on a socket that is bound already."""
        app = web.Application(client_max_size=MAX_EXTERNAL_BYTES)
        for path in ("/ping", "/replicas_status"):
            app.router.add_get(path, self._ping)
        for path in ("/", "/{database}"):
            app.router.add_route("*", path, self._serve)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            auto_decompress=False,
            shutdown_timeout=_SHUTDOWN_S,
            max_line_size=_MAX_ADDRESS_BYTES,
            max_field_size=_MAX_ADDRESS_BYTES,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Answer what is under way if that is quick, then close every lane."""
        if self._runner is not None:
            await self._runner.cleanup()
        await asyncio.to_thread(self._engine.kill_queries)
        for lanes in self._lanes.values():
            await asyncio.to_thread(lanes.close)

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response(text=_OK)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.method in _READ_METHODS and "query" not in request.query:
            return web.Response(text=_OK)
        exchange = Exchange("", self._engine.version, self._engine.timezone, socket.gethostname())
        try:
            user = authenticated(request, self._credentials)
            asking = await read_asking(request, user)
            exchange.query_id = asking.query_id
            if asking.settings.get("enable_http_compression", "1") != "0":
                exchange.encoding = choose_encoding(request.headers.get("Accept-Encoding", ""))
            async with self._lanes[user].one() as lane:
                if asking.insert is not None:
                    statistics = await self._insert(request, lane, asking)
                    return web.Response(headers=exchange.headers(statistics=statistics))
                return await self._query(request, lane, asking, exchange)
        except Fault as fault:
            return exchange.fault(fault)

    async def _query(self, request: web.Request, lane: Lane, asking: Asking, exchange: Exchange) -> web.StreamResponse:
        at_once = asking.settings.get("wait_end_of_query", "0") == "1"
        answer = await lane.run(lambda: lane.answer(self._call(request, lane, asking), at_once=at_once))
        return await exchange.send(request, lane, answer)

    async def _insert(self, request: web.Request, lane: Lane, asking: Asking) -> Statistics:
        if asking.user == OUTSIDE:
            raise Fault(ACCESS_DENIED, f"{OUTSIDE}: Not enough privileges: INSERT may not be used from outside")
        if request.method in _READ_METHODS:
            raise Fault(READONLY, "Cannot execute query in readonly mode. Use POST for INSERT")
        assert asking.insert is not None
        assert asking.body is not None
        with self._engine.payload() as data:
            async for part in asking.body:
                data.write(part)
            return await lane.run(lane.insert, self._call(request, lane, asking), asking.insert, data)

    def _call(self, request: web.Request, lane: Lane, asking: Asking) -> Call:
        """Make the statement that runs out of what was asked; from outside, only what the gate lets through."""
        text = asking.text.decode("utf-8", "replace")
        if asking.user == OUTSIDE:
            if asking.externals:
                raise Fault(ACCESS_DENIED, f"{OUTSIDE}: Not enough privileges: external tables are not for outside")
            settings = self._gate.settings(asking.settings)
            text = self._gate.admit(lane, text, asking.parameters)
        else:
            settings = {name: value for name, value in asking.settings.items() if name not in TRANSPORT_SETTINGS}
        return Call(
            text=text,
            database=asking.database,
            default_format=asking.default_format,
            settings=settings,
            parameters=asking.parameters,
            externals=asking.externals,
            is_readonly=request.method in _READ_METHODS or asking.settings.get("readonly", "0") != "0",
        )


def listen(port: int) -> socket.socket:
    """Bind a port of the loopback; 0 takes a free one."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    listener.settimeout(0)
    return listener
