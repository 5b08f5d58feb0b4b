"""A value that joins the blocklist is recognised by its keys in facts that landed before."""

import pytest

from pipeline.config import IdentitySettings
from pipeline.identity.blocklist import blocked_keys, blocklisted, key_fingerprint
from pipeline.identity.keys import ident_key
from pipeline.identity.normalise import normalise

NO_LIST = IdentitySettings.model_validate({"hash_key": "k", "blocklist": ()})


def listed(*values: str, **more: str) -> IdentitySettings:
    return IdentitySettings.model_validate({"hash_key": "k", "blocklist": values, **more})


@pytest.mark.parametrize(
    ("kind", "landed"),
    [
        ("cookie_id", "kiosk"),
        ("cookie_id", "KiOsK"),
        ("customer_id", "KIOSK"),
        ("email", "kiosk"),
        ("email", "No-Reply@Shop.Example"),
        ("other", "no-reply@shop.example"),
        ("other", "NO-REPLY@SHOP.EXAMPLE"),
        ("phone", "+49 30 1234567"),
        ("phone", "0049301234567"),
        ("order_id", "İ0"),
    ],
)
def test_a_value_landed_before_it_was_listed_is_found_as_every_kind(kind: str, landed: str) -> None:
    text = normalise(kind, landed, NO_LIST)
    assert text is not None
    settings = listed("Kiosk", "no-reply@shop.example", " +49 30 1234567", "i̇0")
    assert ident_key(kind, text, b"k") in set(blocked_keys(settings).to_list())


def test_a_long_value_in_a_wild_mix_of_cases_is_not_found() -> None:
    """As documented: ten letters in every mix, longer ones in their usual spellings."""
    keys = set(blocked_keys(listed("walk-in customer")).to_list())
    assert ident_key("customer_id", "Walk-In Customer", b"k") in keys
    assert ident_key("customer_id", "wAlK-iN cUsToMeR", b"k") not in keys


def test_other_values_and_other_secrets_have_other_keys() -> None:
    keys = set(blocked_keys(listed("kiosk")).to_list())
    assert ident_key("cookie_id", "kiosk2", b"k") not in keys
    assert ident_key("cookie_id", "kiosk", b"other") not in keys
    assert blocked_keys(listed()).is_empty()


def test_the_blocklist_compares_without_order_case_and_blanks() -> None:
    assert blocklisted(listed("b ", "A", "a")) == blocklisted(listed("a", "B")) == ("a", "b")


def test_a_secret_has_a_fingerprint_of_its_own_and_none_has_none() -> None:
    assert key_fingerprint(IdentitySettings()) == ""
    other = IdentitySettings.model_validate({"hash_key": "k2"})
    assert key_fingerprint(NO_LIST) == key_fingerprint(listed("x")) != key_fingerprint(other)
