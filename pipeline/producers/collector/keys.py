"""
Who may write, and what: the write keys, compared in constant time.

The one rule: how long the answer takes tells nothing about how close a guess was, nor which key it came close to. Keys
come from the settings (they may send everything) and from a file that is read again when it changes, so that a key is
given and taken away without a restart. A file that cannot be read changes nothing: the keys as they were go on.
"""

import base64
import binascii
import hmac
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, TypeAdapter, ValidationError

from pipeline.config_types import Group
from pipeline.contracts.reasons import Problem, Reason


class KeysFileError(Exception):
    """A file of write keys that cannot be used; the message says where, what and what to do."""


@dataclass(frozen=True, slots=True)
class WriteKey:
    """
    What the owner of a key may do.

    Attributes:
        name: Whose key it is; also the source of Segment messages.
        sources: Sources of touchpoints that it may send beside its own name; empty: all.
        types: Patterns of types that it may send, as `web.*`; empty: all.
        events_per_second: Events a second that it may send; 0: as many as it likes.
    """

    name: str
    sources: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    events_per_second: float = 0

    def refusal(self, source: str, type_name: str) -> Problem | None:
        """Return why this key may not send such a touchpoint, None where it may."""
        if self.sources and source != self.name and source not in self.sources:
            return Problem(Reason.INVALID_VALUE, "/source", f"the write key {self.name} may not send this source")
        if self.types and not any(fnmatchcase(type_name, pattern) for pattern in self.types):
            return Problem(Reason.INVALID_VALUE, "/type", f"the write key {self.name} may not send this type")
        return None


class WriteKeys:
    """
    The keys by their hashes; the keys themselves are not kept.

    Args:
        keys: Name → key, of those who may send everything.
        file: More keys, with what each may send.
        events_per_second: Limit of keys that have none of their own; 0: none.

    Raises:
        KeysFileError: If there is a file and it cannot be used.
    """

    def __init__(self, keys: Mapping[str, SecretStr], file: Path | None = None, events_per_second: float = 0) -> None:
        self._rate = events_per_second
        self._file = file
        self._seen: tuple[int, int, int] | None = None
        self._settled = [
            (_hash(key.get_secret_value()), WriteKey(name, events_per_second=events_per_second))
            for name, key in keys.items()
            if key.get_secret_value()
        ]
        self._known: list[tuple[bytes, WriteKey]] = list(self._settled)
        self.refresh()

    def __bool__(self) -> bool:
        """Tell whether anybody may write."""
        return bool(self._known)

    def refresh(self) -> bool:
        """
        Read the file again if it has changed.

        Returns:
            Whether it had.

        Raises:
            KeysFileError: If it cannot be used; the keys as they were stay.
        """
        if self._file is None:
            return False
        try:
            stat = self._file.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen:
                return False
            self._seen = seen
            text = self._file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise KeysFileError(f"{self._file}: cannot be read ({error}); name a TOML file of write keys") from error
        self._known = self._settled + list(_read(text, self._file, self._rate))
        return True

    def owner(self, key: str) -> WriteKey | None:
        """Find whose key this is; None where there is no such key."""
        offered = _hash(key)
        found = None
        for known, owner in self._known:
            # All keys are compared, whichever fits.
            if hmac.compare_digest(known, offered):
                found = owner
        return found if key else None


class _Entry(Group):
    """One table of the file."""

    keys: tuple[SecretStr, ...] = ()
    sha256: tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...] = ()
    sources: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    events_per_second: float | None = Field(None, ge=0)


def _read(text: str, file: Path, rate: float) -> Iterable[tuple[bytes, WriteKey]]:
    try:
        entries = TypeAdapter(dict[str, _Entry]).validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise KeysFileError(f"{file}: not TOML: {error}") from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False)]
        raise KeysFileError(f"{file}: {'; '.join(faults)}") from error
    found = []
    for name, entry in entries.items():
        own = rate if entry.events_per_second is None else entry.events_per_second
        owner = WriteKey(name, entry.sources, entry.types, own)
        hashes = [_hash(key.get_secret_value()) for key in entry.keys if key.get_secret_value()]
        found += [(known, owner) for known in (*hashes, *map(bytes.fromhex, entry.sha256))]
    return found


def key_in(authorization: str | None) -> str:
    """Return the key that a header brings: `Bearer KEY`, or Basic with the key as user and any password."""
    scheme, _, rest = (authorization or "").partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            try:
                return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                return ""
    return ""


def _hash(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()
