"""
One spelling for every identifier value (CONTRACT: Identifiers, «Value»).

The rule owned here: two spellings of the same thing become one text, and values that mean «I know no value» become
nothing. It never judges whether a value is plausible: what `phonenumbers` cannot parse stays as text.
"""

import unicodedata
from functools import lru_cache

import phonenumbers

from pipeline.config import IdentitySettings

# A phone number is at most 15 digits; 250 characters is phonenumbers' own limit. Longer text is not tried.
_LONGEST_PHONE = 250


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
    blocked = _blocked(settings.blocklist)
    text = unicodedata.normalize("NFKC", value).strip()
    if _identifies_nobody(text, blocked):
        return None
    if kind == "email":
        return text.lower()
    if kind == "phone":
        text = _e164(text, settings.phone_region or None)
        return None if _identifies_nobody(text, blocked) else text
    return text


@lru_cache(maxsize=8)
def _blocked(blocklist: tuple[str, ...]) -> frozenset[str]:
    return frozenset(unicodedata.normalize("NFKC", value).strip().casefold() for value in blocklist)


def _identifies_nobody(text: str, blocked: frozenset[str]) -> bool:
    # Stripping zeros leaves nothing of the empty text and of all zeros of any length.
    return not text.strip("0") or text.casefold() in blocked


def _e164(text: str, region: str | None) -> str:
    international = "+" + text[2:] if text.startswith("00") else text
    if len(international) > _LONGEST_PHONE:
        return text
    try:
        number = phonenumbers.parse(international, region)
    except phonenumbers.NumberParseException:
        return text
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
