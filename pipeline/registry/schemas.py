"""
Which writer schema an id names, remembered: ids never change their meaning.

The rule it owns: what cannot be resolved now is told so and asked for again later, not with every record. A schema that
is known to be none of ours is an answer too: nothing will make a touchpoint of its records.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from fastavro.schema import SchemaParseException

from pipeline.contracts.schemas import WriterSchema, schema_of, writer_schema
from pipeline.contracts.soundness import schema_faults
from pipeline.contracts.types import FAMILIES
from pipeline.registry.client import RegistryClient, RegistryRefused, RegistryUnavailable


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An id that names nothing yet, or whose registry could not be asked, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """An id whose schema is none of a touchpoint, or none that is safe to read, and why."""

    why: str


Resolved = WriterSchema | Unresolved | Foreign


class IdResolver:
    """
    Resolves ids; safe for several threads, at worst an id is asked for twice.

    Args:
        client: Asks the registry.
        retry_after: How long an unresolved id is not asked for again; after trouble no id is.
        clock: Seconds that only grow.
    """

    def __init__(
        self, client: RegistryClient, retry_after: timedelta, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._retry_after_s = retry_after.total_seconds()
        self._clock = clock
        self._known: dict[int, WriterSchema | Foreign] = {}
        self._by_fingerprint: dict[bytes, WriterSchema] = {}
        self._unresolved: dict[int, tuple[float, Unresolved]] = {}
        self._trouble: tuple[float, Unresolved] | None = None

    def resolve(self, schema_id: int) -> Resolved:
        """Return what an id names, from memory where it is known."""
        known = self._known.get(schema_id)
        if known is not None:
            return known
        for remembered in (self._unresolved.get(schema_id), self._trouble):
            if remembered is not None and self._clock() < remembered[0]:
                return remembered[1]
        return self._ask(schema_id)

    def schema_by_fingerprint(self, fingerprint: bytes) -> WriterSchema | None:
        """Return a schema that was resolved before, by its fingerprint."""
        return self._by_fingerprint.get(fingerprint)

    def _ask(self, schema_id: int) -> Resolved:
        again_at = self._clock() + self._retry_after_s
        try:
            found = self._client.schema_of(schema_id)
            if found is None:
                unknown = Unresolved(f"the registry knows no schema with id {schema_id}")
                if len(self._unresolved) > 10_000:
                    self._unresolved.clear()  # random ids must not fill the memory
                self._unresolved[schema_id] = (again_at, unknown)
                return unknown
            made = _made(schema_id, found)
        except (RegistryUnavailable, RegistryRefused) as error:
            self._trouble = (again_at, Unresolved(str(error)))
            return self._trouble[1]
        self._known[schema_id] = made
        if isinstance(made, WriterSchema):
            self._by_fingerprint[made.fingerprint] = made
        return made


def _made(schema_id: int, schema: dict[str, object]) -> WriterSchema | Foreign:
    name = str(schema.get("name", "")).rpartition(".")[2]
    family = next((each for each in FAMILIES if writer_schema(each).schema["name"] == name), None)
    if family is None:
        return Foreign(f"id {schema_id} is the schema {name!r}, which is none of a touchpoint")
    dangers = ("recursive", "zero_width_items", "unreadable_type", "wide_union", "no_fields")
    for fault in schema_faults(family, schema):
        if fault.rule in dangers:
            return Foreign(f"id {schema_id} is not read: {fault.where}: {fault.detail}")
    try:
        return schema_of(family, schema)
    except (SchemaParseException, ValueError, TypeError, KeyError) as error:
        raise RegistryUnavailable(f"the schema of id {schema_id} is no Avro schema: {error}") from error
