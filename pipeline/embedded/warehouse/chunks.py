"""
Parts of a streamed answer put together: chDB makes each part a document of its own.

Formats without head and foot need nothing; those with a head of lines, or Arrow streams, lose the repeated heads here.
All others (JSON, Parquet, Pretty…) cannot be made of parts and are answered as a whole.
"""

from collections.abc import Callable, Iterator

from pipeline.embedded.warehouse.chdb_types import Result

_PIECE_BYTES = 1 << 20

Joiner = Callable[[Iterator[bytes]], Iterator[bytes]]

# https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format: a message is 0xFFFFFFFF, the length of its
# metadata, the metadata, the body; a stream ends with the mark and length 0. The schema comes first, without a body.
_MARK = b"\xff\xff\xff\xff"
_END = _MARK + b"\0\0\0\0"


def joined_arrow(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Make one Arrow stream of several with the same schema: the schema once, one end."""
    is_first = True
    for part in parts:
        whole = memoryview(part)
        if whole[: len(_MARK)] != _MARK or whole[-len(_END) :] != _END:
            raise ValueError("not an Arrow stream")
        schema_end = 8 + int.from_bytes(whole[4:8], "little")
        body = whole[schema_end : -len(_END)]
        if is_first:
            yield bytes(whole[:schema_end])
        if body:
            yield bytes(body)
        is_first = False
    if not is_first:
        yield _END


def joined_lines(parts: Iterator[bytes], head_lines: int) -> Iterator[bytes]:
    """Make one text of several that begin with the same lines of names (and types): those once."""
    head: bytes | None = None
    for part in parts:
        if head is None:
            head = part[: _end_of_lines(part, head_lines)]
            yield part
        elif part != head:
            yield part.removeprefix(head)


def _end_of_lines(text: bytes, lines: int) -> int:
    """Return where the first lines end; a line end within double quotes (of CSV) is none."""
    place = 0
    for _ in range(lines):
        end = text.find(b"\n", place) + 1
        while end and text.count(b'"', place, end) % 2:
            end = text.find(b"\n", end) + 1
        place = end or len(text)
    return place


def pieces(result: Result) -> Iterator[bytes]:
    """Yield a whole answer piece by piece, without a second copy of it."""
    if not result.size():
        return
    view = result.get_memview().view()
    for start in range(0, view.nbytes, _PIECE_BYTES):
        yield bytes(view[start : start + _PIECE_BYTES])


def _plain(parts: Iterator[bytes]) -> Iterator[bytes]:
    return parts


def _with_head(head_lines: int) -> Joiner:
    return lambda parts: joined_lines(parts, head_lines)


def _joiners() -> dict[str, Joiner]:
    whole = (
        "Native", "RowBinary", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "LineAsString", "RawBLOB", "CSV",
        "JSONEachRow", "JSONLines", "NDJSON", "JSONStringsEachRow", "JSONCompactEachRow",
        "JSONCompactStringsEachRow", "TSKV", "MsgPack", "Null",
    )  # fmt: skip
    headed = (
        "CSV", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "JSONCompactEachRow", "JSONCompactStringsEachRow"
    )  # fmt: skip
    return (
        dict.fromkeys(whole, _plain)
        | {f"{name}WithNames": _with_head(1) for name in headed}
        | {f"{name}WithNamesAndTypes": _with_head(2) for name in headed}
        | {"ArrowStream": joined_arrow}
    )


JOINERS = _joiners()
"""Formats that can be streamed, and how their parts become one."""
