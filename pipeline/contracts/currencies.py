"""
Currencies of ISO 4217 and their minor units.

Money is an integer of minor units, so a sender's decimal is worth nothing without the exponent. Listed are the codes
in force and those withdrawn since 2000, because history is imported too; funds codes and precious metals are not
customers' money. Source: ISO 4217 lists one and three.
"""

from decimal import ROUND_HALF_UP, Decimal

_TWO_DIGITS = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUC
CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IRR JMD KES
KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG ZWL
ATS AZM BEF CSD CYP DEM EEK ESP FIM FRF GHC GRD IEP ITL LTL LUF LVL MRO MTL MXV NLG PTE ROL SDD SIT SKK SRG STD TRL VEB
VEF ZMK ZWD ZWN ZWR AFA BGL BYB MGF MZM RUR TMM YUM
"""
_NO_DIGITS = "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF TPE UGX VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"

_EXPONENTS: dict[str, int] = {
    **dict.fromkeys(_TWO_DIGITS.split(), 2),
    **dict.fromkeys(_NO_DIGITS.split(), 0),
    **dict.fromkeys(_THREE_DIGITS.split(), 3),
}

CURRENCIES: frozenset[str] = frozenset(_EXPONENTS)
"""Every code that an amount may have."""


def currency_exponent(currency: str) -> int | None:
    """Return how many decimals the currency has, or None where it is no currency."""
    return _EXPONENTS.get(currency)


def minor_units(amount: Decimal | int | float | str, currency: str) -> int:
    """
    Return an amount of major units in minor ones, rounded half up (away from zero).

    A float counts as the decimal that it prints as: 19.99 is 1999 cents.

    Raises:
        KeyError: If the currency is unknown.
        ArithmeticError: If the amount is no finite number, or too long to be one of money.
    """
    decimal = Decimal(str(amount)).scaleb(_EXPONENTS[currency])
    if not decimal.is_finite():
        raise ArithmeticError(f"{amount} is no amount of money")
    return int(decimal.quantize(Decimal(1), rounding=ROUND_HALF_UP))
