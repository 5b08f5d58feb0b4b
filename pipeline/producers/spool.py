"""
A queue on disk: what it has taken is there after a crash, and comes out in the order in which it went in.

The one rule: `append` returns when the entries are on the disk (fsync), and an entry leaves only when `done` says so.
A crash between delivery and `done` lets entries come out once more; they are stored once all the same, because a
touchpoint keeps its id. One process uses a folder at a time.

On disk: segments `<number>.spool` of entries, each its length and CRC-32 (little-endian, 4 bytes each) and its bytes;
`position` names the segment and offset of the first entry that is not done. It is replaced, never rewritten.
"""

import fcntl
import logging
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import Final

from pipeline.producers.errors import ProducerError

_HEADER: Final = Struct("<II")
_SEGMENT_BYTES: Final = 8 << 20
_SUFFIX: Final = ".spool"

_log = logging.getLogger(__name__)


class SpoolError(ProducerError):
    """The spool cannot be used: held by another process, damaged, or its disk does not take more."""


class SpoolFullError(SpoolError):
    """The spool holds as much as it may; what is in it has to be delivered first."""


class Spool:
    """
    Entries on their way; any thread may append, one thread takes them out.

    Args:
        folder: Where they lie; made if it is not there.
        max_bytes: What may lie there.

    Raises:
        SpoolError: If another process uses the folder, or an entry in it is damaged.

    Attributes:
        cut_bytes: What was cut off at its end: an entry that was torn, or damaged with all behind it.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        # Taken in this order: writing, then syncing.
        self._writing = threading.Lock()
        self._syncing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder / "lock")
        self._segments = sorted(int(path.stem) for path in folder.glob(f"*{_SUFFIX}"))
        self._position = self._read_position()
        for number in [each for each in self._segments if each < self._position[0]]:
            self._forget(number)
        self.cut_bytes = 0
        self._entries, self._bytes = self._take_up()
        self._number = max(self._segments, default=self._position[0])
        self._file = self._open(self._number)
        self._written = self._synced = os.fstat(self._file).st_size

    def __len__(self) -> int:
        """Return how many entries are not done."""
        return self._entries

    @property
    def size_bytes(self) -> int:
        """Return how many bytes of entries are not done."""
        return self._bytes

    @property
    def has_room(self) -> bool:
        """Tell whether more may wait here."""
        return not self._entries or self._bytes < self._max_bytes

    def append(self, entries: Sequence[bytes]) -> None:
        """
        Add entries, all or none.

        Raises:
            SpoolFullError: If there is no room for them.
            SpoolError: If the disk does not take them.
        """
        if not entries:
            return
        framed = b"".join(_HEADER.pack(len(entry), zlib.crc32(entry)) + entry for entry in entries)
        with self._writing:
            if self._entries and self._bytes + len(framed) > self._max_bytes:
                raise SpoolFullError(f"{self._folder}: {self._bytes} bytes wait, at most {self._max_bytes} may")
            if self._written >= _SEGMENT_BYTES:
                self._begin_segment()
            self._write(framed)
            self._bytes += len(framed)
            self._entries += len(entries)
            number, end = self._number, self._written
        self._sync(number, end)

    def peek(self, most: int, most_bytes: int) -> list[bytes]:
        """Return the first entries that are not done, at least one where there is any."""
        found: list[bytes] = []
        size = 0
        for _, entry in self._from_position(max(most_bytes, 1)):
            size += len(entry)
            if found and (size > most_bytes or len(found) >= most):
                break
            found.append(entry)
        return found

    def done(self, entries: int) -> None:
        """Let the first entries go; they are delivered."""
        if not entries:
            return
        size, place = 0, self._position
        walked = self._from_position(_SEGMENT_BYTES)
        for _ in range(entries):
            place, entry = next(walked)
            size += _HEADER.size + len(entry)
        self._position = place
        spare = self._folder / "position.new"
        spare.write_text(f"{place[0]} {place[1]}\n", encoding="ascii")
        spare.replace(self._folder / "position")
        with self._writing:
            self._entries -= entries
            self._bytes -= size
            for finished in [each for each in self._segments if each < place[0]]:
                self._forget(finished)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._file)
        os.close(self._lock)

    def _write(self, data: bytes) -> None:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            os.ftruncate(self._file, self._written)
            raise SpoolError(f"{self._folder}: the disk does not take more ({error.strerror}); make room") from error
        self._written += len(data)

    def _sync(self, number: int, end: int) -> None:
        """Have the bytes up to `end` on the disk; one fsync serves every thread that has written meanwhile."""
        with self._syncing:
            # A segment is synced before the next one begins, and none begins while this lock is held.
            if number == self._number and self._synced < end:
                reached = self._written
                os.fsync(self._file)
                self._synced = reached

    def _begin_segment(self) -> None:
        with self._syncing:
            os.fsync(self._file)
            os.close(self._file)
            self._number += 1
            self._file = self._open(self._number)
            self._written = self._synced = 0

    def _open(self, number: int) -> int:
        path = self._path(number)
        is_new = not path.exists()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if is_new:
            self._segments.append(number)
            folder = os.open(self._folder, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        return file

    def _from_position(self, piece_bytes: int) -> Iterator[tuple[tuple[int, int], bytes]]:
        """Yield the entries that are not done, each with the place right after it."""
        number, start = self._position
        left = self._entries
        while left > 0:
            with self._path(number).open("rb") as file:
                while left > 0:
                    file.seek(start)
                    data = file.read(piece_bytes + _HEADER.size)
                    if len(data) >= _HEADER.size and (lacking := _lacking(data)) > 0:
                        data += file.read(lacking)
                    before = start
                    for entry in _entries(data):
                        start += _HEADER.size + len(entry)
                        left -= 1
                        yield (number, start), entry
                    if start == before:
                        break
            number, start = number + 1, 0
            if left > 0 and number > self._number:
                raise SpoolError(f"{self._path(number - 1)}: damaged; move it away, or mend it from a copy")

    def _take_up(self) -> tuple[int, int]:
        """Count what earlier processes left; a torn end was never acknowledged and is cut off."""
        entries = size = 0
        for number in self._segments:
            path = self._path(number)
            start = self._position[1] if number == self._position[0] else 0
            data = path.read_bytes()[start:]
            good = 0
            for entry in _entries(data):
                good += _HEADER.size + len(entry)
                entries += 1
            if good < len(data):
                if number != self._segments[-1]:
                    raise SpoolError(f"{path}: damaged at byte {start + good}; move it away, or mend it from a copy")
                # Torn, it was never acknowledged; damaged, it may have been: only who reads this can tell.
                self.cut_bytes = len(data) - good
                _log.warning("%s: %d bytes at its end are no whole entry; cut off", path, self.cut_bytes)
                os.truncate(path, start + good)
            size += good
        return entries, size

    def _read_position(self) -> tuple[int, int]:
        """
        Return where the first entry is that is not done.

        The position is not brought to the disk with every entry, so a power cut may leave none, or one that does not
        fit the segments. Then what is there is delivered again, which costs nothing but time.
        """
        begin = (min(self._segments, default=1), 0)
        try:
            number, offset = map(int, (self._folder / "position").read_text(encoding="ascii").split())
        except FileNotFoundError:
            return begin
        except ValueError:
            _log.warning("%s: damaged; all that is there is delivered again", self._folder / "position")
            return begin
        later = [each for each in self._segments if each >= number]
        if number not in later:
            return (min(later, default=number), 0)
        return (number, min(offset, self._path(number).stat().st_size))

    def _forget(self, number: int) -> None:
        self._path(number).unlink(missing_ok=True)
        self._segments.remove(number)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012d}{_SUFFIX}"


def _entries(data: bytes) -> Iterator[bytes]:
    """Yield the whole entries, up to the first that is none."""
    start = 0
    while start + _HEADER.size <= len(data):
        length, checksum = _HEADER.unpack_from(data, start)
        start += _HEADER.size
        entry = data[start : start + length]
        if len(entry) < length or zlib.crc32(entry) != checksum:
            return
        yield entry
        start += length


def _lacking(data: bytes) -> int:
    """Return how many bytes of the first entry are not there."""
    length: int = _HEADER.unpack_from(data)[0]
    return _HEADER.size + length - len(data)


def _locked(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        detail = f"{path.parent}: another process uses this spool; give each its own folder"
        raise SpoolError(detail) from error
    return file
