"""
What is used of chDB's compiled module, which has no types of its own (chdb-core 26.9).

The module is used directly, for `chdb.connect` hides `classify_query` and imports pyarrow on the way.
"""

from typing import Protocol


class QueryClass(Protocol):
    """What a statement does: READ_ONLY, MUTATING, CONTROL, UNKNOWN and others."""

    @property
    def name(self) -> str:
        """Its name."""


class View(Protocol):
    """A result's bytes where they are."""

    def view(self) -> memoryview:
        """Return them; they live as long as the view."""


class Result(Protocol):
    """A result, or one part of a streamed one."""

    def bytes(self) -> bytes:
        """Return it in the output format."""

    def get_memview(self) -> View:
        """Return the same without a copy."""

    def size(self) -> int:
        """Return its length in that format."""

    def rows_read(self) -> int:
        """Return how many rows it has."""

    def storage_rows_read(self) -> int:
        """Return how many rows were read for it."""

    def storage_bytes_read(self) -> int:
        """Return how many bytes were read for it."""

    def rows_written(self) -> int:
        """Return how many rows an INSERT wrote."""

    def bytes_written(self) -> int:
        """Return how many bytes an INSERT wrote."""


class Connection(Protocol):
    """A connection; for one thread, with one streamed query at a time. Everything raises RuntimeError."""

    def query(self, statement: str, output: str, *, params: dict[str, str]) -> Result:
        """Run statements (several, if there are) and return the result of the last."""

    def send_query(self, statement: str, output: str, *, params: dict[str, str]) -> object:
        """Begin a streamed query and return its handle."""

    def streaming_fetch_result(self, handle: object) -> Result | None:
        """Return the next part; one without rows is the last."""

    def streaming_cancel_query(self, handle: object) -> None:
        """End a streamed query before its end."""

    def classify_query(self, statement: str) -> dict[str, object]:
        """Say what a text would do: `query_class`, `statement_count` (0: it does not parse) and more."""

    def close(self) -> None:
        """Close it."""
