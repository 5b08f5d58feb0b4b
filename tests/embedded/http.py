"""Plain HTTP requests to the warehouse, as curl would send them."""

import base64
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def code(self) -> int | None:
        """ClickHouse's exception code, None where there was none."""
        value = self.headers.get("X-ClickHouse-Exception-Code")
        return None if value is None else int(value)


def ask(
    url: str,
    body: str | bytes = b"",
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
) -> Reply:
    """Send one request to a URL with credentials; `fields` go into the address."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    sent = dict(headers or {})
    if parts.username:
        sent["Authorization"] = "Basic " + base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    try:
        path = (parts.path or "/") + ("?" + urlencode(fields) if fields else "")
        connection.request(method, path, body.encode() if isinstance(body, str) else body, sent)
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def query(url: str, statement: str, **fields: str) -> Reply:
    """Send a statement as the body of a POST."""
    return ask(url, statement, fields)
