"""Currencies and their minor units."""

from decimal import Decimal

import pytest

from pipeline.contracts.currencies import CURRENCIES, currency_exponent, minor_units


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (19.99, "EUR", 1999),
        ("19.995", "EUR", 2000),
        ("-19.995", "EUR", -2000),
        (Decimal("0.005"), "USD", 1),
        (1.005, "USD", 101),
        (1200, "JPY", 1200),
        ("1.2345", "KWD", 1235),
        (1e21, "EUR", 10**23),
    ],
)
def test_amounts_are_rounded_half_up_to_the_currencys_exponent(
    amount: Decimal | float | str, currency: str, expected: int
) -> None:
    assert minor_units(amount, currency) == expected


@pytest.mark.parametrize("amount", ["NaN", "Infinity", float("nan"), "1e999999", "money"])
def test_what_is_no_amount_raises(amount: str | float) -> None:
    with pytest.raises(ArithmeticError):
        minor_units(amount, "EUR")


def test_codes_are_three_capitals_with_a_known_exponent() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)
    assert {currency_exponent(code) for code in CURRENCIES} == {0, 2, 3}
    assert (currency_exponent("EUR"), currency_exponent("JPY"), currency_exponent("BHD")) == (2, 0, 3)
    assert currency_exponent("EURO") is None
    with pytest.raises(KeyError):
        minor_units(1, "eur")


def test_codes_in_force_are_there() -> None:
    in_force = "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KES KRW MXN"
    more = "MYR NGN NOK NZD PEN PHP PKR PLN RON RSD SAR SEK SGD THB TRY TWD UAH USD UYU VES VND XAF XOF ZAR"
    assert set(in_force.split()) | set(more.split()) <= CURRENCIES
