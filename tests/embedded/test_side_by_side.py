"""Readers beside a writer, large answers, answers nobody waits for: nobody keeps the others waiting."""

import http.client
import os
import re
import statistics
import threading
import time
from urllib.parse import urlsplit

import psutil
import pytest

from pipeline.config import ClickHouseSettings
from tests.embedded.http import ask, query
from tests.embedded.servers import WarehouseServer

# TRAPS: one connection per thread reads in 20 ms beside a writer; one shared by all in 478 ms.
BESIDE_A_WRITER_S = 0.25


@pytest.fixture
def url(empty_database: ClickHouseSettings) -> str:
    url = empty_database.url.get_secret_value()
    columns = "a UInt64, b String"
    assert query(url, f"CREATE TABLE t ({columns}) ENGINE = MergeTree ORDER BY a").status == 200
    assert query(url, "INSERT INTO t SELECT number, toString(number) FROM numbers(200000)").status == 200
    return url


def test_small_reads_beside_a_writer(url: str) -> None:
    block = b"INSERT INTO t FORMAT CSV\n" + b"".join(b"%d,row %d\n" % (n, n) for n in range(200_000))
    is_over = threading.Event()
    written: list[int] = []

    def write() -> None:
        while not is_over.is_set():
            written.append(ask(url, block).status)

    writer = threading.Thread(target=write)
    writer.start()
    took: list[float] = []
    while len(took) < 60:
        started = time.perf_counter()
        assert query(url, f"SELECT b FROM t WHERE a = {len(took)} LIMIT 1").status == 200
        took.append(time.perf_counter() - started)
    is_over.set()
    writer.join()
    assert written.count(200) >= 2
    assert statistics.median(took) < BESIDE_A_WRITER_S


def test_long_queries_of_people_do_not_block_the_pipeline(warehouse: WarehouseServer, url: str) -> None:
    outside = warehouse.analyst_url
    long = "SELECT count() FROM system.numbers WHERE number % 7 = 9 SETTINGS max_execution_time = 3, max_threads = 1"
    threads = [threading.Thread(target=query, args=(outside, long)) for _ in range(12)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    started = time.perf_counter()
    assert query(url, "SELECT b FROM t WHERE a = 7 LIMIT 1").text == "7\n"
    assert time.perf_counter() - started < 2
    for thread in threads:
        thread.join()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core leaves nothing to share out")
def test_queries_of_people_use_more_than_one_core(warehouse: WarehouseServer, url: str) -> None:
    """Theirs are shared out over the cores; the pipeline's keep one each, and its memory."""
    plan = "EXPLAIN PIPELINE SELECT sum(cityHash64(number)) FROM system.numbers_mt"
    assert re.search(r"AggregatingTransform × [2-9]", query(warehouse.analyst_url, plan).text)
    assert re.search(r"AggregatingTransform\n", query(url, plan).text)


def test_large_answer_flows_through(warehouse: WarehouseServer, url: str) -> None:
    """400 MB come through a process that grows far less: parts are sent as they are made."""
    process = psutil.Process(warehouse.pid)
    before = process.memory_info().rss
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    address = f"{parts.path}?user={parts.username}&password={parts.password}"
    connection.request("POST", address, "SELECT repeat('x', 99) FROM numbers(4000000) FORMAT TSV")
    answer = connection.getresponse()
    size, peak = 0, 0
    while piece := answer.read(1 << 20):
        size += len(piece)
        peak = max(peak, process.memory_info().rss)
    connection.close()
    assert size == 400_000_000
    assert peak - before < 200_000_000


def test_abandoned_answer_ends_its_query(url: str) -> None:
    parts = urlsplit(url)
    marker = "abandoned_answer_marker"
    for _ in range(12):  # more than there are lanes
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        address = f"{parts.path}?user={parts.username}&password={parts.password}"
        connection.request(
            "POST", address, f"SELECT number AS {marker}, repeat('x', 99) FROM system.numbers FORMAT TSV"
        )
        assert connection.getresponse().read(1000)
        connection.close()
    running = (
        f"SELECT count() FROM system.processes WHERE query LIKE '%{marker}%' AND query NOT LIKE '%system.processes%'"
    )
    deadline = time.monotonic() + 20
    while query(url, running).text != "0\n":
        assert time.monotonic() < deadline, "queries go on though nobody listens"
        time.sleep(0.1)
