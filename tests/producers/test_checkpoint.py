"""An import that was killed goes on where Kafka had everything."""

import io
from pathlib import Path
from typing import Any

import orjson
import pytest

from pipeline.config import IdentitySettings
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.producers.admission import LARGEST_EVENT_BYTES, Admission
from pipeline.producers.blocks import import_blocks
from pipeline.producers.checkpoint import Checkpoint
from pipeline.producers.errors import InputError
from pipeline.producers.importing import Importer
from pipeline.producers.jsonlines import import_lines
from tests.producers.events import RECEIVED_AT, page_viewed


class KilledError(Exception):
    """The process is gone."""


class Run:
    """One run of an import: what it sent, and how much of that Kafka had confirmed."""

    def __init__(self, source: Path, state: Path, dies_after: int | None = None) -> None:
        self.sent: list[bytes] = []
        self.confirmed = 0
        self.flushes: list[int] = []
        self._dies_after = dies_after
        ticks = iter(range(10**6))
        admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=True)
        self.importer = Importer(admission, self.send, lambda: RECEIVED_AT)
        self.checkpoint = Checkpoint(state, source, self.flush, lambda: float(next(ticks)))
        self.source = source

    def send(self, record: EncodedTouchpoint) -> None:
        if len(self.sent) == self._dies_after:
            raise KilledError
        self.sent.append(record.value)

    def flush(self) -> None:
        self.confirmed = len(self.sent)
        self.flushes.append(self.confirmed)

    def run(self, read: Any = None) -> None:
        report, state = self.importer.report, self.checkpoint.state
        self.checkpoint.resume(report)
        stream = io.BytesIO(self.source.read_bytes())
        stream.seek(state.position)

        def mark(at: int, line: int) -> None:
            self.checkpoint.mark(at, line, report)

        (read or import_lines)(stream, self.importer, mark=mark, lines_before=state.lines)
        self.checkpoint.save(stream.tell() - report.left_bytes, 0, report, is_done=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    lines = [orjson.dumps(page_viewed(number)) for number in range(10_000)]
    lines[7_777] = b"{bad"
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.mark.parametrize("dies_after", [0, 500, 4_321, 9_998])
def test_nothing_is_lost_and_little_is_sent_twice(source: Path, tmp_path: Path, dies_after: int) -> None:
    state = tmp_path / "import.state"
    first = Run(source, state, dies_after)
    with pytest.raises(KilledError):
        first.run()
    second = Run(source, state)
    second.run()
    confirmed = first.sent[: first.confirmed]
    assert set(confirmed) | set(second.sent) == set(first.sent) | set(second.sent)
    assert len(set(confirmed) | set(second.sent)) == 9_999
    assert len(second.sent) <= 9_999 - first.confirmed
    report = second.importer.report
    assert (report.accepted, report.rejected) == (9_999, 1)
    assert report.read == 10_000
    if dies_after < 7_777:
        assert [fault.line for fault in report.faults] == [7_778]
    third = Run(source, state)
    third.run()
    assert third.sent == []


def test_what_was_added_to_a_file_is_imported_by_itself(source: Path, tmp_path: Path) -> None:
    Run(source, tmp_path / "state").run()
    with source.open("ab") as file:
        file.write(orjson.dumps(page_viewed(77_777)) + b"\n")
    more = Run(source, tmp_path / "state")
    more.run()
    assert len(more.sent) == 1


@pytest.mark.parametrize("read", [import_lines, import_blocks])
def test_half_a_line_is_left_until_it_is_whole(tmp_path: Path, read: Any) -> None:
    lines = [orjson.dumps(page_viewed(number)) for number in range(3)]
    source, state = tmp_path / "events.jsonl", tmp_path / "state"
    seen = []
    for text in (lines[0] + b"\n" + lines[1][:50], lines[1][50:], b"\n" + lines[2], b"\n"):
        with source.open("ab") as file:
            file.write(text)
        run = Run(source, state)
        run.run(read)
        report = run.importer.report
        seen.append((len(run.sent), report.accepted, report.rejected, report.left_bytes))
    assert seen == [(1, 1, 0, 50), (1, 2, 0, 0), (1, 3, 0, 0), (0, 3, 0, 0)]


def test_a_checkpoint_of_another_input_is_refused(source: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    Run(source, state).run()
    other = tmp_path / "other.jsonl"
    other.write_bytes(b"x" * 1_000_000)
    with pytest.raises(InputError, match="another input"):
        Run(other, state)
    for text in ("{}", "[]", "no JSON", '{"input": {}}'):
        state.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match="checkpoint"):
            Run(source, state)
    with pytest.raises(InputError, match="cannot be read"):
        Run(tmp_path / "nowhere", tmp_path / "fresh")
