"""
The 128-bit names of identifiers and touchpoints: keyed BLAKE2b, 16 bytes, one domain per purpose.

Identifiers are stored only as their `ident_key`, so a reader of the warehouse without the secret cannot test guesses.
The rule owned here: the same key and the same facts give the same bytes for ever. The messages below are therefore
part of the public surface: every text is preceded by its length in bytes, so that no two inputs share a message.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from pipeline.config import IdentitySettings
from pipeline.identity.normalise import normaliser

KEY_BYTES: Final = 16
_IDENTIFIER: Final = b"tl.identifier"
_EVENT: Final = b"tl.event"
_CONTENT: Final = b"tl.content"
_CONTENT_HASH_BYTES: Final = 6
_MAX_REVISION: Final = 2**32 - 1
_MAX_48: Final = 2**48 - 1
# About 15 MB of texts and keys when full: more people than are seen again soon.
_REMEMBERED: Final = 70_000


def secret_of(settings: IdentitySettings) -> bytes:
    """Return the secret key of all hashes, of any length, from the settings."""
    return settings.hash_key.get_secret_value().encode()


def ident_key(kind: str, value: str, hash_key: bytes) -> bytes:
    """
    Return the key of an identifier.

    Args:
        kind: One of the kinds.
        value: The value in its normal form (`normalise`).
        hash_key: The secret of this installation.

    Returns:
        16 bytes; they compare as an unsigned big-endian number.
    """
    return _digest(_hasher(_IDENTIFIER, KEY_BYTES, hash_key), _sized(kind) + _sized(value))


def event_uid(source: str, event_id: str, occurred_at_ms: int, subject: bytes, hash_key: bytes) -> bytes:
    """
    Return the name of a touchpoint.

    Args:
        source: Who sent it.
        event_id: Its id there.
        occurred_at_ms: When it happened, in epoch milliseconds.
        subject: `ident_key` of its strongest identifier.
        hash_key: The secret of this installation.

    Returns:
        16 bytes; two contents of the same touchpoint share them.
    """
    message = _sized(source) + _sized(event_id) + f"{occurred_at_ms}:{subject.hex()}".encode()
    return _digest(_hasher(_EVENT, KEY_BYTES, hash_key), message)


def content_hash(content: bytes, hash_key: bytes) -> bytes:
    """Return 6 bytes that tell one content of a touchpoint (canonical bytes of it) from another."""
    return _digest(_hasher(_CONTENT, _CONTENT_HASH_BYTES, hash_key), content)


def content_version(revision: int, content_hash48: int, received_ms: int) -> bytes:
    """
    Return the rank of one content among the contents of its touchpoint: the greatest wins.

    Args:
        revision: As sent; what does not fit 32 bits counts as the nearest that does.
        content_hash48: `content_hash` as a number.
        received_ms: Of equal contents the earliest received wins.

    Returns:
        16 big-endian bytes: revision (32 bits), hash (48), 2^48 - 1 - received_ms (48).
    """
    earliest = _MAX_48 - min(max(received_ms, 0), _MAX_48)
    return (
        min(max(revision, 0), _MAX_REVISION).to_bytes(4, "big")
        + content_hash48.to_bytes(_CONTENT_HASH_BYTES, "big")
        + earliest.to_bytes(6, "big")
    )


def event_uids(frame: pl.DataFrame, hash_key: bytes) -> pl.Series:
    """
    Name many touchpoints at once.

    Args:
        frame: source, event_id (String), occurred_at (Datetime ms, or Int64 milliseconds), subject (16 bytes).
        hash_key: The secret of this installation.

    Returns:
        `event_uid` of every row (Binary), as the function `event_uid` gives it.
    """
    messages = frame.select(
        pl.format(
            "{}:{}{}:{}{}:{}",
            pl.col("source").str.len_bytes(),
            "source",
            pl.col("event_id").str.len_bytes(),
            "event_id",
            _milliseconds("occurred_at"),
            pl.col("subject").bin.encode("hex"),
        ).cast(pl.Binary)
    ).to_series()
    return _keys("event_uid", b"".join(_digests(_hasher(_EVENT, KEY_BYTES, hash_key), messages.to_list())))


def content_versions(frame: pl.DataFrame, hash_key: bytes) -> pl.Series:
    """
    Rank the contents of many touchpoints at once.

    Args:
        frame: revision (integer), content (String or Binary: canonical bytes of everything but sent_at, received_at
            and coordinates), received_at (Datetime ms, or Int64 milliseconds).
        hash_key: The secret of this installation.

    Returns:
        `content_version` of every row (Binary of 16 bytes).
    """
    rows = frame.height
    hasher = _hasher(_CONTENT, _CONTENT_HASH_BYTES, hash_key)
    hashes = b"".join(_digests(hasher, frame["content"].cast(pl.Binary).to_list()))
    received = frame.select(_milliseconds("received_at")).to_series().to_numpy()
    version = np.empty((rows, KEY_BYTES), dtype=np.uint8)
    version[:, :4] = _big_endian(frame["revision"].cast(pl.Int64).to_numpy().clip(0, _MAX_REVISION))[:, 4:]
    version[:, 4:10] = np.frombuffer(hashes, dtype=np.uint8).reshape(rows, _CONTENT_HASH_BYTES)
    version[:, 10:] = _big_endian(_MAX_48 - received.clip(0, _MAX_48))[:, 2:]
    return _keys("content_version", version.tobytes())


class KeyRing:
    """
    Keys of identifier values as they were sent, remembered up to a bound.

    Threads may share one: what they look up at once is found twice, and forgetting changes speed only.

    Args:
        settings: Normalisation rules and the secret.
        most: How many values are remembered at most.
    """

    def __init__(self, settings: IdentitySettings, most: int = _REMEMBERED) -> None:
        self.hash_key = secret_of(settings)
        self._normalise = normaliser(settings)
        self._hasher = _hasher(_IDENTIFIER, KEY_BYTES, self.hash_key)
        self._most = most
        self._known: dict[str, dict[str, bytes | None]] = {}
        self._size = 0

    @property
    def remembered(self) -> int:
        """How many values are remembered now."""
        return self._size

    def key_of(self, kind: str, value: str) -> bytes | None:
        """Return the key of one value as it was sent; None when it identifies nobody."""
        known = self._known.setdefault(kind, {})
        if value in known:
            return known[value]
        normal = self._normalise(kind, value)
        key = None if normal is None else _digest(self._hasher.copy(), _sized(kind) + _sized(normal))
        if self._size >= self._most:
            self._known = {kind: (known := {})}
            self._size = 0
        known[value] = key
        self._size += 1
        return key

    def keys_of(self, frame: pl.DataFrame) -> pl.Series:
        """
        Return the keys of many values; hand in distinct ones, for each row is looked up.

        Args:
            frame: kind (String, Categorical or Enum), value (String, as sent; null: identifies nobody).

        Returns:
            `ident_key` of every row (Binary); null where the value identifies nobody.
        """
        is_plain, normal = self._normalise.columns(pl.col("kind"), pl.col("value"))
        read = frame.select(pl.col("kind").cast(pl.String), "value").select(
            "kind", "value", is_plain=is_plain, normal=pl.when(is_plain).then(normal)
        )
        # Hashing a plain value takes no longer than to remember it.
        hashed = read.select(_message(pl.col("kind")) + _message(pl.col("normal"))).to_series().drop_nulls()
        digests = _digests(self._hasher, hashed.cast(pl.Binary).to_list())
        keys = pl.Series("ident_key", [None], dtype=pl.Binary).new_from_index(0, read.height)
        keys = keys.scatter(read["normal"].is_not_null().arg_true(), pl.Series(digests, dtype=pl.Binary))
        others = read["is_plain"].not_().arg_true()
        if len(others):
            found = [self.key_of(kind, value) for kind, value in read[others].select("kind", "value").iter_rows()]
            keys = keys.scatter(others, pl.Series(found, dtype=pl.Binary))
        return keys


def _milliseconds(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Datetime("ms", "UTC")).to_physical()


def _message(text: pl.Expr) -> pl.Expr:
    """Return what `_sized` gives for every text of a column."""
    return pl.concat_str(text.str.len_bytes().cast(pl.String), pl.lit(":"), text)


def _sized(text: str) -> bytes:
    # Lone surrogates cannot be UTF-8; they hash like any other text instead of stopping a batch.
    encoded = text.encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(encoded), encoded)


def _hasher(domain: bytes, size: int, hash_key: bytes) -> "hashlib.blake2b":
    # BLAKE2b takes keys of up to 64 bytes; a longer secret is condensed first.
    key = hash_key if len(hash_key) <= 64 else hashlib.blake2b(hash_key, digest_size=64).digest()
    return hashlib.blake2b(digest_size=size, key=key, person=domain)


def _digest(hasher: "hashlib.blake2b", message: bytes) -> bytes:
    hasher.update(message)
    return hasher.digest()


def _digests(hasher: "hashlib.blake2b", messages: Iterable[bytes]) -> list[bytes]:
    digests = []
    for message in messages:
        copy = hasher.copy()
        copy.update(message)
        digests.append(copy.digest())
    return digests


def _keys(name: str, packed: bytes) -> pl.Series:
    """Return values of 16 bytes that stand side by side."""
    size = pa.binary(KEY_BYTES)
    values = pa.FixedSizeBinaryArray.from_buffers(size, len(packed) // KEY_BYTES, [None, pa.py_buffer(packed)])
    return pl.Series(name, values, dtype=pl.Binary)


def _big_endian(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    return numbers.astype(">u8").view(np.uint8).reshape(-1, 8)
