"""Files of touchpoints: every line is accounted for, whatever the others are."""

import gzip
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from pipeline.config import IdentitySettings
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.producers.admission import LARGEST_EVENT_BYTES, Admission
from pipeline.producers.blocks import import_block
from pipeline.producers.errors import InputError
from pipeline.producers.importing import Importer, ImportReport, import_touchpoints
from pipeline.producers.jsonlines import import_lines, open_input
from tests.producers.events import RECEIVED_AT, page_viewed


class Import:
    """An import into a list."""

    def __init__(self, progress: Callable[[ImportReport], None] | None = None) -> None:
        self.sent: list[EncodedTouchpoint] = []
        admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=True)
        self.importer = Importer(admission, self.sent.append, lambda: RECEIVED_AT, progress)

    def lines(self, data: bytes) -> ImportReport:
        return import_lines(io.BytesIO(data), self.importer)

    def file(self, path: Path) -> ImportReport:
        with open_input(str(path)) as opened:
            return import_lines(opened.stream, self.importer)


def line(number: int = 1, **fields: object) -> bytes:
    return orjson.dumps(page_viewed(number, **fields)) + b"\n"


BAD_LINES = {
    "not JSON": (b"{bad\n", "undecodable"),
    "invalid UTF-8": (b'{"id": "\xff\xfe"}\n', "undecodable"),
    "NaN": (b'{"id": NaN}\n', "undecodable"),
    "half a surrogate pair": (b'{"id": "\\ud800"}\n', "invalid_value"),
    "a zero byte": (b"\x00\n", "undecodable"),
    "too deep": (b"[" * 100_000 + b"]" * 100_000 + b"\n", "too_large"),
    "opened and not closed": (b"[" * 100_000 + b"\n", "undecodable"),
    "deep but readable": (b'{"id":' + b"[" * 900 + b"]" * 900 + b"}\n", "missing_field"),
    "an array": (b"[1]\n", "wrong_type"),
    "two objects": (b"{}{}\n", "undecodable"),
    "a huge number": (b'{"revision": 1e999}\n', "invalid_value"),
    "too large": (b'{"id": "' + b"x" * LARGEST_EVENT_BYTES + b'"}\n', "too_large"),
    "much too large": (b"x" * (5 * LARGEST_EVENT_BYTES) + b"\n", "too_large"),
    "unknown type": (line(9, type="web.sung"), "unknown_type"),
    "year 2100": (line(9, occurred_at="2100-01-01T00:00:00Z"), "future_time"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_is_told_and_its_neighbours_land(name: str) -> None:
    bad, reason = BAD_LINES[name]
    work = Import()
    report = work.lines(line(1) + bad + line(2))
    assert (report.accepted, report.duplicate, report.rejected) == (2, 0, 1)
    assert [record.key for record in work.sent] == [b"cookie_id:cookie-1", b"cookie_id:cookie-2"]
    assert {fault.line for fault in report.faults} == {2}
    assert reason in {fault.problem.reason.value for fault in report.faults}, report.faults


def test_the_same_content_is_a_duplicate_and_a_correction_is_not() -> None:
    work = Import()
    report = work.lines(line(1) + line(2) + line(1, sent_at="2026-03-01T10:05:00Z") + line(1, revision=1))
    assert (report.accepted, report.duplicate, report.rejected) == (3, 1, 0)
    assert len(work.sent) == 3


def test_empty_lines_count_as_lines_and_as_nothing_else() -> None:
    report = Import().lines(b"\xef\xbb\xbf" + line(1).rstrip() + b"\r\n\r\n \n" + b"{}\n" + line(2).rstrip())
    assert (report.accepted, report.rejected) == (2, 1)
    assert {fault.line for fault in report.faults} == {4}


def test_the_largest_line_with_any_line_end_is_read() -> None:
    start, end = b'{"id":"', b'"}'
    largest = start + b"x" * (LARGEST_EVENT_BYTES - len(start) - len(end)) + end
    for line_end in (b"\n", b"\r\n", b""):
        report = Import().lines(largest + line_end)
        assert "missing_field" in report.by_reason, "read as JSON, then judged"
    assert Import().lines(b" " + largest + b"\n").by_reason == {"missing_field": 1}
    assert Import().lines(largest[:-2] + b"xxx" + end).by_reason == {"too_large": 1}


def test_gzip_is_recognised_and_members_may_follow_each_other(tmp_path: Path) -> None:
    packed = tmp_path / "events"
    packed.write_bytes(gzip.compress(line(1)) + gzip.compress(line(2)))
    assert Import().file(packed).accepted == 2


def test_gzip_that_breaks_off_is_the_fault_of_its_line(tmp_path: Path) -> None:
    packed = tmp_path / "events.gz"
    whole = gzip.compress(b"".join(line(number, session_id=str(number * 7919)) for number in range(2_000)))
    packed.write_bytes(whole[: len(whole) // 2])
    report = Import().file(packed)
    assert report.accepted > 0
    assert report.by_reason == {"undecodable": 1}
    assert report.faults[0].line == report.accepted + 1


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(line(1)))))
    monkeypatch.setattr(sys, "stdin", stdin)
    work = Import()
    with open_input("-") as opened:
        assert opened.size is None
        import_lines(opened.stream, work.importer)
    assert work.importer.report.accepted == 1


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"), open_input(str(tmp_path / name)):
        pass


def test_faults_are_bounded_and_counted_all_the_same() -> None:
    report = Import().lines(b"{}\n" * 3_000)
    assert report.rejected == 3_000
    assert len(report.faults) == 1_000
    assert sum(report.by_reason.values()) == 3_000


def test_progress_is_told_and_the_position_in_the_file_known(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(line(number) for number in range(2_500)))
    told: list[int] = []
    work = Import(lambda report: told.append(report.read))
    with open_input(str(file)) as opened:
        import_lines(opened.stream, work.importer)
        assert opened.size == opened.position() == file.stat().st_size
    assert told == [1_000, 2_000]


def test_touchpoints_from_elsewhere_are_numbered() -> None:
    work = Import()
    report = import_touchpoints([page_viewed(1), {}, page_viewed(2)], work.importer)
    assert (report.accepted, report.rejected) == (2, 1)
    assert {fault.line for fault in report.faults} == {2}


def test_an_import_is_fast() -> None:
    lines = b"".join(line(number, context={"url": "https://a.example/"}) for number in range(4_000))
    work = Import()
    began = time.process_time()
    assert work.lines(lines).accepted == 4_000
    assert time.process_time() - began < 4_000 / 5_000, "a third of the aim: other work shares the machine"


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_block_in_memory_is_taken_as_a_stream_is(name: str) -> None:
    """The quick way for blocks tells the same, with the same line numbers."""
    bad, _ = BAD_LINES[name]
    data = b"\xef\xbb\xbf" + line(1) + b"\n  \r\n" + bad + line(2) + line(2) + line(3).rstrip(b"\n")
    streamed, block = Import(), Import()
    streamed.lines(data)
    import_block(data, block.importer, 0)
    assert block.importer.report.accepted == 3
    assert block.sent == streamed.sent
    one, other = streamed.importer.report, block.importer.report
    assert (one.accepted, one.duplicate, one.rejected, one.by_reason) == (
        other.accepted,
        other.duplicate,
        other.rejected,
        other.by_reason,
    )
    assert [(fault.line, fault.problem.reason) for fault in one.faults] == [
        (fault.line, fault.problem.reason) for fault in other.faults
    ]
