"""
Phone numbers in their international form, E.164.

The rule owned here: `phonenumbers` decides. Its parser takes 20 to 45 microseconds, more than everything else that
happens to a touchpoint, so a number that is written internationally and that its own metadata leaves as it is does
not go through it; a test holds both ways together for every country.
"""

import re
from functools import lru_cache
from typing import Final

import phonenumbers

# phonenumbers' own limit; longer text is not a number.
_LONGEST: Final = 250
# Plus, country code, at least three and at most fourteen more digits, with blanks, hyphens, dots and brackets. Slashes,
# letters and the like may begin a second number or an extension, which only the parser can tell.
_PLAIN: Final = re.compile(r"\+[1-9](?:[ .()-]?[0-9]){5,16}")
_PUNCTUATION: Final = str.maketrans("", "", " .()-")


def e164(text: str, region: str | None) -> str:
    """
    Return the number in E.164.

    Args:
        text: NFKC, trimmed; a leading 00 is read as +.
        region: ISO 3166 region of national forms; None: such numbers stay as text.

    Returns:
        `+` and digits, or the text as it is when it does not parse.
    """
    international = "+" + text[2:] if text.startswith("00") else text
    if _PLAIN.fullmatch(international):
        digits = international[1:].translate(_PUNCTUATION)
        if _stays_as_it_is(digits):
            return "+" + digits
    if len(international) > _LONGEST:
        return text
    try:
        number = phonenumbers.parse(international, region)
    except phonenumbers.NumberParseException:
        return text
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _stays_as_it_is(digits: str) -> bool:
    """Tell whether the parser would find no national prefix to cut from these digits."""
    for length in (1, 2, 3):
        if (prefix := _national_prefix(digits[:length])) is not None:
            return not prefix.match(digits[length:])
    return False


@lru_cache(maxsize=1200)
def _national_prefix(country_code: str) -> re.Pattern[str] | None:
    """Return what the parser cuts from the front of a country's numbers; None where there is no such country code."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(country_code))
    if regions is None:
        return None
    if regions[0] == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY:
        metadata = phonenumbers.PhoneMetadata.metadata_for_nongeo_region(int(country_code))
    else:
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(regions[0])
    prefix = None if metadata is None else metadata.national_prefix_for_parsing
    # `(?!)` never matches: the country has no prefix that could be cut.
    return re.compile(prefix or r"(?!)")
