"""
The collector's routes: who may write, what is read, what is taken, what is answered.

The one rule: an event counts as accepted, and is remembered as seen, only after Kafka has confirmed it. A request that
fails on the way is refused as a whole and remembered nowhere, so that sending it again is always right.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from pipeline.config import Settings
from pipeline.contracts.reasons import Problem
from pipeline.observability.health import Health, Verdict
from pipeline.observability.metrics import Metrics
from pipeline.producers.admission import Admission, Admitted
from pipeline.producers.collector.answers import Receipt, Receipts, RequestRefused
from pipeline.producers.collector.courier import Courier
from pipeline.producers.collector.keys import WriteKeys
from pipeline.producers.collector.reading import Event, ReadEvents, read_body, read_json, read_lines
from pipeline.producers.recent import RecentContents

MEDIA_TYPES: Final[Mapping[str, ReadEvents]] = {
    "application/x-ndjson": read_lines,
    "application/ndjson": read_lines,
    "application/jsonl": read_lines,
    "application/x-jsonlines": read_lines,
}
"""How the bodies of `POST /v1/touchpoints` are read; every other type is read as plain JSON."""

_NOT_YET: Final = "application/cloudevents"
_REMEMBERED_CONTENTS: Final = 400_000
_BODY_TIMEOUT_S: Final = 30
_RETRY_LATER_S: Final = 5

# Up to this size a request is judged in the event loop: a thread would cost more than it spares.
_JUDGED_AT_ONCE_BYTES: Final = 32_768

_log = logging.getLogger(__name__)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Collector:
    """
    Takes touchpoints over HTTP; one event loop uses it.

    Args:
        settings: Keys, limits, what identifies nobody.
        courier: Brings records to Kafka.
        metrics: Where requests and events are counted.
        health: Whether the process is ready; kept up to date elsewhere.
    """

    def __init__(self, settings: Settings, courier: Courier, metrics: Metrics, health: Health) -> None:
        self._limits = settings.collector
        self._keys = WriteKeys(settings.collector.write_keys)
        self._admission = Admission(settings.identity, settings.kafka.max_record_bytes, keeps_receipt=False)
        self._courier = courier
        self._metrics = metrics
        self._health = health
        self._recent = RecentContents(_REMEMBERED_CONTENTS)

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
        return (
            ("POST", "/v1/touchpoints", self._take_touchpoints),
            ("GET", "/livez", self._livez),
            ("GET", "/readyz", self._readyz),
        )

    async def _take_touchpoints(self, request: web.Request) -> web.StreamResponse:
        self._check_key(request)
        media_type = request.content_type.lower()
        if media_type.startswith(_NOT_YET):
            detail = "CloudEvents are not taken yet; send touchpoints as application/json"
            raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
        read = MEDIA_TYPES.get(media_type, read_json)
        body = await self._body(request)
        # One memory for the whole request: what it teaches must not reach a memory that was begun anew meanwhile.
        recent = self._recent
        if len(body) <= _JUDGED_AT_ONCE_BYTES:
            receipts, admitted = self._judge(read, body, recent)
        else:
            receipts, admitted = await asyncio.to_thread(self._judge, read, body, recent)
        await self._deliver(admitted)
        for each in admitted:
            recent.remember(each.content)
        self._count(receipts)
        return _json(receipts.http_status, receipts.as_json())

    def _check_key(self, request: web.Request) -> str:
        owner = self._keys.owner(request.headers.get("Authorization"))
        if owner is None:
            detail = "no such write key; send Authorization: Bearer KEY, or Basic with the key as user"
            raise RequestRefused(HTTPStatus.UNAUTHORIZED, detail)
        return owner

    async def _body(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                return await read_body(
                    request.content.iter_any(),
                    request.headers.get("Content-Encoding", ""),
                    self._limits.max_request_bytes,
                )
        except TimeoutError as error:
            detail = f"the request did not come within {_BODY_TIMEOUT_S} s"
            raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT, detail) from error

    def _judge(self, read: ReadEvents, body: bytes, recent: RecentContents) -> tuple[Receipts, list[Admitted]]:
        received_at = time.time_ns() // 1_000_000
        receipts, admitted = Receipts(), []
        in_request: set[bytes] = set()
        for index, event in enumerate(read(body, self._limits.max_request_events)):
            judged = self._judge_event(event, received_at)
            if not isinstance(judged, Admitted):
                event_id, problem = judged
                receipts.entries.append(Receipt(index, event_id, "rejected", problem))
            elif judged.content in in_request or judged.content in recent:
                receipts.entries.append(Receipt(index, judged.event_id, "duplicate"))
            else:
                in_request.add(judged.content)
                admitted.append(judged)
                receipts.entries.append(Receipt(index, judged.event_id, "accepted"))
        return receipts, admitted

    def _judge_event(self, event: Event, received_at: int) -> Admitted | tuple[str | None, Problem]:
        if isinstance(event, Problem):
            return None, event
        judged = self._admission.judge(event, received_at)
        return judged if isinstance(judged, Admitted) else (judged.event_id, judged.problems[0])

    async def _deliver(self, admitted: Sequence[Admitted]) -> None:
        if not admitted:
            return
        if not (ready := self._health.is_ready()).ok and "kafka" in ready.reason:
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, ready.reason, _RETRY_LATER_S)
        await self._courier.deliver([each.record for each in admitted])
        self._metrics.set("throughline_last_progress_timestamp_seconds", time.time(), stage="collect")

    def _count(self, receipts: Receipts) -> None:
        counts = {
            "received": len(receipts.entries),
            "stored": receipts.count("accepted"),
            "duplicate": receipts.count("duplicate"),
            "rejected": receipts.count("rejected"),
        }
        for outcome, number in counts.items():
            self._metrics.count("throughline_events_total", number, stage="collect", outcome=outcome)
        for receipt in receipts.entries:
            if receipt.problem is not None:
                self._metrics.count("throughline_rejected_total", reason=receipt.problem.reason.value)

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
            response = _json(refused.status, {"error": refused.detail}, refused.headers)
        except web.HTTPException as refused:
            response = _json(HTTPStatus(refused.status), {"error": refused.reason})
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # noqa: BLE001 - the sender must get an answer, and the other requests must go on
            _log.exception("a request failed: %s %s", request.method, request.path)
            detail = "something went wrong here; nothing is known to be taken, send the request again"
            response = _json(HTTPStatus.SERVICE_UNAVAILABLE, {"error": detail}, {"Retry-After": str(_RETRY_LATER_S)})
        if request.method == "POST":
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
