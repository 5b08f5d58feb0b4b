"""What the Python contestants share: the arguments, the schemas, the rule of a visit, and the rows to write."""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import fastavro

VISIT_GAP_MS = 30 * 60_000
TABLE = "peer_visits"
COLUMNS = ["key", "event_id", "type", "occurred_at", "visit", "touchpoints"]
# Before the payload: two bytes of marker, eight of the schema's fingerprint.
PREFIX_BYTES = 10

# Of a key: latest event, number of the visit, its touchpoints.
State = tuple[int, int, int]


@dataclass(frozen=True)
class Job:
    """
    What a contestant is told.

    Attributes:
        bootstrap: Address of Kafka.
        url: The warehouse, with credentials and database.
        schemas: Folder of `FINGERPRINT.avsc` in hexadecimal digits.
        topics: What to consume.
        partitions: Of each topic.
        group: Its consumer group.
    """

    bootstrap: str
    url: str
    schemas: Path
    topics: list[str]
    partitions: int
    group: str

    def decoder(self) -> "Decoder":
        """Read the schemas."""
        return Decoder({bytes.fromhex(file.stem): file for file in self.schemas.glob("*.avsc")})

    def rows(self, flush_rows: int) -> "Rows":
        """Return an empty buffer of rows."""
        return Rows(self.url, flush_rows)


def read_job() -> Job:
    """Read the arguments of the process."""
    bootstrap, url, schemas, topics, partitions, group = sys.argv[1:7]
    return Job(bootstrap, url, Path(schemas), topics.split(","), int(partitions), group)


class Decoder:
    """
    Decodes single-object encoded records.

    Args:
        files: Fingerprint → file of the writer's schema.
    """

    def __init__(self, files: dict[bytes, Path]) -> None:
        self.schemas = {
            fingerprint: fastavro.parse_schema(json.loads(file.read_text(encoding="utf-8")))
            for fingerprint, file in files.items()
        }

    def __call__(self, value: bytes) -> Any:
        """Return the event."""
        schema = self.schemas[value[2:PREFIX_BYTES]]
        return fastavro.schemaless_reader(io.BytesIO(value[PREFIX_BYTES:]), schema, None)


def next_state(state: State | None, at: int) -> State:
    """Put an event into the visit of its key, in order of arrival."""
    if state is None:
        return at, 1, 1
    latest, visit, touchpoints = state
    if at - latest > VISIT_GAP_MS:
        return at, visit + 1, 1
    return max(at, latest), visit, touchpoints + 1


def row_of(key: str, event: Any, state: State) -> tuple[Any, ...]:
    """Return the row of an event with the state of its key after it."""
    return key, event["id"], event["type"], event["occurred_at"], state[1], state[2]


class Rows:
    """
    Rows on their way to the warehouse, in batches.

    Args:
        url: The warehouse.
        flush_rows: How many make a batch.
    """

    def __init__(self, url: str, flush_rows: int) -> None:
        self._client = clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False)
        self._flush_rows = flush_rows
        self._rows: list[tuple[Any, ...]] = []

    def add(self, row: tuple[Any, ...]) -> None:
        """Add a row; writes when the batch is full."""
        self._rows.append(row)
        if len(self._rows) >= self._flush_rows:
            self.flush()

    def flush(self) -> None:
        """Write what there is."""
        if self._rows:
            self.write(list(zip(*self._rows, strict=True)))
            self._rows = []

    def write(self, columns: list[Any]) -> None:
        """Write whole columns, in the order of `COLUMNS`."""
        self._client.insert(TABLE, columns, column_names=COLUMNS, column_oriented=True)
