"""
Who is let in, before anything of a request is read.

The one rule: a request that is not let in costs little: no body is read for it, no event judged. The one exception are
browsers that cannot send a header and put the write key into the body, of which little is read.
"""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

from pipeline.config_collector import CollectorSettings
from pipeline.producers.collector.answers import RequestRefused
from pipeline.producers.collector.keys import WriteKey, WriteKeys, key_in
from pipeline.producers.collector.origins import Clients, Origins
from pipeline.producers.collector.rates import Rates

# Where a browser puts the key that cannot send a header (sendBeacon): the key of a web page is no secret.
_QUERY_NAMES: Final = ("writeKey", "key")


class Access:
    """
    Judges requests by what stands outside their bodies; used from one event loop.

    Args:
        settings: Which pages may send, which proxies are trusted.
        keys: Who may write.
    """

    def __init__(self, settings: CollectorSettings, keys: WriteKeys) -> None:
        self._keys = keys
        self._origins = Origins(settings.allowed_origins)
        self._clients = Clients(settings.trusted_proxies)
        self._rates = Rates()

    def check_origin(self, request: web.Request) -> None:
        """
        Check that the page which sends may do so.

        Raises:
            RequestRefused: If it may not (403).
        """
        if not self._origins.allows(request.headers.get("Origin"), request.host):
            detail = "pages of this origin may not send; allow it in the settings (allowed_origins)"
            raise RequestRefused(HTTPStatus.FORBIDDEN, detail)

    def key_outside(self, request: web.Request) -> WriteKey | None:
        """
        Return whose key the header or the address brings; None where neither brings any.

        Raises:
            RequestRefused: If one does, and there is no such key (401).
        """
        header = request.headers.get("Authorization")
        query = next((request.query[name] for name in _QUERY_NAMES if name in request.query), None)
        if header is None and query is None:
            return None
        return self.key_inside(key_in(header) if header is not None else query or "")

    def key_inside(self, key: str) -> WriteKey:
        """
        Return whose key this is.

        Raises:
            RequestRefused: If there is no such key (401).
        """
        owner = self._keys.owner(key)
        if owner is None:
            raise self.unknown()
        return owner

    def unknown(self) -> RequestRefused:
        """Return the refusal of a request whose key nobody has."""
        detail = "no such write key; send Authorization: Bearer KEY, or Basic with the key as user"
        return RequestRefused(HTTPStatus.UNAUTHORIZED, detail)

    def check_rate(self, key: WriteKey) -> None:
        """
        Check that a key is not too fast.

        Raises:
            RequestRefused: If it is (429), with the time to wait.
        """
        wait_s = self._rates.wait_s(key.name, key.events_per_second, time.monotonic())
        if wait_s:
            detail = f"the write key {key.name} may send {key.events_per_second:g} events a second; slow down"
            raise RequestRefused(HTTPStatus.TOO_MANY_REQUESTS, detail, wait_s)

    def spend(self, key: WriteKey, events: int) -> None:
        """Count the events that a key has sent."""
        self._rates.spend(key.name, key.events_per_second, events, time.monotonic())

    def browser(self, request: web.Request) -> str | None:
        """Return the address of a browser that sends for itself; None for any other sender."""
        if "Origin" not in request.headers:
            return None
        return self._clients.address(request.remote, ",".join(request.headers.getall("X-Forwarded-For", [])))

    def preflight(self, request: web.Request) -> Mapping[str, str] | None:
        """Return the answer to a browser that asks before it sends; None where it must not."""
        return self._origins.preflight(request.headers.get("Origin"), request.host)

    def readable_by(self, request: web.Request) -> Mapping[str, str]:
        """Return the headers that let the page read the answer."""
        return self._origins.headers(request.headers.get("Origin"), request.host)
