"""Who may write."""

import base64
import hmac
import os
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from pipeline.producers.collector import keys as module
from pipeline.producers.collector.keys import KeysFileError, WriteKeys, key_in


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
    found = keys.owner(key_in(header))
    assert (found and found.name) == owner


@pytest.mark.parametrize("offered", ["key-1", "kéy:2", "key-", "guess", ""])
def test_every_key_is_compared_in_constant_time_whichever_fits(
    keys: WriteKeys, monkeypatch: pytest.MonkeyPatch, offered: str
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(known: bytes, given: bytes) -> bool:
        compared.append((known, given))
        return hmac.compare_digest(known, given)

    monkeypatch.setattr(module, "hmac", SimpleNamespace(compare_digest=compare))
    keys.owner(offered)
    assert compared == [
        (sha256(key).digest(), sha256(offered.encode()).digest()) for key in (b"key-1", "kéy:2".encode())
    ]


def test_without_keys_nobody_may_write() -> None:
    assert WriteKeys({}).owner("") is None
    assert not WriteKeys({})


def test_a_file_gives_keys_and_takes_them_away_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('[shop]\nkeys = ["old", "new"]\nsources = ["web-shop"]\ntypes = ["web.*"]\nevents_per_second = 5\n')
    keys = WriteKeys({"own": SecretStr("k")}, file, events_per_second=9)
    shop = keys.owner("old")
    assert shop is not None
    assert shop == keys.owner("new")
    assert shop.events_per_second == 5
    assert (own := keys.owner("k")) is not None
    assert own.events_per_second == 9
    assert not keys.refresh()

    file.write_text(f'[shop]\nsha256 = ["{sha256(b"new").hexdigest()}"]\n')
    assert keys.refresh()
    assert keys.owner("old") is None, "revoked"
    assert keys.owner("new") is not None

    for faulty in ("[shop", "[shop]\nkey = 'x'\n", "[shop]\nsha256 = ['ab']\n"):
        file.write_text(faulty)
        os.utime(file, ns=(1, len(faulty)))
        with pytest.raises(KeysFileError, match=r"keys\.toml"):
            keys.refresh()
        assert keys.owner("new") is not None, "a faulty file changes nothing"


def test_a_key_is_held_to_its_sources_and_types(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('[shop]\nkeys = ["k"]\nsources = ["web-shop"]\ntypes = ["web.*", "order.placed"]\n')
    shop = WriteKeys({}, file).owner("k")
    assert shop is not None
    assert shop.refusal("web-shop", "web.page_viewed") is None
    assert shop.refusal("shop", "order.placed") is None, "its own name is the source of Segment messages"
    for source, type_name, pointer in (("erp", "order.placed", "/source"), ("web-shop", "order.changed", "/type")):
        refusal = shop.refusal(source, type_name)
        assert refusal is not None
        assert refusal.pointer == pointer
