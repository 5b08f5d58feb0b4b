"""Who may write."""

import base64

import pytest
from pydantic import SecretStr

from pipeline.producers.collector.keys import WriteKeys


def basic(user: str, password: str = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def keys() -> WriteKeys:
    return WriteKeys({"shop": SecretStr("key-1"), "app": SecretStr("kéy:2"), "none": SecretStr("")})


@pytest.mark.parametrize(
    ("header", "owner"),
    [
        ("Bearer key-1", "shop"),
        ("bearer  key-1 ", "shop"),
        (basic("key-1"), "shop"),
        (basic("key-1", "anything"), "shop"),
        ("Bearer kéy:2", "app"),
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer key-", None),
        ("Bearer key-11", None),
        ("Token key-1", None),
        ("key-1", None),
        ("Basic key-1", None),
        ("Basic ???", None),
        (basic(""), None),
        ("Basic " + base64.b64encode(b"\xff\xfe").decode(), None),
        ("Bearer \udcff", None),
    ],
)
def test_only_a_whole_key_opens(keys: WriteKeys, header: str | None, owner: str | None) -> None:
    assert keys.owner(header) == owner


def test_without_keys_nobody_may_write() -> None:
    assert WriteKeys({}).owner("Bearer ") is None
