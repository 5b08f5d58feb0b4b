"""
The collector's routes: who may write, what is read, what is taken, what is answered.

The one rule: an event counts as accepted, and is remembered as seen, only after Kafka has confirmed it or the spool has
it on disk. A request that fails on the way is refused as a whole and remembered nowhere, so that sending it again is
always right: what Kafka took without saying so is stored once all the same.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from importlib.resources import files
from typing import Final

import orjson
from aiohttp import ClientPayloadError, http_exceptions, web

from pipeline.config import Settings
from pipeline.observability.health import Health, Verdict
from pipeline.observability.metrics import Metrics
from pipeline.producers.admission import Admission, Admitted
from pipeline.producers.collector.access import Access
from pipeline.producers.collector.answers import Receipts, RequestRefused
from pipeline.producers.collector.cloudevents import (
    BATCHED,
    STRUCTURED,
    is_binary,
    read_batched,
    read_binary,
    read_structured,
)
from pipeline.producers.collector.judging import Judge
from pipeline.producers.collector.keys import WriteKey, WriteKeys
from pipeline.producers.collector.reading import Arrival, ReadEvents, read_json, read_lines
from pipeline.producers.collector.segment import KINDS, reader, written_key
from pipeline.producers.collector.stowing import Delivery
from pipeline.producers.collector.unpacking import BodyReader, Room
from pipeline.producers.recent import RecentContents
from pipeline.registry.client import RegistryRefused, RegistryUnavailable
from pipeline.registry.framing import framing_of

MEDIA_TYPES: Final[Mapping[str, ReadEvents]] = {
    "application/x-ndjson": read_lines,
    "application/ndjson": read_lines,
    "application/jsonl": read_lines,
    "application/x-jsonlines": read_lines,
    STRUCTURED: read_structured,
    BATCHED: read_batched,
}
"""How the bodies of `POST /v1/touchpoints` are read; every other type is read as plain JSON."""

SNIPPET: Final = "throughline.js"
"""The program for web pages that the collector serves."""

_REMEMBERED_CONTENTS: Final = 400_000
_BODY_TIMEOUT_S: Final = 30
_RETRY_LATER_S: Final = 5

# Up to this size a request is judged in the event loop: a thread would cost more than it spares.
_JUDGED_AT_ONCE_BYTES: Final = 65_536

# What is read of a body whose key may stand inside it: more than browsers send, and little for a stranger to cost us.
_STRANGERS_BYTES: Final = 1_048_576

_log = logging.getLogger(__name__)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Collector:
    """
    Takes touchpoints over HTTP; one event loop uses it.

    Args:
        settings: Limits, what identifies nobody, which pages and proxies are trusted.
        keys: Who may write.
        courier: Brings records to Kafka, or keeps them safe until it can.
        metrics: Where requests and events are counted.
        health: Whether the process is ready; kept up to date elsewhere.
    """

    def __init__(
        self, settings: Settings, keys: WriteKeys, courier: Delivery, metrics: Metrics, health: Health
    ) -> None:
        self._limits = settings.collector
        self._access = Access(settings.collector, keys)
        self._admission = Admission(
            settings.identity,
            settings.kafka.max_record_bytes,
            keeps_receipt=False,
            frame=framing_of(settings.registry),
        )
        self._read_segment = reader(settings.collector.default_currency, settings.collector.vocabularies)
        self._room = Room(settings.collector.max_waiting_bytes)
        self._courier = courier
        self._metrics = metrics
        self._health = health
        self._recent = RecentContents(_REMEMBERED_CONTENTS)
        self._snippet = files("pipeline.producers.collector").joinpath(SNIPPET).read_bytes()

    def application(self) -> web.Application:
        """Return the aiohttp application with all routes."""
        application = web.Application(middlewares=[self._told])
        for method, path, answer in self._routes():
            application.router.add_route(method, path, answer)
        return application

    def forget_seen(self) -> None:
        """Take every event for new again; what really is stored already is stored once all the same."""
        self._recent = RecentContents(_REMEMBERED_CONTENTS)

    def _routes(self) -> Sequence[tuple[str, str, Answer]]:
        doors = {"/v1/touchpoints": self._take_touchpoints}
        doors |= {f"{root}/{word}": self._take_messages for root in ("/v1", "/beacon/v1") for word in KINDS}
        return (
            *(("POST", path, answer) for path, answer in doors.items()),
            *(("OPTIONS", path, self._preflight) for path in doors),
            ("GET", f"/{SNIPPET}", self._send_snippet),
            *((method, "/livez", self._livez) for method in ("GET", "HEAD")),
            *((method, "/readyz", self._readyz) for method in ("GET", "HEAD")),
        )

    async def _take_touchpoints(self, request: web.Request) -> web.StreamResponse:
        media_type = request.content_type.lower()
        read = MEDIA_TYPES.get(media_type, read_json)
        if read is read_json and is_binary({name.lower(): "" for name in request.headers}):
            read = read_binary
        receipts = await self._take(request, read)
        status = HTTPStatus.BAD_REQUEST if receipts.is_all_bad else HTTPStatus.ACCEPTED
        return _json(status, receipts.as_json())

    async def _take_messages(self, request: web.Request) -> web.StreamResponse:
        # 200 even where every message is bad: these clients take a 400 for the whole batch's fault and drop it.
        return _json(HTTPStatus.OK, (await self._take(request, self._read_segment, may_hold_key=True)).as_json())

    async def _take(self, request: web.Request, read: ReadEvents, *, may_hold_key: bool = False) -> Receipts:
        self._access.check_origin(request)
        key = self._access.key_outside(request)
        if key is None and not may_hold_key:
            raise self._access.unknown()
        if key is not None:
            self._access.check_rate(key)
        limit = self._limits.max_request_bytes if key is not None else _STRANGERS_BYTES
        body_reader = BodyReader(request.headers.get("Content-Encoding", ""), limit, self._room)
        try:
            body = await self._body(request, body_reader)
            if key is None:
                key = self._access.key_inside(written_key(body))
                self._access.check_rate(key)
            return await self._take_body(request, key, read, body)
        finally:
            body_reader.close()

    async def _take_body(self, request: web.Request, key: WriteKey, read: ReadEvents, body: bytes) -> Receipts:
        headers = {name.lower(): value for name, value in request.headers.items()} if read is read_binary else {}
        arrival = Arrival(
            key=key,
            received_at=time.time_ns() // 1_000_000,
            most_events=self._limits.max_request_events,
            headers=headers,
            kind=request.path.rpartition("/")[2],
        )
        browser = self._access.browser(request)
        # One memory for the whole request: what it teaches must not reach a memory that was begun anew meanwhile.
        recent = self._recent

        def judge() -> tuple[Receipts, list[Admitted]]:
            return Judge(self._admission, recent).judge(read(body, arrival), key, arrival.received_at, browser)

        try:
            receipts, admitted = judge() if len(body) <= _JUDGED_AT_ONCE_BYTES else await asyncio.to_thread(judge)
        except (RegistryUnavailable, RegistryRefused) as error:
            _log.warning("a request was refused: the schema registry does not help: %s", error)
            detail = "the schema registry does not answer; try again later"
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, detail, _RETRY_LATER_S) from error
        self._access.spend(key, len(receipts.entries))
        try:
            await self._deliver(admitted)
        except RequestRefused as refused:
            if refused.may_be_taken:
                refused.receipts = receipts.as_unconfirmed()
            raise
        for each in admitted:
            recent.remember(each.content)
        self._count(receipts)
        return receipts

    async def _body(self, request: web.Request, reader: BodyReader) -> bytes:
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                return await reader.read(request.content.iter_any())
        except TimeoutError as error:
            detail = f"the request did not come within {_BODY_TIMEOUT_S} s"
            raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT, detail) from error
        except (http_exceptions.BadHttpMessage, ClientPayloadError) as error:
            _log.info("the body of a request was cut off: %s %s", request.method, request.path)
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "the body ends before it is whole; send it again") from error

    async def _deliver(self, admitted: Sequence[Admitted]) -> None:
        if not admitted:
            return
        await self._courier.deliver([each.record for each in admitted], self._health.trouble("kafka"))
        self._metrics.set("throughline_last_progress_timestamp_seconds", time.time(), stage="collect")

    def _count(self, receipts: Receipts) -> None:
        counts = receipts.counts
        outcomes = {
            "received": len(receipts.entries),
            "stored": counts["accepted"],
            "duplicate": counts["duplicate"],
            "rejected": counts["rejected"],
        }
        for outcome, number in outcomes.items():
            self._metrics.count("throughline_events_total", number, stage="collect", outcome=outcome)
        for reason, number in receipts.rejected.items():
            self._metrics.count("throughline_rejected_total", number, reason=reason)

    async def _preflight(self, request: web.Request) -> web.StreamResponse:
        headers = self._access.preflight(request)
        if headers is None:
            raise RequestRefused(HTTPStatus.FORBIDDEN, "pages of this origin may not send; allow it in the settings")
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)

    async def _send_snippet(self, _: web.Request) -> web.StreamResponse:
        headers = {"Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*"}
        return web.Response(body=self._snippet, content_type="text/javascript", charset="utf-8", headers=headers)

    async def _livez(self, _: web.Request) -> web.StreamResponse:
        return _verdict(self._health.is_live())

    async def _readyz(self, _: web.Request) -> web.StreamResponse:
        return _verdict(self._health.is_ready())

    @web.middleware
    async def _told(self, request: web.Request, handler: Answer) -> web.StreamResponse:
        """Turn whatever happens into an answer that tells, and count it."""
        began = time.perf_counter()
        try:
            response = await handler(request)
        except RequestRefused as refused:
            response = _json(refused.status, {"error": refused.detail, **refused.receipts}, refused.headers)
        except web.HTTPException as refused:
            response = _json(HTTPStatus(refused.status), {"error": refused.reason})
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # noqa: BLE001 - the sender must get an answer, and the other requests must go on
            _log.exception("a request failed: %s %s", request.method, request.path)
            detail = "something went wrong here; nothing is known to be taken, send the request again"
            response = _json(HTTPStatus.SERVICE_UNAVAILABLE, {"error": detail}, {"Retry-After": str(_RETRY_LATER_S)})
        if request.method == "POST":
            response.headers.update(self._access.readable_by(request))
            self._metrics.count("throughline_http_requests_total", status=_status_label(response.status))
            self._metrics.observe("throughline_http_request_seconds", time.perf_counter() - began)
        return response


def _json(status: HTTPStatus, value: object, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, headers=headers, content_type="application/json")


def _verdict(verdict: Verdict) -> web.Response:
    status = HTTPStatus.OK if verdict.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return web.Response(text=f"{'ok' if verdict.ok else 'not ok'}: {verdict.reason}\n", status=status)


def _status_label(status: int) -> str:
    exact = str(status)
    return exact if exact in {"400", "401", "413", "429"} else f"{status // 100}xx"
