"""The warehouse speaks ClickHouse's HTTP interface: requests, answers, faults, compression as ClickHouse has them."""

import gzip
import io
import json
import zlib
from collections.abc import Callable

import lz4.frame  # type: ignore[import-untyped] # it has neither types nor stubs
import pyarrow as pa
import pytest
import zstandard

from pipeline.config import ClickHouseSettings
from pipeline.embedded.warehouse.chunks import JOINERS
from tests.embedded.http import ask, query
from tests.embedded.servers import WarehouseServer

Coder = Callable[[bytes], bytes]


@pytest.fixture
def url(empty_database: ClickHouseSettings) -> str:
    return empty_database.url.get_secret_value()


@pytest.fixture
def table(url: str) -> str:
    assert query(url, "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a").status == 200
    return "t"


def test_ping_needs_no_password(warehouse: WarehouseServer) -> None:
    for path in ("/ping", "/replicas_status", "/"):
        reply = ask(warehouse.address + path, method="GET")
        assert (reply.status, reply.text) == (200, "Ok.\n")


def test_who_may_come_in(warehouse: WarehouseServer) -> None:
    assert ask(warehouse.address, "SELECT 1").status == 401
    assert ask(warehouse.address.replace("http://", "http://throughline:wrong@"), "SELECT 1").status == 403
    assert ask(warehouse.address.replace("http://", "http://default:@"), "SELECT 1").code == 516
    password = warehouse.url.split(":")[2].split("@")[0]
    by_header = {"X-ClickHouse-User": "throughline", "X-ClickHouse-Key": password}
    assert ask(warehouse.address, "SELECT 1", headers=by_header).text == "1\n"
    assert ask(warehouse.address, "SELECT 1", {"user": "throughline", "password": password}).text == "1\n"


def test_headers_of_an_answer(url: str) -> None:
    reply = query(url, "SELECT 1 AS a FORMAT JSONEachRow", query_id="my-query")
    assert reply.text == '{"a":1}\n'
    assert reply.headers["X-ClickHouse-Query-Id"] == "my-query"
    assert reply.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert reply.headers["X-ClickHouse-Timezone"].endswith("UTC")
    assert reply.headers["X-ClickHouse-Server-Display-Name"]
    assert reply.headers["Content-Type"].startswith("application/x-ndjson")
    assert "read_rows" in json.loads(reply.headers["X-ClickHouse-Summary"])


def test_headers_cannot_be_forged(url: str) -> None:
    assert query(url, "SELECT 1", query_id="a\r\nX-Evil: 1").code == 36
    assert query(url, "SELECT 1", default_format="CSV\r\nX-Evil: 1").code == 36


def test_format_by_parameter_and_by_clause(url: str) -> None:
    assert query(url, "SELECT 1 AS a", default_format="JSONEachRow").text == '{"a":1}\n'
    assert query(url, "SELECT 1 AS a FORMAT CSV", default_format="JSONEachRow").text == "1\n"
    document = json.loads(query(url, "SELECT number FROM numbers(200000) FORMAT JSON").body)
    assert (document["rows"], document["data"][-1]) == (200000, {"number": 199999})


@pytest.mark.parametrize("form", sorted(JOINERS))
def test_streamed_answer_is_the_whole_one(url: str, form: str) -> None:
    statement = (
        'SELECT number AS `a "b\nc"`, toString(number % 9) AS s FROM numbers({rows}) '
        "SETTINGS max_block_size = 1000 FORMAT {form}"
    )
    for rows in (0, 3, 20_000):
        streamed = query(url, statement.format(rows=rows, form=form))
        whole = query(url, statement.format(rows=rows, form=form), wait_end_of_query="1")
        assert streamed.status == whole.status == 200
        if form in ("Native", "ArrowStream"):  # blocks may be cut elsewhere
            assert _rows(form, streamed.body) == _rows(form, whole.body) == rows
        else:
            assert streamed.body == whole.body


def _rows(form: str, body: bytes) -> int:
    if form == "ArrowStream":
        return int(pa.ipc.open_stream(body).read_all().num_rows)
    found = 0
    source = io.BytesIO(body)
    while source.tell() < len(body):
        columns, rows = _varint(source), _varint(source)
        assert (columns, _text(source), _text(source)) == (2, 'a "b\nc"', "UInt64")
        source.seek(8 * rows, io.SEEK_CUR)
        assert (_text(source), _text(source)) == ("s", "String")
        for _ in range(rows):
            _text(source)
        found += rows
    return found


