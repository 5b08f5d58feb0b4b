"""
Confluent's wire format: a zero byte, the schema's id in four bytes, then what the schema wrote.

Written in place of a single object where a registry is configured. The id is looked up once for each topic; a schema
that is not registered is refused with what to do, because nobody else could read what it wrote.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from pipeline.config_registry import RegistrySettings
from pipeline.contracts.schemas import writer_schema
from pipeline.contracts.topics import family_of_topic
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.contracts.wire import HEADER_BYTES
from pipeline.registry.client import RegistryClient, RegistryRefused, RegistryUnavailable

MAGIC = b"\0"
ID_BYTES = 4


def subject_of(topic: str) -> str:
    """Return the subject under which a topic's schemas are registered."""
    return f"{topic}-value"


class RegistryFraming:
    """
    Gives records the frame of the registry.

    Args:
        client: Asks the registry.
        retry_after: After trouble, how long every record that needs the registry fails at once.
        clock: Seconds that only grow.
    """

    def __init__(
        self, client: RegistryClient, retry_after: timedelta, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._retry_after_s = retry_after.total_seconds()
        self._clock = clock
        self._heads: dict[str, bytes] = {}
        self._trouble: tuple[float, RegistryUnavailable] | None = None

    def __call__(self, record: EncodedTouchpoint) -> EncodedTouchpoint:
        """
        Return a record with the id of its schema in place of the fingerprint.

        Raises:
            RegistryUnavailable: If the registry cannot be asked for an id that is not known yet.
            RegistryRefused: If the schema is not registered.
        """
        head = self._heads.get(record.topic) or self._head_of(record.topic)
        return record._replace(value=head + record.value[HEADER_BYTES:])

    def _head_of(self, topic: str) -> bytes:
        family = family_of_topic(topic)
        if family is None:
            raise RegistryRefused(f"{topic} is no topic of touchpoints")
        if self._trouble is not None and self._clock() < self._trouble[0]:
            raise self._trouble[1]
        try:
            found = self._client.id_of(subject_of(topic), writer_schema(family).schema)
        except RegistryUnavailable as error:
            self._trouble = (self._clock() + self._retry_after_s, error)
            raise
        if found is None:
            raise RegistryRefused(
                f"{self._client.url}: today's schema of {family} is not registered; run `throughline schemas register`"
            )
        self._heads[topic] = MAGIC + found.to_bytes(ID_BYTES, "big")
        return self._heads[topic]


def framing_of(settings: RegistrySettings) -> RegistryFraming | None:
    """Return the framing that the settings ask for; None where records are single objects."""
    if not settings.url.get_secret_value():
        return None
    return RegistryFraming(RegistryClient(settings), settings.retry_after)
