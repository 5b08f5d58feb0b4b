"""What one request asks of the engine, apart from HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.embedded.warehouse.chdb_types import Result


@dataclass(frozen=True)
class External:
    """A table that comes with the query and goes with it."""

    name: str
    structure: str
    format: str
    data: bytes


@dataclass(frozen=True)
class Call:
    """One statement with all that it needs."""

    text: str
    database: str = ""
    default_format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    externals: tuple[External, ...] = ()
    is_readonly: bool = False


@dataclass(frozen=True)
class Statistics:
    """What a statement read and wrote, as far as the engine says."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0

    @classmethod
    def of_result(cls, result: Result) -> "Statistics":
        """Take them from chDB's result."""
        return cls(
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            result_rows=result.rows_read(),
            result_bytes=result.size(),
        )
