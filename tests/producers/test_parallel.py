"""Several processes import what one would, and tell as done only what Kafka has."""

import gzip
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from pipeline.config import Settings
from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.producers import parallel
from pipeline.producers.importing import ImportReport
from pipeline.producers.parallel import import_in_parallel
from tests.conftest import MakeBroker
from tests.producers.events import page_viewed
from tests.producers.kafka import read_all

LINES = 3_000
BAD = (7, 1_500, 2_999)


def test_every_line_is_taken_once_with_its_number(make_broker: MakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "BLOCK_BYTES", 50_000)
    lines = [orjson.dumps(page_viewed(number)) for number in range(LINES)]
    for number in BAD:
        lines[number] = b"{bad"
    lines[10] = b"x" * 2_500_000
    broker = make_broker({"touchpoints.web": 4})
    settings = Settings(kafka=KafkaSettings(bootstrap=broker.bootstrap))
    marks: list[tuple[int, int]] = []
    seen: list[int] = []
    data = b"\n".join([*lines, b""])
    report = import_in_parallel(
        io.BytesIO(data),
        settings,
        2,
        ImportReport(),
        progress=lambda so_far: seen.append(so_far.read),
        mark=lambda *at: marks.append(at),
    )
    sent = [decode_touchpoint(value) for _, value in read_all(broker.bootstrap, "touchpoints.web")]
    broker.stop()
    assert (report.accepted, report.rejected) == (LINES - len(BAD) - 1, len(BAD) + 1)
    assert sorted(fault.line for fault in report.faults) == [8, 11, 1_501, 3_000]
    assert report.by_reason == {"undecodable": 3, "too_large": 1}
    assert len(sent) == len({_id(event) for event in sent}) == report.accepted
    assert seen == sorted(seen)
    assert marks == sorted(marks)
    assert marks[-1] == (len(data), LINES)
    position, before = marks[len(marks) // 2]
    assert data[:position].count(b"\n") == before


def test_a_broken_archive_is_told_with_its_line(tmp_path: Path, make_broker: MakeBroker) -> None:
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(b"\n".join(orjson.dumps(page_viewed(n)) for n in range(5_000)))[:-2_000])
    broker = make_broker({"touchpoints.web": 1})
    with gzip.open(path) as stream:
        settings = Settings(kafka=KafkaSettings(bootstrap=broker.bootstrap))
        report = import_in_parallel(stream, settings, 1, ImportReport())  # type: ignore[arg-type] # it reads as one
    broker.stop()
    assert report.by_reason == {"undecodable": 1}
    assert report.rejected == 1
    assert report.accepted >= 0
    assert [fault.line for fault in report.faults] == [report.accepted + 1]


PROGRAM = """
import sys

from pipeline.config import Settings
from pipeline.config_kafka import KafkaSettings
from pipeline.producers.importing import ImportReport
from pipeline.producers.parallel import import_in_parallel

if __name__ == "__main__":
    settings = Settings(kafka=KafkaSettings(bootstrap=sys.argv[1]))
    import_in_parallel(sys.stdin.buffer, settings, 2, ImportReport(), mark=lambda *_: print("marked", flush=True))
"""


def test_its_processes_end_with_it_however_it_ends(tmp_path: Path, make_broker: MakeBroker) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    broker = make_broker({"touchpoints.web": 1})
    block = (orjson.dumps(page_viewed(1)) + b"\n") * 20_000
    with subprocess.Popen(
        [sys.executable, str(program), broker.bootstrap], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as importing:
        assert importing.stdin is not None
        assert importing.stdout is not None
        importing.stdin.write(block * 6)
        importing.stdin.flush()
        assert importing.stdout.readline() == b"marked\n"
        children = psutil.Process(importing.pid).children(recursive=True)
        assert len(children) >= 2
        importing.kill()
        gone, left = psutil.wait_procs(children, timeout=20)
        assert not left
        assert len(gone) == len(children)
    broker.stop()


def _id(event: Any) -> str:
    return str(event["id"])
