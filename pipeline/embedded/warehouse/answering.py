"""
Answers over HTTP: headers as ClickHouse sends them, bodies part by part, faults with their code.

An answer's status is told with its first part. A fault after that is written into the body and the connection is
broken off, so that no client takes half an answer for the whole.
"""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from aiohttp import web

from pipeline.embedded.warehouse.call import Statistics
from pipeline.embedded.warehouse.compression import Compressor
from pipeline.embedded.warehouse.faults import Fault
from pipeline.embedded.warehouse.lane import Answer, Lane

_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "XML": "application/xml; charset=UTF-8",
    "Markdown": "text/markdown; charset=UTF-8",
}
_BINARY = ("Native", "Arrow", "Parquet", "ORC", "RowBinary", "MsgPack", "Avro", "Npy", "RawBLOB", "BSON")
# Shorter answers are sent as they are: a compressed one would be longer.
_MIN_COMPRESSED_BYTES = 512


@dataclass
class Exchange:
    """What stands in the headers of every answer to one request."""

    query_id: str
    version: str
    timezone: str
    display_name: str
    encoding: str | None = None
    started: float = field(default_factory=time.monotonic)

    def headers(self, answer_format: str | None = None, statistics: Statistics | None = None) -> dict[str, str]:
        """Return the headers of an answer in a format."""
        found = {
            "X-ClickHouse-Query-Id": self.query_id,
            "X-ClickHouse-Timezone": self.timezone,
            "X-ClickHouse-Server-Display-Name": self.display_name,
            "X-ClickHouse-Summary": self._summary(statistics or Statistics()),
        }
        if answer_format is not None:
            found["X-ClickHouse-Format"] = answer_format
            found["Content-Type"] = _content_type(answer_format)
        return found

    def fault(self, fault: Fault) -> web.Response:
        """Return the answer to a request that failed before anything was sent."""
        headers = self.headers() | {"X-ClickHouse-Exception-Code": str(fault.code)}
        if fault.status == web.HTTPUnauthorized.status_code:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        return web.Response(status=fault.status, text=self._told(fault), headers=headers)

    async def send(self, request: web.Request, lane: Lane, answer: Answer) -> web.StreamResponse:
        """Send an answer while the lane makes its parts."""
        parts = answer.parts
        first = await lane.run(next, parts, b"")
        response = web.StreamResponse(headers=self.headers(answer.format, answer.statistics))
        compressor = None
        if self.encoding and (len(first) >= _MIN_COMPRESSED_BYTES or answer.statistics is None):
            compressor = Compressor(self.encoding)
            response.headers["Content-Encoding"] = self.encoding
        try:
            await response.prepare(request)
            part: bytes = first
            while part:
                await response.write(await lane.run(compressor.feed, part) if compressor else part)
                part = await lane.run(next, parts, b"")
            if compressor:
                await response.write(compressor.finish())
            await response.write_eof()
        except Fault as fault:
            await self._break_off(request, response, compressor, fault)
        except ConnectionError:
            # Nobody listens any more; the lane cancels the query when it is given back.
            pass
        return response

    async def _break_off(
        self, request: web.Request, response: web.StreamResponse, compressor: Compressor | None, fault: Fault
    ) -> None:
        told = self._told(fault).encode()
        with suppress(ConnectionError):
            await response.write(compressor.feed(told) + compressor.finish() if compressor else told)
        if request.transport is not None:
            request.transport.close()

    def _told(self, fault: Fault) -> str:
        version = "" if f"version {self.version}" in fault.text else f" (version {self.version})"
        return f"{fault.text}{version}\n"

    def _summary(self, statistics: Statistics) -> str:
        counted = {name: str(value) for name, value in asdict(statistics).items()}
        elapsed = time.monotonic() - self.started
        return json.dumps(counted | {"total_rows_to_read": "0", "elapsed_ns": str(int(elapsed * 1e9))})


def _content_type(answer_format: str) -> str:
    if answer_format in _CONTENT_TYPES:
        return _CONTENT_TYPES[answer_format]
    if answer_format.startswith("JSON"):
        return "application/json; charset=UTF-8"
    return "application/octet-stream" if answer_format.startswith(_BINARY) else "text/plain; charset=UTF-8"