def _varint(source: io.BytesIO) -> int:
    value = shift = 0
    while (byte := source.read(1)[0]) & 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
    return value | byte << shift


def _text(source: io.BytesIO) -> str:
    return source.read(_varint(source)).decode()


def test_query_in_the_address_and_continued_in_the_body(url: str) -> None:
    assert ask(url, "+ 2", {"query": "SELECT 1"}).text == "3\n"
    assert ask(url, fields={"query": "SELECT 5"}, method="GET").text == "5\n"


@pytest.mark.parametrize("statement", ["CREATE TABLE x (a Int8) ENGINE = Memory", "INSERT INTO t VALUES (1, 'x')"])
def test_get_is_for_reading(url: str, table: str, statement: str) -> None:
    reply = ask(url, fields={"query": statement}, method="GET")
    assert (reply.status, reply.code) == (500, 164)
    assert query(url, f"SELECT count() FROM {table}").text == "0\n"


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("SELECT", 400, 62),
        ("SELECT 1; SELECT 2", 400, 62),
        ("CREATE TABLE x (a Int8) ENGINE = Memory; SELECT 1", 400, 62),
        ("SELECT * FROM nowhere", 404, 60),
        ("SELECT nothing", 404, 47),
        ("SELECT noSuchFunction(1)", 404, 46),
        ("SELECT 1 FORMAT Nothing", 404, 73),
        ("SELECT 1 SETTINGS nothing = 1", 404, 115),
        ("SELECT toUInt8('x')", 400, 6),
        ("SELECT throwIf(1)", 500, 395),
        ("SELECT count() FROM numbers(1000000000000) SETTINGS max_execution_time = 0.2", 408, 159),
        ("SELECT groupArray(number) FROM numbers(100000000) SETTINGS max_memory_usage = 10000000", 500, 241),
    ],
)
def test_faults_as_clickhouse_tells_them(url: str, statement: str, status: int, code: int) -> None:
    reply = query(url, statement)
    assert (reply.status, reply.code) == (status, code), reply.text
    assert reply.text.startswith(f"Code: {code}. DB::Exception: ")
    assert query(url, "EXISTS TABLE x").text == "0\n"


def test_unknown_database(warehouse: WarehouseServer) -> None:
    assert query(f"{warehouse.url}/nowhere", "SELECT 1").code == 81


def test_parameters_of_queries(url: str) -> None:
    reply = ask(url, "SELECT {a:UInt8} + 1, {b:String}, {c:Array(String)}[2]",
                {"param_a": "41", "param_b": r"x\ty\\z'", "param_c": "['p','q']"})  # fmt: skip
    assert reply.text == "42\tx\\ty\\\\z\\'\tq\n"
    assert query(url, "SELECT {a:UInt8}").code == 456


def test_identifier_parameters_of_an_insert(url: str, table: str) -> None:
    assert query(url, "INSERT INTO {t:Identifier} (a) VALUES (1), (2)", param_t=table).status == 200
    assert query(url, "SELECT count() FROM {t:Identifier}", param_t=table).text == "2\n"


def test_settings_hold_for_one_request(url: str) -> None:
    for _ in range(15):
        assert query(
            url, "SELECT getSetting('max_threads'), toUInt8(getSetting('async_insert'))", max_threads="1"
        ).text == ("1\t0\n")
        assert query(url, "SELECT getSetting('max_threads') = 1").text == "0\n"
        assert query(url, "SET max_threads = 1").status == 200
    assert query(url, "SELECT 1", no_such_setting="1").status == 404


def test_temporary_tables_go_with_their_request(url: str) -> None:
    for _ in range(12):
        assert query(url, "CREATE TEMPORARY TABLE passing (a Int8)").status == 200
        assert query(url, "SELECT * FROM passing").code == 60


def _form(parts: dict[str, tuple[str | None, bytes]]) -> tuple[bytes, dict[str, str]]:
    body = b""
    for name, (file, data) in parts.items():
        said = f'form-data; name="{name}"' + (f'; filename="{file}"' if file else "")
        body += f"--edge\r\nContent-Disposition: {said}\r\n\r\n".encode() + data + b"\r\n"
    return body + b"--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"}


