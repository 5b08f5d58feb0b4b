"""
Rules declared as TOML: a document of tables of one kind, each with a name.

One rule: all faults of a document are told at once, each with the table that it is in. What a table means is for
whoever reads it.
"""

import tomllib
from collections.abc import Callable
from typing import Any, Protocol, TypeVar


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Declared = TypeVar("Declared", bound=_Named)


def read_tables(
    text: str, kind: str, most: int, read_one: Callable[[Any], tuple[Declared, list[str]]]
) -> tuple[list[Declared], list[str]]:
    """
    Read the tables of a document, in their order.

    Args:
        text: TOML.
        kind: What each table is: `[[kind]]`.
        most: Tables at most; at least one is needed.
        read_one: Reads one table, and says what is wrong with it.

    Returns:
        What was read, and the faults; no fault: all of it may be used.

    Raises:
        tomllib.TOMLDecodeError: If it is not TOML.
    """
    document = tomllib.loads(text)
    faults = [f"{key}: unknown; a document holds [[{kind}]] only" for key in document if key != kind]
    declared = document.get(kind)
    if not isinstance(declared, list) or not 1 <= len(declared) <= most:
        faults.append(f"{kind}: 1 to {most} tables [[{kind}]] are needed")
        declared = []
    read = []
    for number, table in enumerate(declared, 1):
        found, wrong = read_one(table)
        faults += [f"{kind} {number} ({found.name or 'without a name'}): {fault}" for fault in wrong]
        read.append(found)
    return read, faults
