"""
The collector as a process: started, watched, stopped without losing what it took.

The one rule: at the end no new connection is accepted, every request that came is answered, and only then Kafka is let
go of.
"""

import asyncio
import logging
import signal
import sys
from datetime import timedelta
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry

from pipeline.config import Settings
from pipeline.observability.health import Health
from pipeline.observability.logs import configure
from pipeline.observability.metrics import Metrics, process_metrics
from pipeline.observability.server import serve
from pipeline.producers.collector.courier import Courier
from pipeline.producers.collector.keys import KeysFileError, WriteKeys
from pipeline.producers.collector.service import Collector
from pipeline.producers.collector.stowing import Stowing
from pipeline.producers.spool import Spool, SpoolError

_LONGEST_TOLD: Final = 200
_CHECK_PAUSE_S: Final = 2.0
_DRAIN_MARGIN: Final = timedelta(seconds=5)

_log = logging.getLogger(__name__)


def run_collector(settings: Settings) -> int:
    """
    Run the collector until SIGTERM or SIGINT.

    Returns:
        The exit code: 0 after a clean stop, 1 where a port is taken, 2 where nobody could write.
    """
    configure(settings.observability)
    logging.getLogger("aiohttp.server").addFilter(_told_shortly)
    limits = settings.collector
    try:
        keys = WriteKeys(limits.write_keys, limits.keys_file, limits.events_per_second)
    except KeysFileError as error:
        return _refuse(str(error))
    if not keys:
        return _refuse(
            "there is no write key, so nobody could send anything; set "
            """THROUGHLINE_COLLECTOR__WRITE_KEYS='{"name": "key"}' or THROUGHLINE_COLLECTOR__KEYS_FILE"""
        )
    try:
        spool = Spool(limits.spool, limits.spool_max_bytes) if limits.spool is not None else None
    except SpoolError as error:
        return _refuse(str(error))
    try:
        return asyncio.run(_run(settings, keys, spool))
    except OSError as error:
        print(f"collect: cannot listen: {error}; choose another collector.host or collector.port", file=sys.stderr)  # noqa: T201 - as above
        return 1


def _told_shortly(record: logging.LogRecord) -> bool:
    """Tell of bytes that are no HTTP in one line: whoever sends them must not fill the log."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | ConnectionError):
        told = str(error).partition("\n")[0][:_LONGEST_TOLD]
        record.msg, record.args, record.exc_info = f"no HTTP request, refused: {told}", (), None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _refuse(why: str) -> int:
    print(f"collect: {why}", file=sys.stderr)  # noqa: T201 - the command's own error, before there is anything else
    return 2


async def _run(settings: Settings, keys: WriteKeys, spool: Spool | None) -> int:
    registry = CollectorRegistry()
    process_metrics(registry)
    metrics = Metrics(registry)
    health = Health(settings.observability.progress_timeout)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with serve(settings.observability, registry, health) as observed:
        courier = Stowing(Courier(settings.kafka, settings.collector.delivery_timeout), spool)
        limits = settings.collector
        drain = limits.delivery_timeout + _DRAIN_MARGIN
        collector = Collector(settings, keys, courier, metrics, health)
        runner = web.AppRunner(
            collector.application(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=limits.idle_timeout.total_seconds(),
            shutdown_timeout=drain.total_seconds(),
        )
        try:
            await runner.setup()
            site = web.TCPSite(runner, limits.host, limits.port, backlog=1024)
            await site.start()
            watch = asyncio.gather(
                _watch_kafka(courier, collector, health), _watch_keys(keys), courier.drain(health, metrics)
            )
            _log.info("the collector listens on %s, its metrics on %s", _address(runner), observed.url)
            health.ready()
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait((stopped, watch), return_when=asyncio.FIRST_COMPLETED)
            if not stopped.done():
                watch.result()  # it never ends but by a fault that nobody foresaw: better to be started anew
            _log.info("stopping: answering what came in")
            health.stopping()
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await site.stop()
        finally:
            await runner.cleanup()
            await asyncio.to_thread(courier.close)
    return 0


async def _watch_kafka(courier: Stowing, collector: Collector, health: Health) -> None:
    """
    Ask now and then whether Kafka answers: while it does not, requests are refused at once.

    Other brokers than before may have lost what the old ones confirmed (the embedded one keeps its log in memory), so
    nothing counts as seen any more.
    """
    known: str | None = None
    while True:
        name = await courier.broker_name()
        if name is None and courier.can_wait:
            health.hinder("kafka", "does not answer; events wait in the spool")
        elif name is None:
            health.block("kafka", "does not answer; try again later")
        else:
            health.unblock("kafka")
            if known is not None and name != known:
                collector.forget_seen()
            known = name
        health.sign("asked Kafka")
        await asyncio.sleep(_CHECK_PAUSE_S)


async def _watch_keys(keys: WriteKeys) -> None:
    """Take up the file of write keys when it changes; a faulty one is told, and the keys as they were go on."""
    while True:
        await asyncio.sleep(_CHECK_PAUSE_S)
        try:
            if keys.refresh():
                _log.info("the write keys have changed")
        except KeysFileError as error:
            _log.error("%s; the write keys stay as they were", error)


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"
