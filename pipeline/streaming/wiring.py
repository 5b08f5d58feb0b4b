"""
Where a worker's parts are put together: warehouse, identity and the protocols of landing and stitching.

Kept apart from the worker's life so that tests can live one with other work.
"""

from collections.abc import Callable
from functools import cache

import polars as pl
from clickhouse_connect.driver.client import Client

from pipeline.config import Settings
from pipeline.observability.metrics import Metrics
from pipeline.streaming import entry
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.making import Making
from pipeline.streaming.parked import parking_lot
from pipeline.streaming.ports import Announcer, Publisher
from pipeline.streaming.runner import BatchWork
from pipeline.streaming.stitcher import StitchRulesOf
from pipeline.streaming.switching import ActiveOnly
from pipeline.streaming.work import LandWork, StitchWork
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.results import StitchStore
from pipeline.warehouse.rights import MayNotWrite, connect_to_write
from pipeline.warehouse.rules import RulesBook, State
from pipeline.warehouse.rules_making import MakingStore


def enter_land(settings: Settings) -> Settings:
    """Let a landing worker begin; see `pipeline.streaming.entry`."""
    return entry.enter_land(_writer(settings, "touchpoints"), settings)


def enter_stitch(settings: Settings, *, recorded: bool) -> Settings:
    """Let a stitching worker begin; see `pipeline.streaming.entry`."""
    return entry.enter_stitch(_writer(settings, "stitched"), settings, recorded=recorded)


def _writer(settings: Settings, table: str) -> Client:
    try:
        return connect_to_write(settings.clickhouse, table)
    except MayNotWrite as error:
        raise entry.Refused(str(error)) from error


def landing_work(settings: Settings, announcer: Announcer, log_id: Callable[[], str], metrics: Metrics) -> BatchWork:
    """
    Return the work of a landing worker; warehouse and broker are first spoken to by its first batch.

    Args:
        settings: All settings.
        announcer: Takes the identifiers of what was landed.
        log_id: Tells the name of the broker's log; may ask the broker.
        metrics: Where to count.
    """

    def open_landing() -> Landing:
        origin = Origin(log_id(), settings.kafka.max_record_bytes)
        store = FactStore(connect(settings.clickhouse), observe_insert)
        return Landing(store, announcer, settings.identity, origin, parking_lot(settings))

    def observe_insert(table: str, seconds: float) -> None:
        metrics.observe("throughline_warehouse_insert_seconds", seconds, table=table)

    return LandWork(open_landing, metrics)


def stitching_work(settings: Settings, publisher: Publisher, worker: str, metrics: Metrics) -> BatchWork:
    """Return the work of a stitching worker; the warehouse is first spoken to by its first batch."""

    def open_store() -> StitchStore:
        client = connect(settings.clickhouse)
        return StitchStore(client, settings.stitching.rules_version, settings.stitching.sweep_margin)

    def open_making(stitch: Callable[[pl.Series], object]) -> Making:
        store = MakingStore(connect(settings.clickhouse), version, settings.stitching.sweep_margin)
        return Making(store, stitch, serves=(State.MAKING,))

    @cache
    def book() -> RulesBook:
        return RulesBook(connect(settings.clickhouse))

    version = settings.stitching.rules_version
    rules = StitchRulesOf(settings.identity, settings.stitching, settings.pain_points)
    return StitchWork(
        open_store, ActiveOnly(publisher, version, lambda: book().active()), rules, worker, metrics, open_making
    )
