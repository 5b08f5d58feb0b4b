"""
Making the results of a past time: the same stitching over the facts that had been received by then.

Nothing of it is told to anybody: no journeys are published, and the ledger is the one that was kept at the time. A
database that could not be finished is removed again.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote, urlsplit

import polars as pl
from pydantic import SecretStr

from pipeline.config import ClickHouseSettings, Settings
from pipeline.streaming.making import Making
from pipeline.streaming.stitcher import StitchRulesOf, stitch_batch
from pipeline.warehouse.connection import connect
from pipeline.warehouse.past import Past, Pasts
from pipeline.warehouse.results import StitchStore
from pipeline.warehouse.rules import Progress, RulesBook, State
from pipeline.warehouse.rules_document import settings_of
from pipeline.warehouse.rules_making import MakingStore


def make_past(settings: Settings, at: datetime, told: Callable[[Progress], None]) -> Past:
    """
    Make the database of a past time, facts, results and views.

    The rules are those whose results the views showed at the time.

    Args:
        settings: All settings, with the database that holds everything.
        at: The time, of which milliseconds count.
        told: Called after each range of identifiers.

    Returns:
        What was made.

    Raises:
        RulesUnreadable: If another version of the program recorded the rules of the time.
        WarehouseUnavailable: Nothing is left of it; do it again.
    """
    client = connect(settings.clickhouse)
    pasts = Pasts(client)
    number = pasts.active_rules(at)
    version = RulesBook(client).version(number)
    chosen = settings_of(version.document, settings) if version is not None and version.document else settings
    chosen = chosen.model_copy(update={"stitching": chosen.stitching.model_copy(update={"rules_version": number})})
    past = pasts.of(at)
    try:
        pasts.begin(past)
        _make_results(chosen.model_copy(update={"clickhouse": at_database(settings.clickhouse, past.database)}), told)
    except BaseException:
        pasts.drop(past)
        raise
    found = pasts.find(at)
    assert found is not None
    return found


def at_database(settings: ClickHouseSettings, database: str) -> ClickHouseSettings:
    """Return settings that name another database of the same server."""
    return settings.model_copy(update={"url": SecretStr(url_at(settings.url.get_secret_value(), database))})


def url_at(url: str, database: str) -> str:
    """Return the address of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{quote(database)}").geturl()


def _make_results(settings: Settings, told: Callable[[Progress], None]) -> None:
    client = connect(settings.clickhouse)
    book, number, margin = RulesBook(client), settings.stitching.rules_version, settings.stitching.sweep_margin
    book.record(number, settings)
    book.activate(number)
    book.save(Progress(number, State.MAKING))
    store = _QuietStore(client, number, margin)
    rules = StitchRulesOf(settings.identity, settings.stitching, settings.pain_points)
    worker = f"as-of-{socket.gethostname()}-{os.getpid()}"
    making = Making(
        MakingStore(client, number, margin), lambda keys: stitch_batch(keys, store, _Nobody(), rules, worker)
    )
    while (progress := making.step()).state is State.MAKING:
        told(progress)
    told(replace(progress, passed=progress.total))


class _QuietStore(StitchStore):
    """Keeps the ledger as it was."""

    def insert_ledger(self, frame: pl.DataFrame) -> None:
        """Write nothing: what changed was written when it changed."""


class _Nobody:
    """Whom journeys are told to that nobody waits for."""

    def publish(self, changes: pl.DataFrame) -> None:
        """Tell nobody."""
