"""
What a data folder keeps from its first `up` on: ports, keys and the kind of its broker.

They are in `installation.json`, readable by its owner only; the warehouse keeps its passwords beside its data. They
stay over restarts, so that addresses, tokens and above all `ident_key` (which depends on the hash key) stay.
"""

import json
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.files import write_privately
from pipeline.embedded.warehouse.credentials import INSIDE, OUTSIDE, Credentials, load_credentials

INSTALLATION_FILE = "installation.json"
HOST = "127.0.0.1"
DATABASE = "throughline"
EMBEDDED, KAFKA = "embedded", "kafka"
# Below the range that the kernel gives to outgoing connections (32768 and up): a port kept over a restart must not
# be taken by somebody's connection in between.
PORTS = range(20_000, 32_000)


@dataclass
class Installation:
    """The kept facts of one data folder."""

    ports: dict[str, int] = field(default_factory=dict)
    hash_key: str = ""
    write_key: str = ""
    broker: str = EMBEDDED
    credentials: Credentials = field(default_factory=lambda: Credentials("", ""))

    def address(self, part: str) -> str:
        """Return host:port of a part."""
        return f"{HOST}:{self.ports[part]}"

    def worker_url(self) -> str:
        """Return the warehouse's URL with full rights, for our own processes."""
        return f"http://{INSIDE}:{self.credentials.throughline}@{self.address('warehouse')}/{DATABASE}"

    def analyst_url(self) -> str:
        """Return the warehouse's URL for people: it reads, and nothing else."""
        return f"http://{OUTSIDE}:{self.credentials.analyst}@{self.address('warehouse')}/{DATABASE}"


def read_installation(folder: Path) -> Installation | None:
    """
    Return what the folder keeps; None when `up` never ran here.

    Raises:
        CommandError: If the file is there but cannot be understood; making secrets anew would split every customer.
    """
    file = folder / INSTALLATION_FILE
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Installation(**kept, credentials=_credentials(folder))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise CommandError(
            f"the file cannot be understood ({error})",
            where=str(file),
            remedy="restore it from a copy, or start with another --data folder; it holds the key of every identifier",
        ) from error


def chosen_broker(folder: Path, asked: str | None) -> str:
    """
    Return the kind of broker to run in a folder: its own, or at the first `up` the one that was asked for.

    Raises:
        CommandError: If another kind was asked for than the folder was made with.
    """
    kept = read_installation(folder)
    if kept is None:
        return asked or EMBEDDED
    if asked not in (None, kept.broker):
        raise CommandError(
            f"this folder was made with --broker {kept.broker}, and its records and offsets are those of that broker",
            where=str(folder),
            remedy=f"leave --broker {asked} out (the folder knows its broker), or use another --data folder and import "
            "the events again",
            exit_code=WRONG_USAGE,
        )
    return kept.broker


def keep_installation(
    folder: Path, parts: Iterable[str], hash_key: str, fixed_ports: dict[str, int], broker: str = EMBEDDED
) -> Installation:
    """
    Return the folder's kept facts, made at the first call and completed at later ones.

    Args:
        folder: The data folder; created when missing.
        parts: Names of the parts that need a port.
        hash_key: Key from the settings; empty: the folder's own.
        fixed_ports: Ports that the settings name.
        broker: The kind of broker, for a new folder; from `chosen_broker`.

    Raises:
        CommandError: If the settings name another hash key than the one the folder's facts were keyed with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = read_installation(folder) or Installation(broker=broker, credentials=_credentials(folder))
    if hash_key and kept.hash_key and hash_key != kept.hash_key:
        raise CommandError(
            "THROUGHLINE_IDENTITY__HASH_KEY is not the key that this folder's identifiers were made with",
            where=str(folder / INSTALLATION_FILE),
            remedy="unset it (the folder knows its key), or use another --data folder",
            exit_code=WRONG_USAGE,
        )
    kept.hash_key = kept.hash_key or hash_key or secrets.token_urlsafe(32)
    kept.write_key = kept.write_key or f"wk_{secrets.token_urlsafe(24)}"
    for part in parts:
        kept.ports[part] = fixed_ports.get(part) or _free_port(kept.ports.get(part), set(kept.ports.values()))
    own = {"ports": kept.ports, "hash_key": kept.hash_key, "write_key": kept.write_key, "broker": kept.broker}
    write_privately(folder / INSTALLATION_FILE, json.dumps(own, indent=1) + "\n")
    return kept


def is_free(port: int) -> bool:
    """Return whether a server could listen on a port of the loopback now."""
    with socket.socket() as probe:
        # As servers do: a port with connections in TIME_WAIT from our own last run counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _credentials(folder: Path) -> Credentials:
    """Return the warehouse's passwords, which it keeps itself; made here before it starts for the first time."""
    warehouse = folder / "warehouse"
    warehouse.mkdir(mode=0o700, parents=True, exist_ok=True)
    return load_credentials(warehouse)


def _free_port(kept: int | None, taken: set[int]) -> int:
    """Return the kept port while it is free, else a free one."""
    if kept is not None and is_free(kept):
        return kept
    for _ in range(200):
        port = secrets.choice(PORTS)
        if port not in taken and is_free(port):
            return port
    raise CommandError("no free port found", where=f"{HOST}, {PORTS.start}–{PORTS.stop - 1}")
