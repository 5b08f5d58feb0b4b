"""The small parts of the warehouse: the listing of a tree, Arrow streams, compression, passwords, the folder's lock."""

import io
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped] # it has neither types nor stubs
import pyarrow as pa
import pytest

from pipeline.embedded.folder import FolderInUse, FolderLock
from pipeline.embedded.warehouse.chunks import joined_arrow
from pipeline.embedded.warehouse.compression import Compressor, Decompressor, choose_encoding
from pipeline.embedded.warehouse.credentials import load_credentials
from pipeline.embedded.warehouse.faults import Fault
from pipeline.embedded.warehouse.tree import parse_tree

LISTING = [
    "SelectWithUnionQuery (children 1)",
    " ExpressionList (children 2)",
    "  Function file (alias x) (children 1)",
    "   Literal '(children 9)'",
    "  Identifier a.b",
    "",
]


def test_tree_of_a_listing() -> None:
    root = parse_tree(LISTING)
    assert [(node.kind, node.label) for node in root.walk()] == [
        ("SelectWithUnionQuery", ""),
        ("ExpressionList", ""),
        ("Function", "file"),
        ("Literal", "'(children 9)'"),
        ("Identifier", "a.b"),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        LISTING[:3],
        [*LISTING[:5], "Literal 1"],
        [LISTING[0], "ExpressionList (children 2)", *LISTING[2:]],
        [LISTING[0], LISTING[1], "  Identifier x", " Function y", *LISTING[3:]],
    ],
)
def test_listing_that_does_not_add_up_is_refused(lines: list[str]) -> None:
    with pytest.raises(Fault) as caught:
        parse_tree(lines)
    assert caught.value.code == 497


def _stream(*values: int) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"a": pa.array(values, pa.int64())})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        if values:
            writer.write_table(table)
    return sink.getvalue()


def test_arrow_streams_become_one() -> None:
    joined = b"".join(joined_arrow(iter([_stream(1, 2), _stream(), _stream(3)])))
    assert pa.ipc.open_stream(joined).read_all()["a"].to_pylist() == [1, 2, 3]
    assert pa.ipc.open_stream(b"".join(joined_arrow(iter([_stream()])))).read_all().num_rows == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4"])
def test_compression_is_undone_whatever_the_parts(encoding: str) -> None:
    data = bytes(range(256)) * 500
    compressor = Compressor(encoding)
    packed = b"".join([compressor.feed(data[:1000]), compressor.feed(data[1000:]), compressor.finish()]) * 2
    for step in (1, 7, len(packed)):
        decompressor = Decompressor(encoding)
        found = b"".join(decompressor.feed(packed[n : n + step]) for n in range(0, len(packed), step))
        decompressor.finish()
        assert found == data * 2
    cut = Decompressor(encoding)
    with pytest.raises(Fault):
        cut.feed(packed[:-3])
        cut.finish()


def test_lz4_of_other_writers_is_read() -> None:
    packed = lz4.frame.compress(b"x" * 10_000, content_checksum=True, block_linked=False, store_size=True)
    assert Decompressor("lz4").feed(packed) == b"x" * 10_000


def test_choice_of_an_encoding() -> None:
    assert choose_encoding("br, zstd;q=0.9, gzip") == "zstd"
    assert choose_encoding("gzip;q=0, identity") is None
    assert choose_encoding("") is None


def test_passwords_are_made_once(tmp_path: Path) -> None:
    made = load_credentials(tmp_path)
    assert load_credentials(tmp_path) == made
    assert made.user_of("analyst", made.analyst) == "analyst"
    for name, password in (("analyst", made.throughline), ("analyst", ""), ("nobody", ""), ("", "")):
        assert made.user_of(name, password) is None


def test_folder_is_for_one(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "new") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(FolderInUse, match="in use by process"), FolderLock(folder):
            pass
    with FolderLock(folder):
        pass
