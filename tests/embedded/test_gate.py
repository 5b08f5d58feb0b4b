"""Nothing that reaches out of the database passes from outside, however it is dressed; plain questions do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.embedded.http import ask, query
from tests.embedded.servers import WarehouseServer

SECRET = "the-secret-of-the-house"


@dataclass(frozen=True)
class House:
    """A warehouse with one table, and a file beside it that nobody may read."""

    url: str
    outside: str
    secret: Path
    target: Path


@pytest.fixture(scope="module")
def house(warehouse: WarehouseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("outside")
    secret = folder / "secret.csv"
    secret.write_text(SECRET + "\n")
    url = f"{warehouse.url}/gate"
    for statement in (
        "CREATE DATABASE gate",
        "CREATE TABLE t (a UInt64, b String, url String) ENGINE = MergeTree ORDER BY a",
        "INSERT INTO t VALUES (1, 'one', 'u'), (2, 'two', 'v')",
        "CREATE VIEW v AS SELECT a, b FROM t",
    ):
        reply = query(url if "DATABASE" not in statement else warehouse.url, statement)
        assert reply.status == 200, reply.text
    yield House(url, f"{warehouse.analyst_url}/gate", secret, folder / "target")
    assert query(url, "SELECT count() FROM t").text == "2\n", "an attack changed the table"
    assert not (folder / "target").exists(), "an attack wrote a file"
    assert query(warehouse.url, "DROP DATABASE gate SYNC").status == 200


# {file}: a file that must not be read; {target}: one that must not be written.
ATTACKS = [
    # table functions, plainly and in every place where a query may stand
    "SELECT * FROM file('{file}', LineAsString)",
    "SELECT * FROM fIlE('{file}', LineAsString)",
    "SELECT * FROM `file`('{file}', LineAsString)",
    "SELECT * FROM \"file\"('{file}', LineAsString)",
    "SELECT * FROM/**/file/**/('{file}', LineAsString)",
    "SELECT * FROM file($$" + "{file}" + "$$, LineAsString)",
    "FROM file('{file}', LineAsString) SELECT *",
    "SELECT (SELECT any(line) FROM file('{file}', LineAsString))",
    "SELECT a IN (SELECT 1 FROM file('{file}', LineAsString)) FROM t",
    "SELECT * FROM t WHERE b IN (SELECT line FROM file('{file}', LineAsString))",
    "WITH x AS (SELECT * FROM file('{file}', LineAsString)) SELECT * FROM x",
    "WITH (SELECT any(line) FROM file('{file}', LineAsString)) AS x SELECT x",
    "WITH RECURSIVE x AS (SELECT line FROM file('{file}', LineAsString)) SELECT * FROM x",
    "SELECT * FROM t AS x JOIN file('{file}', LineAsString) AS y ON 1 = 1",
    "SELECT * FROM (SELECT 1 UNION ALL SELECT length(line) FROM file('{file}', LineAsString))",
    "SELECT 1 EXCEPT SELECT length(line) FROM file('{file}', LineAsString)",
    "SELECT * FROM view(SELECT * FROM file('{file}', LineAsString))",
    "SELECT * FROM t ORDER BY (SELECT count() FROM file('{file}', LineAsString))",
    "SELECT * FROM t LIMIT (SELECT count() FROM file('{file}', LineAsString))",
    "DESCRIBE TABLE file('{file}', LineAsString)",
    "DESCRIBE (SELECT * FROM file('{file}', LineAsString))",
    "EXPLAIN SELECT * FROM file('{file}', LineAsString)",
    "EXPLAIN AST SELECT * FROM file('{file}', LineAsString)",
    "EXPLAIN PLAN actions = 1 SELECT * FROM file('{file}', LineAsString)",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM file('{file}', LineAsString)))",
    "SELECT * FROM fileCluster('default', '{file}', LineAsString)",
    "SELECT * FROM url('http://127.0.0.1:9/x', LineAsString)",
    "SELECT * FROM urlCluster('default', 'http://127.0.0.1:9/x', LineAsString)",
    "SELECT * FROM s3('http://127.0.0.1:9/x', 'CSV')",
    "SELECT * FROM remote('127.0.0.1:9', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1:9', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM mysql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('127.0.0.1:9', 'd', 't', 'u', 'p')",
    "SELECT * FROM sqlite('{file}', 't')",
    "SELECT * FROM executable('cat {file}', LineAsString, 'x String')",
    'SELECT * FROM python(\'__import__("os").system("id")\')',
    "SELECT * FROM filesystem('/')",
    "SELECT * FROM merge('gate', '.*')",
    "SELECT * FROM loop(file('{file}', LineAsString))",
    "SELECT * FROM numbers(10)",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM jdbc('x', 'y')",
    "SELECT * FROM input('a String')",
    "SELECT * FROM fuzzQuery('SELECT 1')",
    "SELECT * FROM format('CSV', '1')",
    "SELECT * FROM VALUES('a Int8', 1)",
    # files by name of a table
    "SELECT * FROM '{file}'",
    "SELECT * FROM `{file}`",
    "SELECT * FROM default.`{file}`",
    'SELECT * FROM "default"."{file}"',
    "SELECT * FROM default.`secret.csv`",
    "DESCRIBE TABLE default.`{file}`",
    "SELECT * FROM t WHERE b IN default.`{file}`",
    # functions that reach out
    "SELECT file('{file}')",
    "SELECT FILE('{file}')",
    "SELECT `file`('{file}')",
    "SELECT arrayMap(x -> file(x), ['{file}'])",
    "SELECT * APPLY(file) FROM (SELECT '{file}' AS x)",
    "SELECT * APPLY file FROM (SELECT '{file}' AS x)",
    "SELECT * APPLY `file` FROM (SELECT '{file}' AS x)",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT '{file}' AS x)",
    "SELECT * APPLY(x -> (SELECT any(line) FROM file('{file}', LineAsString))) FROM t",
    "SELECT COLUMNS('.*') APPLY(toString) APPLY(file) FROM (SELECT '{file}' AS x)",
    "SELECT * REPLACE(file('{file}') AS a) FROM t",
    "SELECT a FROM t WHERE file('{file}') != ''",
    "SELECT a FROM t GROUP BY a HAVING file('{file}') != ''",
    "SELECT sum(a) OVER (PARTITION BY file('{file}')) FROM t",
    "SELECT a FROM t ORDER BY a WITH FILL INTERPOLATE (b AS file('{file}'))",
    "SELECT dictGet('d', 'x', 1)",
    "SELECT joinGet('gate.t', 'b', 1)",
    "SELECT hasColumnInTable('default', '{file}', 'x')",
    "SELECT sleep(3)",
    "SELECT sleepEachRow(1) FROM t",
    "SELECT showCertificate()",
    "SELECT AIGenerate('x')",
    "SELECT addressToLine(1)",
    "SELECT catboostEvaluate('{file}', 1)",
    "SELECT regionToName(1)",
    "SELECT getMacro('x')",
    # conditions of SHOW are not in the tree
    "SHOW TABLES WHERE file('{file}') != ''",
    "SHOW TABLES FROM gate WHERE name IN (SELECT line FROM file('{file}', LineAsString))",
    "SHOW COLUMNS FROM t WHERE file('{file}') != ''",
    # writing files
    "SELECT * FROM t INTO OUTFILE '{target}'",
    "SELECT * FROM t INTO/**/OUTFILE '{target}' FORMAT CSV",
    "SELECT * FROM t INTO OUTFILE '{target}' APPEND",
    "SELECT * FROM t INTO OUTFILE '{target}' AND STDOUT",
    "SELECT * FROM t INTO OUTFILE '{target}' COMPRESSION 'gzip' FORMAT Native",
    "SHOW TABLES INTO OUTFILE '{target}'",
    "DESCRIBE t INTO OUTFILE '{target}'",
    "EXPLAIN SELECT 1 INTO OUTFILE '{target}'",
    # changing anything
    "INSERT INTO t VALUES (3, 'x', 'y')",
    "INSERT INTO t SELECT 3, 'x', 'y'",
    "INSERT INTO FUNCTION file('{target}', 'CSV', 'a Int8') VALUES (1)",
    "WITH 3 AS x INSERT INTO t SELECT x, 'x', 'y'",
    "CREATE TABLE x (a Int8) ENGINE = Memory",
    "CREATE TABLE x ENGINE = Memory AS SELECT 1",
    "CREATE TABLE x (line String) ENGINE = File(LineAsString, '{file}')",
    "CREATE TEMPORARY TABLE x (line String)",
    "CREATE OR REPLACE VIEW v AS SELECT 1",
    "CREATE DATABASE x ENGINE = Filesystem('/')",
    "CREATE FUNCTION f AS x -> file(x)",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(FILE(path '{file}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)",
    "CREATE NAMED COLLECTION c AS a = 1",
    "CREATE USER u",
    "DROP TABLE t",
    "DROP DATABASE gate",
    "TRUNCATE TABLE t",
    "DETACH TABLE t",
    "RENAME TABLE t TO u",
    "EXCHANGE TABLES t AND v",
    "ALTER TABLE t DELETE WHERE 1",
    "ALTER TABLE t UPDATE b = 'x' WHERE 1",
    "DELETE FROM t WHERE 1",
    "UPDATE t SET b = 'x' WHERE 1",
    "OPTIMIZE TABLE t FINAL",
    "BACKUP TABLE t TO File('{target}')",
    "RESTORE TABLE t FROM File('{target}')",
    "ATTACH TABLE x FROM '{file}' (line String) ENGINE = File(LineAsString)",
    "SYSTEM SHUTDOWN",
    "SYSTEM FLUSH LOGS",
    "SYSTEM STOP MERGES",
    "KILL QUERY WHERE 1",
    "GRANT ALL ON *.* TO default",
    "SET max_threads = 1",
    "SET readonly = 0",
    "USE system",
    "CHECK TABLE t",
    "DROP TABLE t PARALLEL WITH DROP VIEW v",
    "SELECT 1 PARALLEL WITH DROP TABLE t",
    "EXECUTE AS default SELECT 1",
    "BEGIN TRANSACTION",
    "COPY t TO '{target}'",
    # several statements
    "SELECT 1; DROP TABLE t",
    "SELECT 1;\n;DROP TABLE t",
    "SELECT ';'; DROP TABLE t",
    "SELECT 1 -- \n; DROP TABLE t",
    "SELECT 1 /* ; */ ; DROP TABLE t",
    "SELECT 1 FORMAT CSV; DROP TABLE t",
    "SELECT $$;$$; DROP TABLE t",
    # settings
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT 1 SETTINGS max_execution_time = 100000",
    "SELECT 1 SETTINGS max_memory_usage = 0",
    "SELECT 1 SETTINGS max_memory_usage = 100000000000",
    "SELECT * FROM t SETTINGS additional_table_filters = {{'t': 'file(\\'{file}\\') != \\'\\''}}",
    "SELECT * FROM t SETTINGS additional_result_filter = 'file(\\'{file}\\') != \\'\\''",
    "SELECT 1 SETTINGS max_threads = 1, readonly = 0",
    "SELECT * FROM (SELECT 1 SETTINGS readonly = 0)",
    "SELECT 1 FORMAT CSV SETTINGS readonly = 0",
    "SELECT 1 SETTINGS format_schema = '{file}'",
    "SELECT 1 SETTINGS output_format_schema = '{target}' FORMAT CapnProto",
    "SELECT 1 SETTINGS format_template_row = '{file}' FORMAT Template",
    "SELECT 1 SETTINGS allow_introspection_functions = 1",
    "SELECT 1 SETTINGS send_logs_level = 'trace'",
    # names made to look like lines of a tree, and names given by parameters
    "SELECT 1 AS `x (children 1)\n   Literal UInt64_1` FROM t",
    "SELECT `a (children 0)` FROM t",
    "SELECT * FROM {{name:Identifier}}",
    "SELECT * FROM default.{{name:Identifier}}",
    "SELECT * FROM {{`name`:`Identifier`}}",
    # the engine's own
    "SELECT * FROM system.stack_trace",
    "SELECT 1 IN system.stack_trace",
    "SELECT * FROM system.certificates",
    "",
    ";",
    "-- nothing",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "nonsense",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_refused(house: House, attack: str) -> None:
    statement = attack.replace("{{", "{").replace("}}", "}")
    statement = statement.replace("{file}", str(house.secret)).replace("{target}", str(house.target))
    reply = query(house.outside, statement, param_name=str(house.secret))
    assert reply.status != 200, reply.text
    assert reply.code in (36, 46, 47, 60, 62, 73, 164, 497, 167, 306), reply.text
    assert SECRET not in reply.text
    assert not house.target.exists()


QUESTIONS = [
    "SELECT 1",
    "select a, b from t order by a limit 1",
    "SELECT count() FROM v",
    "SELECT url, upper(url) FROM gate.t",
    "SELECT t.*, v.b FROM t JOIN v USING (a)",
    "SELECT * FROM t SETTINGS max_threads = 1, max_block_size = 100",
    "WITH x AS (SELECT a FROM t) SELECT sum(a) FROM x",
    "SELECT arrayJoin([1, 2, 3]) AS n, n IN (1, 2)",
    "SELECT a, row_number() OVER (ORDER BY a) FROM t",
    "SELECT a FROM t ORDER BY a WITH FILL FROM 1 TO 5",
    "SELECT * EXCEPT (b) FROM t",
    "SELECT * APPLY(toString) FROM t",
    "SELECT COLUMNS('a|b') FROM t",
    "SELECT * REPLACE (a + 1 AS a) FROM t",
    "SELECT a FROM t UNION ALL SELECT 3",
    "SELECT a FROM t INTERSECT SELECT 1",
    "SELECT a, groupArray(b) FROM t GROUP BY a WITH TOTALS",
    "SELECT if(a = 1, 'x', NULL), CAST(a AS Nullable(String)), a::Float64 FROM t",
    "SELECT map('a', 1)['a'], tuple(1, 2).1, [1, 2][1]",
    "SELECT toStartOfMonth(now()), formatDateTime(now(), '%Y')",
    "SELECT format('{} {}', 'a', b) FROM t",
    "SELECT a FROM t WHERE b = ';' OR b = '--' OR b LIKE '%file(%'",
    "SELECT 'SELECT * FROM file(\\'/x\\')' AS text",
    "SELECT 1 FORMAT JSON",
    "SELECT 1 SETTINGS max_threads = 1 FORMAT CSV",
    "SELECT 1 SETTINGS max_execution_time = 5, join_use_nulls = 1",
    "SELECT {x:UInt8} + 1",
    "SELECT a FROM t WHERE a IN {xs:Array(UInt64)}",
    "SHOW TABLES",
    "SHOW TABLES LIKE 't%'",
    "SHOW DATABASES",
    "SHOW CREATE TABLE t",
    "SHOW COLUMNS FROM t",
    "DESCRIBE TABLE t",
    "DESCRIBE (SELECT a FROM t)",
    "EXISTS TABLE t",
    "EXPLAIN SELECT * FROM t",
    "EXPLAIN SYNTAX SELECT * FROM t",
    "EXPLAIN PIPELINE SELECT * FROM t",
    "SELECT name, comment FROM system.columns WHERE table = 't'",
    "SELECT name FROM system.tables WHERE database = currentDatabase()",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'gate'",
    "SELECT name, value FROM system.settings WHERE name = 'max_threads'",
    "SELECT 1;",
    "/* a comment */ SELECT 1 -- another",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_plain_question_is_answered(house: House, question: str) -> None:
    reply = query(house.outside, question, param_x="1", param_xs="[1,2]")
    assert reply.status == 200, reply.text


def test_outside_may_not_bring_tables_or_settings(house: House) -> None:
    assert query(house.outside, "SELECT 1", readonly="0").status == 200  # said to HTTP, never to the engine
    for name, value in (("max_memory_usage", "0"), ("format_schema", str(house.secret)), ("allow_ddl", "1")):
        assert query(house.outside, "SELECT 1", **{name: value}).code == 164
    form = (
        b'--x\r\nContent-Disposition: form-data; name="k"; filename="k"\r\n\r\n1\n\r\n--x--\r\n',
        {"Content-Type": "multipart/form-data; boundary=x"},
    )
    fields = {"query": "SELECT * FROM k", "k_structure": "a UInt8 DEFAULT length(file('/etc/passwd'))"}
    assert ask(house.outside, form[0], fields, form[1]).code == 497


def test_what_outside_sets_stays_in_its_request(house: House) -> None:
    for _ in range(20):
        assert query(house.outside, "SELECT getSetting('max_threads')", max_threads="7").text == "7\n"
        assert query(house.outside, "SELECT getSetting('max_threads') = 7").text == "0\n"


def test_lists_were_made_for_this_engine(house: House) -> None:
    """A new engine version has new functions: read them, extend `allowed.py`, then name the version there."""
    from pipeline.embedded.warehouse.allowed import FUNCTIONS_READ_OF_VERSION

    assert query(house.url, "SELECT version()").text.strip() == FUNCTIONS_READ_OF_VERSION
