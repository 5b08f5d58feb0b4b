"""
chDB on its folder: opened once, with its bounds, and without the database that reads files.

The rule it owns: *names are names*. chDB starts with a `default` database that lies over the file system, so that
`SELECT * FROM '/etc/passwd'` reads the file; it is replaced by a plain one before anybody is served.
"""

import importlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.config import EmbeddedSettings
from pipeline.embedded.warehouse.chdb_types import Connection
from pipeline.embedded.warehouse.faults import UNKNOWN_DATABASE_ENGINE

_DATABASES = "engine"
_TEMPORARY = "temporary"

_UUID = re.compile(r"UUID '([0-9a-f-]{36})'")

# The engine's own defaults, 5 GiB each, are for servers with the machine to themselves.
_MARK_CACHE_BYTES = 64 << 20
_INDEX_CACHE_BYTES = 64 << 20


class Engine:
    """
    The engine of this process, there can be only one.

    Args:
        folder: Data folder; this process must hold its lock.
        settings: Bounds on memory and time.
    """

    def __init__(self, folder: Path, settings: EmbeddedSettings) -> None:
        self.settings = settings
        self._address = str((folder / _DATABASES).absolute())
        bounds = {
            "max_server_memory_usage": settings.warehouse_memory_bytes,
            "mark_cache_size": _MARK_CACHE_BYTES,
            "index_mark_cache_size": _MARK_CACHE_BYTES,
            "primary_index_cache_size": _INDEX_CACHE_BYTES,
        }
        self._address += "?" + "&".join(f"{name}={value}" for name, value in bounds.items())
        self._temporary = folder / _TEMPORARY
        _prepare_temporary(self._temporary)
        _link_empty_default(folder / _DATABASES)
        # Held until `close`: the engine lives as long as one connection to it.
        self._anchor = self.connect()
        self._janitor = self.connect()
        self._make_default_plain()
        self.version = self._ask("SELECT version()")
        self.timezone = self._ask("SELECT timezone()")
        self.table_functions = frozenset(self._ask("SELECT lower(name) FROM system.table_functions").split("\n"))

    def connect(self) -> Connection:
        """Return a new chDB connection; it is for one thread at a time."""
        # The engine takes 200 MB and its TMPDIR as soon as it is imported, so not before it is wanted.
        return cast(Connection, importlib.import_module("chdb._chdb").connect(self._address))

    def payload(self) -> BinaryIO:
        """Return a new file for the data of one INSERT; it has no name and goes when it is closed."""
        return cast(BinaryIO, tempfile.TemporaryFile(dir=self._temporary))

    def kill_queries(self) -> None:
        """End whatever runs, so that the lanes it runs in can be closed."""
        self._anchor.query("KILL QUERY WHERE query_id != queryID() ASYNC", "TSV", params={})

    def give_back_memory(self) -> None:
        """Return pages that the engine has freed to the machine; called by one thread at a time."""
        self._janitor.query("SYSTEM JEMALLOC PURGE", "TSV", params={})

    def close(self) -> None:
        """Close the last connections, and with them the engine."""
        self._janitor.close()
        self._anchor.close()

    def _make_default_plain(self) -> None:
        if self._ask("SELECT engine FROM system.databases WHERE name = 'default'") == "Atomic":
            return
        self._anchor.query("DETACH DATABASE default", "TSV", params={})
        try:
            self._anchor.query("ATTACH DATABASE default", "TSV", params={})
        except RuntimeError as error:
            # It was never there as a plain one: nothing is in it yet. Any other error means that something is.
            if f"Code: {UNKNOWN_DATABASE_ENGINE}." not in str(error):
                raise
            self._anchor.query("CREATE DATABASE default ENGINE = Atomic", "TSV", params={})

    def _ask(self, statement: str) -> str:
        return self._anchor.query(statement, "TSVRaw", params={}).bytes().decode().rstrip("\n")


def _link_empty_default(databases: Path) -> None:
    """
    Make the link that the engine makes with the first table of `default`.

    Without it the engine gives the database of the next start another UUID, and attaching it as a plain one fails
    ("Cannot find UUID mapping", chdb 4.4.0): a warehouse whose `default` stayed empty would not start again.
    """
    definition = databases / "metadata" / "default.sql"
    link = databases / "metadata" / "default"
    found = _UUID.search(definition.read_text(encoding="utf-8")) if definition.exists() else None
    if found is not None and not link.is_symlink():
        target = Path("store") / found[1][:3] / found[1]
        (databases / target).mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("..") / target)


def _prepare_temporary(folder: Path) -> None:
    """Sweep what a killed process left, and make the engine (not Python) put its temporary files there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    os.putenv("TMPDIR", str(folder.absolute()))
    # Times without a zone are shown in UTC whatever this machine's zone is.
    os.putenv("TZ", "UTC")
    # A relative file name, should one ever get past the gate, leads into an empty folder.
    os.chdir(folder)
