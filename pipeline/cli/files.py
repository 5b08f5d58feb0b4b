"""Small files that must never be half written, nor readable by others."""

import fcntl
import os
from pathlib import Path
from typing import IO

PRIVATE = 0o600


def write_privately(file: Path, text: str) -> None:
    """
    Replace a file in one step; nobody but its owner may read it.

    Readers see the old content or the new one. The data is on disk before the name points to it, so that a power
    cut leaves one of the two as well.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def take_lock(file: Path) -> IO[str] | None:
    """
    Take the lock on a file for the life of this process.

    The kernel lets go of it when the process ends, however it ends, so a lock can never be stale.

    Returns:
        The open file that holds the lock, to be kept; None when another process has it.
    """
    stream = file.open("a", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        return None
    return stream


def is_locked(file: Path) -> bool:
    """Return whether another process holds the lock on a file; takes it for no longer than the look."""
    if not file.exists():
        return False
    with file.open("r", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False
