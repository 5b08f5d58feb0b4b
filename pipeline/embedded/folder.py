"""
The lock on a data folder: one process at a time, told plainly to the second.

The lock is the kernel's (`flock`), so it goes with its process however that ends; the file stays and names the holder.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType

LOCK_FILE = "lock"


class FolderInUse(Exception):  # noqa: N818 - the name says what is so
    """The folder belongs to a running process: stop that one, or name another folder."""


class FolderLock:
    """
    Holds a data folder for this process, from entering to leaving.

    Args:
        folder: Made, readable by its owner only, where it does not exist.
        is_inherited: Whether a program that takes the place of this process (`exec`) holds the lock on.
    """

    def __init__(self, folder: Path, *, is_inherited: bool = False) -> None:
        self._folder = folder
        self._is_inherited = is_inherited
        self._descriptor = -1

    def __enter__(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / LOCK_FILE
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise FolderInUse(
                f"{self._folder}: in use by process {holder}; stop it or choose another folder"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        os.set_inheritable(descriptor, self._is_inherited)
        self._descriptor = descriptor
        return self._folder

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
