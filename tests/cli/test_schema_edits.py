"""`throughline schemas new` refuses what is no type, and files that cannot be read are named."""

from pathlib import Path

import pytest

from pipeline.cli.guard import _translate
from pipeline.cli.invocation import Invocation
from pipeline.contracts.folder import SchemaFileError
from pipeline.contracts.schemas import read_schema
from pipeline.contracts.types import read_types
from tests.cli.conftest import run_here


@pytest.mark.parametrize(
    ("name", "family", "told"),
    [
        ("Bad Name", "orders", "no name of a type"),
        ("order", "orders", "no name of a type"),
        ("order.x\n", "orders", "no name of a type"),
        ("order.x", "deliveries", "types of order belong to orders"),
    ],
)
def test_what_is_no_type_is_refused(name: str, family: str, told: str) -> None:
    outcome = run_here("schemas", "new", name, "--family", family, "--stage", "buy", "--dry-run")
    assert outcome.code == 2
    assert told in outcome.err


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name, read in (("orders.avsc", read_schema), ("types.toml", read_types)):
        file = tmp_path / name
        file.write_text("{broken", encoding="utf-8")
        with pytest.raises(SchemaFileError) as error:
            read(file)
        told = _translate(error.value, Invocation.from_environment())
        assert told is not None
        assert str(file) in "\n".join(told.lines())
        assert told.exit_code == 2
