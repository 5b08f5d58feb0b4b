"""
Blocklisted values as keys: for facts that landed before a value was put on the blocklist (CONTRACT: Identifiers).

The rule owned here: facts hold identifiers only as keyed hashes, so a value that joins the blocklist is found by
hashing it as each kind. Such an identifier counts as shared. Nothing can be found the other way round: a value that was
dropped when its facts landed is in none of them, so taking it off the blocklist needs the touchpoints again.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

import polars as pl

from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import KINDS
from pipeline.identity.keys import content_hash, ident_key, secret_of
from pipeline.identity.normalise import Normaliser, normaliser

# 2^10 spellings of a value are hashed in a few milliseconds; a longer one is found in its usual spellings only.
_MOST_LETTERS = 10


def blocked_keys(settings: IdentitySettings) -> pl.Series:
    """
    Return the keys under which blocklisted values may have landed, before they were on the blocklist.

    A value is found in every mix of cases up to ten letters; a longer one as it stands on the list, in lower and upper
    case, and with capitals at the beginning of the text or of each word.

    Args:
        settings: Blocklist, phone region and secret.

    Returns:
        16-byte keys, each once, sorted.
    """
    return _blocked_keys(settings.blocklist, settings.phone_region, secret_of(settings))


def key_fingerprint(settings: IdentitySettings) -> str:
    """Return a short text that tells one secret from another and reveals neither; empty where none is set."""
    secret = secret_of(settings)
    return content_hash(b"throughline: which key is this", secret).hex() if secret else ""


def blocklisted(settings: IdentitySettings) -> tuple[str, ...]:
    """Return the blocklist as it is compared: trimmed, any case made one, sorted, each value once."""
    return tuple(sorted(normaliser(settings).blocked))


@lru_cache(maxsize=4)
def _blocked_keys(blocklist: tuple[str, ...], phone_region: str, secret: bytes) -> pl.Series:
    unblocked = Normaliser((), phone_region)
    texts = {spelling for value in blocklist for spelling in _spellings(value)}
    keys = set()
    for kind in KINDS:
        landed = {unblocked(kind, text) for text in texts} - {None}
        keys |= {ident_key(kind, normal, secret) for normal in landed if normal is not None}
    return pl.Series("ident_key", sorted(keys), dtype=pl.Binary)


def _spellings(value: str) -> Iterator[str]:
    yield from (value, value.lower(), value.upper(), value.casefold(), value.capitalize(), value.title())
    pairs = [(char.lower(), char.upper()) if char.lower() != char.upper() else (char,) for char in value]
    if sum(len(pair) > 1 for pair in pairs) <= _MOST_LETTERS:
        for chosen in product(*pairs):
            yield "".join(chosen)
