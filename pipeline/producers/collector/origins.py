"""
Where a request comes from: which web pages may send, and whose address the client's is.

The one rule: nobody is believed who was not named in the settings. A page of an origin that is not allowed is refused
before anything of it is read, and an address that a proxy tells counts only if the proxy is a trusted one.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

_PREFLIGHT_S: Final = 86_400


class Origins:
    """
    The pages that may send.

    Args:
        allowed: Origins as `https://shop.example`; `*`: all.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(each.rstrip("/").lower() for each in allowed)

    def allows(self, origin: str | None, host: str) -> bool:
        """Tell whether a request may come from there; one that no page sent, or a page of this host, always may."""
        if origin is None or "*" in self._allowed or origin.lower() in self._allowed:
            return True
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()

    def headers(self, origin: str | None, host: str) -> Mapping[str, str]:
        """Return what lets a page of that origin read the answer."""
        if origin is None or not self.allows(origin, host):
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "Retry-After",
            "Vary": "Origin",
        }

    def preflight(self, origin: str | None, host: str) -> Mapping[str, str] | None:
        """Return the answer to a browser that asks before it sends; None where it must not."""
        if origin is None or not self.allows(origin, host):
            return None
        return {
            **self.headers(origin, host),
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Content-Encoding",
            "Access-Control-Max-Age": str(_PREFLIGHT_S),
        }


class Clients:
    """
    Whose address a request has.

    Args:
        trusted: Networks of proxies, as `10.0.0.0/8`.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = [ip_network(each) for each in trusted]

    def address(self, peer: str | None, forwarded: str) -> str | None:
        """
        Return the client's address.

        Args:
            peer: The other end of the connection.
            forwarded: X-Forwarded-For, in which each proxy appends whom it speaks for.
        """
        seen = _parsed(peer)
        for told in reversed(forwarded.split(",") if forwarded else ()):
            if seen is None or not self._is_trusted(seen):
                break
            if (before := _parsed(told.strip())) is None:
                break
            seen = before
        return None if seen is None else str(seen)

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address.version == network.version and address in network for network in self._trusted)


def _parsed(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text or "")
    except ValueError:
        return None
