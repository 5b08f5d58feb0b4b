"""
What the rendered builders are made of: putting a touchpoint together, and the identifiers it takes.

The one rule: a touchpoint has its id and its moment from here on, so that it stays the same however often it is sent.
Nothing is judged yet; sending judges, with the errors that are the same everywhere.
"""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from pipeline.contracts.currencies import minor_units
from pipeline.contracts.types import touchpoint_types
from pipeline.producers.touchpoints.envelope import Amount, Identity

Touchpoint = dict[str, Any]
"""A touchpoint in its JSON form."""

_KEYWORDS: Final = {"from_": "from"}


def build(type_name: str, fields: Mapping[str, object]) -> Touchpoint:
    """
    Put a touchpoint together from what its builder was given.

    Args:
        type_name: Its type.
        fields: Fields of the envelope and of the body; None counts as not given.
    """
    own = touchpoint_types()[type_name].body
    touchpoint: Touchpoint = {"id": new_id(), "type": type_name, "occurred_at": time.time_ns() // 1_000_000}
    body: dict[str, Any] = {}
    for given, value in fields.items():
        name = _KEYWORDS.get(given, given)
        if value is not None:
            (body if name in own else touchpoint)[name] = _plain(value)
    return {**touchpoint, "body": body} if body else touchpoint


def new_id() -> str:
    """Return a new id, UUIDv7: those made later sort later."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def money(amount: Decimal | int | str | float, currency: str) -> Amount:
    """
    Return an amount of major units, rounded half up to what the currency has.

    Raises:
        ValueError: If it is no amount, or there is no such currency.
    """
    try:
        return {"minor": minor_units(amount, currency), "currency": currency}
    except (KeyError, ArithmeticError) as error:
        raise ValueError(f"{amount} {currency} is no amount of money; give a number and a code as EUR") from error


def customer_id(value: str) -> Identity:
    """Return the identifier of an account."""
    return {"kind": "customer_id", "value": value}


def loyalty_id(value: str) -> Identity:
    """Return the identifier of a loyalty card."""
    return {"kind": "loyalty_id", "value": value}


def email(value: str) -> Identity:
    """Return an e-mail address."""
    return {"kind": "email", "value": value}


def phone(value: str) -> Identity:
    """Return a phone number, best with its country code."""
    return {"kind": "phone", "value": value}


def device_id(value: str) -> Identity:
    """Return the identifier of a device with an app."""
    return {"kind": "device_id", "value": value}


def cookie_id(value: str) -> Identity:
    """Return the identifier of a browser."""
    return {"kind": "cookie_id", "value": value}


def _plain(value: object) -> object:
    """Return a value as JSON has it: times as text."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone; give an aware datetime, as datetime.now(UTC)")
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
