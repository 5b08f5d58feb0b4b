"""
Sending to the HTTP collector.

The rule owned here: which answers settle a touchpoint, and which only say «again». Receipts settle; everything else
that might pass, a wrong key included (somebody will mend it), is tried again. What is too large is sent in halves, and
alone it is settled as rejected.
"""

import gzip
import http.client
import select
import socket
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPMessage
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from pipeline.producers.sdk.outcomes import Delivery, SinkAwayError
from pipeline.producers.sdk.sent_at import with_sent_at

_PATH: Final = "/v1/touchpoints"
_PACKED_FROM_BYTES: Final = 2_048
_GZIP_LEVEL: Final = 1
_REFUSED: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class HttpSink:
    """
    One connection to a collector, kept open.

    Args:
        address: As `https://collect.example`.
        write_key: Who we are.
        patience: Longest wait for an answer.
    """

    def __init__(self, address: str, write_key: str, patience: timedelta) -> None:
        parts = urlsplit(address)
        self._address = address
        self._is_tls = parts.scheme == "https"
        self._netloc = parts.netloc
        self._path = parts.path.rstrip("/") + _PATH
        self._timeout_s = patience.total_seconds()
        self._headers = {"Authorization": f"Bearer {write_key}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None

    def deliver(self, batch: Sequence[bytes], now_ms: int) -> list[Delivery]:
        """Send a batch and read its receipts; see `Sink`."""
        status, headers, answer = self._post(b"[" + b",".join(with_sent_at(entry, now_ms) for entry in batch) + b"]")
        told = _object(answer)
        receipts = told.get("receipts")
        if status in (HTTPStatus.ACCEPTED, HTTPStatus.BAD_REQUEST) and isinstance(receipts, list):
            if len(receipts) == len(batch):
                return [_delivery(receipt) for receipt in receipts]
            raise SinkAwayError(f"{self._address} answers {len(receipts)} receipts for {len(batch)} touchpoints")
        if status in _REFUSED:
            if len(batch) > 1:
                middle = len(batch) // 2
                return self.deliver(batch[:middle], now_ms) + self.deliver(batch[middle:], now_ms)
            detail = str(told.get("error") or f"the collector answers {status}")
            return [Delivery(_object(batch[0]).get("id", ""), "rejected", "too_large", "", detail)]
        why = f"{self._address} answers {status}: {told.get('error') or http.client.responses.get(status, '')}"
        raise SinkAwayError(why, _seconds(headers.get("Retry-After")))

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, body: bytes) -> tuple[int, HTTPMessage, bytes]:
        headers = dict(self._headers)
        if len(body) >= _PACKED_FROM_BYTES:
            body = gzip.compress(body, _GZIP_LEVEL)
            headers["Content-Encoding"] = "gzip"
        try:
            connection = self._connected()
            connection.request("POST", self._path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise SinkAwayError(f"{self._address} does not answer ({error or type(error).__name__})") from error
        if response.will_close:
            self.close()
        return response.status, response.headers, answer

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is not None and _is_closed_there(self._connection):
            self.close()
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
            self._connection = kind(self._netloc, timeout=self._timeout_s)
            self._connection.connect()
            # A batch is one small write after another; waiting to fill packets would delay each by 40 ms.
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection


def _is_closed_there(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the other end hung up while nothing was sent: between answers there is nothing else to read."""
    looking = select.poll()
    looking.register(connection.sock, select.POLLIN)
    return bool(looking.poll(0))


def _delivery(receipt: Mapping[str, Any]) -> Delivery:
    told = {name: receipt.get(name) for name in ("reason", "pointer", "detail")}
    return Delivery(str(receipt.get("id") or ""), receipt["status"], **told)


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or 0))
    except ValueError:
        return 0.0
