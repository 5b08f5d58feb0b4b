"""The real registry, started once for these tests, and one that misbehaves."""

from collections.abc import Iterator

import pytest

from tests.registry.servers import Misbehaving, real_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real registry; skipped aloud where there is none."""
    with real_registry(tmp_path_factory.mktemp("registry")) as url:
        yield url


@pytest.fixture
def misbehaving() -> Iterator[Misbehaving]:
    with Misbehaving() as server:
        yield server
