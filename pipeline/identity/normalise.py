"""
One spelling for every identifier value (CONTRACT: Identifiers, «Value»).

The rule owned here: two spellings of the same thing become one text, and values that mean «I know no value» become
nothing. It never judges whether a value is plausible: what cannot be parsed as a phone number stays as text.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pipeline.config import IdentitySettings
from pipeline.identity.phones import e164

if TYPE_CHECKING:
    import polars as pl

# Printable ASCII that neither begins nor ends with a blank: NFKC and trimming leave it, and its cases are A to Z.
_PLAIN: Final = "^[!-~](?:[ -~]*[!-~])?$"


class Normaliser:
    """
    The normalisation of one set of settings; called with the kind and the value as it was sent.

    Args:
        blocklist: Values, in any case, that identify nobody; empty and all-zero values never identify anybody.
        phone_region: ISO 3166 region of phone numbers in national form; empty: none.
    """

    def __init__(self, blocklist: Iterable[str], phone_region: str) -> None:
        self._blocked = frozenset(_trimmed(value).casefold() for value in blocklist)
        self._region = phone_region or None
        self._longest_blocked = max(map(len, self._blocked), default=0)

    @property
    def blocked(self) -> frozenset[str]:
        """The blocklist as it is compared: trimmed, any case made one."""
        return self._blocked

    def __call__(self, kind: str, value: str) -> str | None:
        """Return the text that is hashed, or None for a value that identifies nobody."""
        text = _trimmed(value)
        if self._identifies_nobody(text):
            return None
        if kind == "email":
            return text.lower()
        if kind == "phone":
            number = e164(text, self._region)
            return None if self._identifies_nobody(number) else number
        return text

    def identifies(self, kind: str, value: str) -> bool:
        """Tell whether a value identifies somebody, without its normal form where that can be told at once."""
        if kind != "phone" and value.isascii() and len(value) > self._longest_blocked:
            text = value.strip()
            if len(text) > self._longest_blocked and text.strip("0"):
                return True
        return self(kind, value) is not None

    def columns(self, kind: "pl.Expr", value: "pl.Expr") -> "tuple[pl.Expr, pl.Expr]":
        """
        Return whether values are so plain that columns can be normalised, and the normal form of such values.

        Where it is, the normal form is what calling this gives; null where the value identifies nobody.
        """
        import polars as pl  # noqa: PLC0415 - 25 MB that whoever judges one value at a time needs not

        is_plain = value.str.contains(_PLAIN) & (kind != "phone")
        lower = value.str.to_lowercase()
        is_nobody = lower.is_in(pl.Series(sorted(self._blocked), dtype=pl.String).implode()) | (
            value.str.strip_chars("0") == ""
        )
        return is_plain, pl.when(~is_nobody).then(pl.when(kind == "email").then(lower).otherwise(value))

    def _identifies_nobody(self, text: str) -> bool:
        # Stripping zeros leaves nothing of the empty text and of all zeros of any length.
        return not text.strip("0") or text.casefold() in self._blocked


def normaliser(settings: IdentitySettings) -> Normaliser:
    """Return the normalisation that the settings name."""
    return _normaliser(settings.blocklist, settings.phone_region)


def normalise(kind: str, value: str, settings: IdentitySettings) -> str | None:
    """
    Return the normal form of an identifier's value, or None when it identifies nobody.

    Args:
        kind: One of the kinds of `pipeline.contracts.kinds`.
        value: The value as it was sent.
        settings: Blocklist and the region of national phone numbers.

    Returns:
        The text that is hashed, or None for an empty or blocklisted value.
    """
    return normaliser(settings)(kind, value)


@lru_cache(maxsize=8)
def _normaliser(blocklist: tuple[str, ...], phone_region: str) -> Normaliser:
    return Normaliser(blocklist, phone_region)


def _trimmed(value: str) -> str:
    return unicodedata.normalize("NFKC", value).strip()
