"""The queue on disk: what went in is there, in order, whatever becomes of the process."""

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
