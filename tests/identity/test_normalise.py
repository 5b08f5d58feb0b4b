"""Values become one spelling, and values that mean «I know no value» become nothing."""

import pytest

from pipeline.config import IdentitySettings
from pipeline.identity.normalise import normalise

SETTINGS = IdentitySettings()


@pytest.mark.parametrize(
    ("kind", "sent", "normal"),
    [
        ("email", " Anna.B+news@Example.ORG ", "anna.b+news@example.org"),
        ("email", "ａｎｎａ@example.org", "anna@example.org"),
        ("customer_id", "  C-1\t", "C-1"),
        ("customer_id", "C-1", "C-1"),
        ("cookie_id", "AbC", "AbC"),
        ("order_id", "ﬁ-7", "fi-7"),
        ("other", "\u00a0x y\u00a0", "x y"),
        ("phone", "+49 30 1234567", "+49301234567"),
        ("phone", "0049 (0)30 1234567", "+49301234567"),
        ("phone", "+1 (415) 555-2671", "+14155552671"),
        ("phone", "+1-800-FLOWERS", "+18003569377"),
        ("phone", "＋４９ 30 1234567", "+49301234567"),
        ("phone", "030 1234567", "030 1234567"),
        ("phone", "extension Seven", "extension Seven"),
        ("phone", "+999 12", "+999 12"),
    ],
)
def test_normal_form(kind: str, sent: str, normal: str) -> None:
    assert normalise(kind, sent, SETTINGS) == normal


def test_national_phone_numbers_need_a_region() -> None:
    german = IdentitySettings(phone_region="DE")
    assert normalise("phone", "030 1234567", german) == "+49301234567"
    assert normalise("phone", "+1 415 555 2671", german) == "+14155552671"
    assert normalise("phone", "0044 20 7946 0958", german) == "+442079460958"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "\u3000",
        "NULL",
        "None",
        "nil",
        "Undefined",
        "NaN",
        "N/A",
        "na",
        "Anonymous",
        "GUEST",
        "unknown",
        "test",
        "ID",
        "email",
        "user",
        "TRUE",
        "false",
        "0",
        "-1",
        "0000",
        "0" * 400,
        "００",
        "00000000-0000-0000-0000-000000000000",
        "[object Object]",
        " ｎｕｌｌ ",
    ],
)
@pytest.mark.parametrize("kind", ["customer_id", "email", "phone", "cookie_id"])
def test_values_that_identify_nobody(kind: str, value: str) -> None:
    assert normalise(kind, value, SETTINGS) is None


@pytest.mark.parametrize("value", ["-", "00-1", "nullable", "1", "-10", "0x0", "zero"])
def test_values_that_only_look_like_nobody(value: str) -> None:
    assert normalise("customer_id", value, SETTINGS) == value


def test_the_blocklist_is_a_setting_and_knows_numbers_in_any_spelling() -> None:
    settings = IdentitySettings(blocklist=("Nobody", "+49301234567"))
    assert normalise("customer_id", "NOBODY", settings) is None
    assert normalise("customer_id", "guest", settings) == "guest"
    assert normalise("customer_id", "000", settings) is None
    assert normalise("phone", "0049 30 1234567", settings) is None
