"""
Who may write: the write keys, compared in constant time.

The one rule: how long the answer takes tells nothing about how close a guess was, nor which key it came close to.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256

from pydantic import SecretStr


class WriteKeys:
    """
    The keys by the names of their owners; the keys themselves are not kept, only their hashes.

    Args:
        keys: Name → key.
    """

    def __init__(self, keys: Mapping[str, SecretStr]) -> None:
        self._hashes = {name: _hash(key.get_secret_value()) for name, key in keys.items() if key.get_secret_value()}

    def owner(self, authorization: str | None) -> str | None:
        """
        Find whose key a request brings.

        Args:
            authorization: The header: `Bearer KEY`, or Basic with the key as user and any password.

        Returns:
            The name of the key, or None where there is no such key.
        """
        offered = _hash(_key_in(authorization or ""))
        found = None
        for name, known in self._hashes.items():
            # All keys are compared, whichever fits.
            if hmac.compare_digest(known, offered):
                found = name
        return found


def _hash(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def _key_in(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            try:
                return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                return ""
    return ""
