"""
The schema registry of a run: a process that may be killed or frozen while landing needs it.

Every so many records name a schema by a new id, so that ids must be asked for all the time. Its data is in memory:
killed and started again it knows nothing until it is told, and told in the same order it gives the same ids.
"""

import signal
import subprocess
from pathlib import Path

from pydantic import SecretStr

from pipeline.config_registry import RegistrySettings
from pipeline.contracts.schemas import family_schema
from pipeline.registry.client import RegistryClient
from pipeline.registry.framing import ID_BYTES, MAGIC, subject_of
from tests.registry.servers import api_of, await_registry, start_registry

FAMILY = "web"
TOPIC = f"touchpoints.{FAMILY}"
RECORDS_PER_ID = 300
END_S = 20.0


def head_of(number: int) -> bytes:
    """Return the frame of a record by its number in the load: ids count from 1."""
    return MAGIC + (number // RECORDS_PER_ID + 1).to_bytes(ID_BYTES, "big")


class Registry:
    """
    One registry.

    Args:
        folder: Where its log goes.
        port: Where it listens.
        records: How many records are sent at most.
    """

    def __init__(self, folder: Path, port: int, records: int) -> None:
        self.url = api_of(port)
        self._folder = folder
        self._port = port
        self._ids = records // RECORDS_PER_ID + 1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process; None where it does not run."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Start it and tell it all schemas; returns when it knows them."""
        self._process = start_registry(self._folder, self._port)
        await_registry(self.url, self._process, self._folder)
        client = RegistryClient(RegistrySettings(url=SecretStr(self.url)))
        for number in range(1, self._ids + 1):
            schema = {**family_schema(FAMILY), "doc": f"version {number}"}
            given = client.register(subject_of(TOPIC), schema)
            if given != number:
                raise RuntimeError(f"the registry gave schema {number} the id {given}")

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it by a signal, and wait until it has."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(END_S)
