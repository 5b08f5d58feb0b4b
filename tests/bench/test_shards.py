"""The model of the protocol across shards tells sound from broken."""

import pytest

from bench.shards import VARIANTS, count


def test_the_sound_protocol_loses_nothing() -> None:
    assert count("sound", 300) == 0


@pytest.mark.parametrize("variant", [name for name in VARIANTS if name not in {"sound", "version_after_read"}])
def test_what_breaks_it_is_caught(variant: str) -> None:
    assert count(variant, 300) > 0


def test_a_version_taken_after_the_read_is_caught() -> None:
    assert count("version_after_read", 4_000) > 0