def test_external_tables_in_a_form(url: str) -> None:
    body, headers = _form({"keys": ("keys", b"1\tx\n2\ty\n"), "other": ("other", b'{"n": 3}')})
    fields = {
        "query": "SELECT sum(a), groupConcat(b), (SELECT n FROM other) FROM keys",
        "keys_structure": "a UInt8, b String",
        "other_structure": "n UInt8",
        "other_format": "JSONEachRow",
    }
    for _ in range(12):
        assert ask(url, body, fields, headers).text == "3\txy\t3\n"
    body, headers = _form({"keys": ("keys", b"1\tx\n")})
    assert ask(url, body, {"query": "SELECT _2 FROM keys", "keys_types": "UInt8,String"}, headers).text == "x\n"
    assert ask(url, body, {"query": "SELECT 1 FROM keys"}, headers).code == 36
    broken = {"query": "SELECT 1 FROM keys", "keys_structure": "a UInt8) ENGINE = Memory; DROP TABLE t; --"}
    assert ask(url, body, broken, headers).code == 62
    assert ask(url, body, {"query": "SELECT 1 FROM keys", "keys_structure": "a UInt8, b UInt8"}, headers).status == 400
    assert query(url, "SELECT * FROM keys").code == 60


def test_query_and_parameters_in_a_form(url: str) -> None:
    body, headers = _form({"query": (None, b"SELECT {x:UInt8} + 1"), "param_x": (None, b"6")})
    assert ask(url, body, headers=headers).text == "7\n"


def test_inserts_in_many_formats(url: str, table: str) -> None:
    for head, data in (
        ("INSERT INTO t VALUES", b"(1, 'a;b'), (2, 'FORMAT CSV')"),
        ("INSERT INTO t (a, b) FORMAT CSV\n", b"3,c\n4,d\n"),
        ("insert into t format JSONEachRow ", b'{"a": 5, "b": "e"}\n{"a": 6}'),
        ("/* why */ INSERT INTO t (b, a) FORMAT TabSeparated\n", b"x\t7\ny\t8\n"),
    ):
        assert ask(url, head.encode() + data).status == 200
        assert ask(url, data, {"query": head}).status == 200
    reply = ask(url, "INSERT INTO t VALUES (9, 'z')")
    assert json.loads(reply.headers["X-ClickHouse-Summary"])["written_rows"] == "1"
    assert query(url, "INSERT INTO t SELECT a + 10, b FROM t").status == 200
    assert query(url, "SELECT count(), uniqExact(a) FROM t").text == "34\t18\n"
    assert query(url, "SELECT b FROM t WHERE a = 1 LIMIT 1").text == "a;b\n"


def test_insert_of_bad_data_says_so_and_stores_nothing(url: str, table: str) -> None:
    reply = ask(url, "INSERT INTO t (a) FORMAT CSV\n1\nx\n")
    assert (reply.status, reply.code) == (400, 117), reply.text
    assert ask(url, "INSERT INTO t (nope) FORMAT CSV\n1\n").code == 16
    assert ask(url, "INSERT INTO nowhere FORMAT CSV\n1\n").code == 60
    assert query(url, "SELECT count() FROM t").text == "0\n"


def test_insert_with_settings(url: str, table: str) -> None:
    assert ask(url, "INSERT INTO t (a) SETTINGS max_threads = 1, async_insert = 0 FORMAT CSV\n1\n").status == 200
    assert ask(url, "INSERT INTO t (a) SETTINGS no_such_setting = 1 VALUES (1)").code == 115
    assert query(url, "SELECT count() FROM t").text == "1\n"


def test_what_is_acknowledged_is_stored_when_memory_ends_anywhere(url: str) -> None:
    """The engine's streamed insert acknowledges and loses rows when the memory ends in the last step of writing."""
    columns = ", ".join(f"c{n} String" for n in range(40))
    assert query(url, f"CREATE TABLE wide (a UInt64, {columns}) ENGINE = MergeTree ORDER BY a").status == 200
    row = "," + ",".join("0123456789" for _ in range(40))
    body = ("INSERT INTO wide FORMAT CSV\n" + "".join(f"{n}{row}\n" for n in range(30_000))).encode()
    outcomes = set()
    for limit in range(10_000_000, 350_000_000, 40_000_000):
        status = ask(url, body, {"max_memory_usage": str(limit)}).status
        outcomes.add(status)
        assert query(url, "SELECT count() FROM wide").text == ("30000\n" if status == 200 else "0\n")
        assert query(url, "TRUNCATE TABLE wide").status == 200
    assert outcomes == {200, 500}


