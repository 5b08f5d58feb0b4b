"""The short way for international numbers gives what `phonenumbers` gives, for every country code."""

import phonenumbers
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.identity.phones import e164

CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def parsed(text: str, region: str | None) -> str:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return text
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([*CODES, 0, 999, 21]),
    st.lists(st.sampled_from([*"01234567899", " ", "-", ".", "(", ")", " (0) ", "/", "x", "#"]), max_size=18),
    st.sampled_from([None, "DE", "US", "IT"]),
)
def test_both_ways_agree(code: int, rest: list[str], region: str | None) -> None:
    text = f"+{code}{''.join(rest)}".strip()
    assert e164(text, region) == parsed(text, region)


def test_every_country_code_with_a_number_that_begins_with_each_digit() -> None:
    for code in CODES:
        for digit in range(10):
            text = f"+{code} {digit}23 456-7890"
            assert e164(text, None) == parsed(text, None)


def test_overlong_text_stays_as_it_is() -> None:
    assert e164("+" + "1" * 400, "DE") == "+" + "1" * 400
