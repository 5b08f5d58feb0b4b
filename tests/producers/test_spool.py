"""The queue on disk: what went in is there, in order, whatever becomes of the process."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.producers import spool as spooling
from pipeline.producers.spool import Spool, SpoolError, SpoolFullError

ROOM = 1 << 30


def drained(spool: Spool, most: int = 7) -> list[bytes]:
    found = []
    while entries := spool.peek(most, 1 << 20):
        found += entries
        spool.done(len(entries))
    return found


def test_entries_come_out_in_order_also_after_a_new_start(tmp_path: Path) -> None:
    first = Spool(tmp_path, ROOM)
    first.append([b"a", b"", b"c"])
    first.append([b"d"])
    assert first.peek(2, 100) == [b"a", b""]
    first.done(1)
    first.close()
    second = Spool(tmp_path, ROOM)
    assert (len(second), second.size_bytes) == (3, 3 * 8 + 2)
    second.append([b"e"])
    assert drained(second) == [b"", b"c", b"d", b"e"]
    assert (len(second), second.size_bytes) == (0, 0)
    second.close()
    assert drained(Spool(tmp_path, ROOM)) == []


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.integers(0, 4), max_size=40), data=st.data())
def test_any_order_of_work_and_new_starts_keeps_the_queue(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spooling, "_SEGMENT_BYTES", 64)
        spool, model, number = Spool(folder, ROOM), [], 0
        for step in steps:
            if step <= 2:
                entries = [b"%d" % each * data.draw(st.integers(1, 30)) for each in range(number, number + step)]
                number += step
                spool.append(entries)
                model += entries
            elif step == 3:
                taken = spool.peek(data.draw(st.integers(1, 5)), data.draw(st.integers(0, 60)))
                assert taken == model[: len(taken)]
                assert taken or not model
                spool.done(len(taken))
                del model[: len(taken)]
            else:
                spool.close()
                spool = Spool(folder, ROOM)
            assert len(spool) == len(model)
        assert drained(spool) == model
        assert len(list(folder.glob("*.spool"))) == 1, "what is done is removed"
        spool.close()


def test_a_torn_end_is_cut_off_and_a_damaged_middle_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path, ROOM)
    spool.append([b"whole", b"torn"])
    spool.close()
    (segment,) = tmp_path.glob("*.spool")
    whole = segment.read_bytes()
    for cut in range(1, 12):
        segment.write_bytes(whole[:-cut])
        again = Spool(tmp_path, ROOM)
        assert again.peek(9, 99) == [b"whole"]
        assert again.cut_bytes == 12 - cut
        assert f"{12 - cut} bytes at its end are no whole entry" in caplog.text
        again.append([b"new"])
        assert again.peek(9, 99) == [b"whole", b"new"]
        again.close()
    segment.write_bytes(whole[:8] + b"W" + whole[9:])
    segment.with_name("000000000009.spool").write_bytes(whole)
    with pytest.raises(SpoolError, match="damaged at byte 0"):
        Spool(tmp_path, ROOM)


def test_it_takes_no_more_than_it_may_and_one_process_at_a_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 40)
    spool.append([b"x" * 100])
    with pytest.raises(SpoolFullError, match="108 bytes wait"):
        spool.append([b"y"])
    assert drained(spool) == [b"x" * 100]
    with pytest.raises(SpoolError, match="another process"):
        Spool(tmp_path, 40)


def test_threads_share_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)

    def write(writer: int) -> None:
        for number in range(50):
            spool.append([b"%d %d" % (writer, number)])

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    found: list[bytes] = []
    while len(found) < 200:
        entries = spool.peek(3, 1000)
        spool.done(len(entries))
        found += entries
    for thread in threads:
        thread.join()
    for writer in range(4):
        own = [entry for entry in found if entry.startswith(b"%d " % writer)]
        assert own == [b"%d %d" % (writer, number) for number in range(50)]


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline.producers.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), 1 << 30)\n"
        "for number in range(10**6):\n"
        "    spool.append([b'%d' % number]); print(number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(200):
        last = int(process.stdout.readline())
    process.kill()
    last = max([last, *(int(line) for line in process.stdout if line.endswith("\n"))])
    process.wait()
    found = [int(entry) for entry in drained(Spool(tmp_path, ROOM), 500)]
    assert found == list(range(len(found)))
    assert len(found) > last


class Disk:
    """What of a folder is on the disk: synced bytes, of files whose names were synced; a power cut takes the rest."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._sizes: dict[int, int] = {}
        self._names: set[str] = set()
        self._fsync = os.fsync
        patch.setattr(os, "fsync", self._sync)

    def _sync(self, file: int) -> None:
        self._fsync(file)
        found = os.fstat(file)
        if stat.S_ISDIR(found.st_mode):
            self._names |= {path.name for path in self._folder.iterdir()}
        else:
            self._sizes[found.st_ino] = found.st_size

    def after_a_power_cut(self, folder: Path) -> Path:
        folder.mkdir()
        for name in self._names:
            path = self._folder / name
            size = self._sizes.get(path.stat().st_ino, 0)
            (folder / name).write_bytes(path.read_bytes()[:size])
        return folder


def test_what_was_acknowledged_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "_SEGMENT_BYTES", 64)
    disk = Disk(tmp_path / "spool", monkeypatch)
    spool = Spool(tmp_path / "spool", ROOM)
    for number in range(20):
        spool.append([b"%d" % number * 9])
        left = disk.after_a_power_cut(tmp_path / f"after-{number}")
        assert drained(Spool(left, ROOM)) == [b"%d" % each * 9 for each in range(number + 1)]


def test_a_writer_that_is_overtaken_by_a_new_segment_is_safe_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. A writes. 2. B begins the next segment and is acknowledged. 3. A is acknowledged without a sync of its own."""
    monkeypatch.setattr(spooling, "_SEGMENT_BYTES", 8)
    disk = Disk(tmp_path / "spool", monkeypatch)
    overtaken = threading.Event()

    class Slow(Spool):
        def _sync(self, number: int, end: int) -> None:
            if number == 1:
                assert overtaken.wait(30)
            super()._sync(number, end)

    spool = Slow(tmp_path / "spool", ROOM)
    first = threading.Thread(target=spool.append, args=([b"first"],))
    first.start()
    while not len(spool):
        pass
    spool.append([b"second"])
    overtaken.set()
    first.join()
    assert drained(Spool(disk.after_a_power_cut(tmp_path / "after"), ROOM)) == [b"first", b"second"]


@pytest.mark.parametrize("position", ["", "1", "1 9999", "0 5", "nonsense here", None])
def test_a_position_that_does_not_fit_lets_entries_out_again(tmp_path: Path, position: str | None) -> None:
    spool = Spool(tmp_path, ROOM)
    spool.append([b"a", b"b"])
    spool.done(1)
    spool.close()
    path = tmp_path / "position"
    path.unlink() if position is None else path.write_text(position)
    again = Spool(tmp_path, ROOM)
    again.append([b"c"])
    found = drained(again)
    assert found == ([b"c"] if position == "1 9999" else [b"a", b"b", b"c"])


def test_a_position_whose_segment_is_gone_hides_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    spool.append([b"a" * 50])
    spool.done(1)
    spool.close()
    (segment,) = tmp_path.glob("*.spool")
    segment.unlink()
    again = Spool(tmp_path, ROOM)
    again.append([b"b"])
    assert drained(again) == [b"b"]