def test_insert_whose_sender_goes_away_stores_nothing(url: str, table: str) -> None:
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.putrequest("POST", f"{parts.path}?user={parts.username}&password={parts.password}")
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    connection.send(b"INSERT INTO t (a) FORMAT CSV\n" + b"1\n" * 300_000)
    connection.close()
    assert query(url, "SELECT count() FROM t").text == "0\n"


CODERS: dict[str, tuple[Coder, Coder]] = {
    "gzip": (gzip.compress, gzip.decompress),
    "deflate": (zlib.compress, zlib.decompress),
    "zstd": (zstandard.compress, lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    "lz4": (lz4.frame.compress, lz4.frame.decompress),
}


@pytest.mark.parametrize("encoding", CODERS)
def test_compression_both_ways(url: str, table: str, encoding: str) -> None:
    compress, decompress = CODERS[encoding]
    rows = b"".join(b"%d,row %d\n" % (n, n) for n in range(100_000))
    sent = {"Content-Encoding": encoding}
    # As two frames, one after the other, as clients write block by block.
    half = rows.index(b"\n50000,") + 1
    body = compress(rows[:half]) + compress(rows[half:])
    assert ask(url, body, {"query": "INSERT INTO t FORMAT CSV"}, sent).status == 200
    assert ask(url, compress(b"INSERT INTO t VALUES (1, 'x')"), headers=sent).status == 200
    reply = ask(url, "SELECT a, b FROM t ORDER BY a, b FORMAT CSV", headers={"Accept-Encoding": f"x, {encoding};q=1"})
    assert reply.headers["Content-Encoding"] == encoding
    assert decompress(reply.body).count(b"\n") == 100_001
    plain = ask(url, "SELECT 1", {"enable_http_compression": "0"}, {"Accept-Encoding": encoding})
    assert (plain.headers.get("Content-Encoding"), plain.text) == (None, "1\n")
    cut = ask(url, compress(rows)[:-9], {"query": "INSERT INTO t FORMAT CSV"}, sent)
    assert cut.status == 400
    assert query(url, "SELECT count() FROM t").text == "100001\n"


def test_what_is_not_compressed_as_said_is_refused(url: str) -> None:
    assert ask(url, b"SELECT 1", headers={"Content-Encoding": "zstd"}).status == 400
    assert ask(url, b"SELECT 1", headers={"Content-Encoding": "snappy"}).code == 89
    assert ask(url, b"SELECT 1", {"compress": "1"}).code == 48


def test_late_fault_breaks_the_answer_off(url: str) -> None:
    import http.client

    statement = "SELECT throwIf(number = 3000000, 'late'), repeat('x', 9) FROM numbers(10000000)"
    with pytest.raises((http.client.IncompleteRead, ConnectionError)) as caught:
        query(url, statement)
    partial = getattr(caught.value, "partial", b"late")
    assert b"late" in partial[-400:]
    assert query(url, statement, wait_end_of_query="1").code == 395
    assert query(url, "SELECT 1").text == "1\n"


def test_failed_query_leaves_nothing_for_the_next(url: str) -> None:
    """The engine keeps the rows that a failed query had made, and would answer the next one with them."""
    for _ in range(5):
        failing = "SELECT throwIf(number = 300000), 'private' FROM numbers(1000000) SETTINGS max_block_size = 1000"
        for form in ("TSV", "JSON", "CSVWithNames"):
            assert query(url, f"{failing} FORMAT {form}", wait_end_of_query="1").code == 395
            assert query(url, "SELECT 1").text == "1\n"


def test_null_format_and_empty_results(url: str, table: str) -> None:
    assert query(url, "SELECT * FROM t").body == b""
    assert query(url, "SELECT 1 FORMAT Null").body == b""
    assert json.loads(query(url, "SELECT * FROM t FORMAT JSONCompact").body)["rows"] == 0
    assert query(url, "SELECT * FROM t FORMAT CSVWithNames").text == '"a","b"\n'
