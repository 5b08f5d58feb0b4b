"""
The life of rules versions: recorded, made, active, dropped.

One rule: what a version's results depend on is recorded once, by the first who names the version, and never changes
afterwards; other settings need another version. Results of versions stand side by side in `stitched`; which of them
the views show is the newest row of `active_rules`. Nothing is computed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from clickhouse_connect.driver.client import Client

from pipeline.config import Settings
from pipeline.warehouse.ddl import quote_name
from pipeline.warehouse.errors import translated
from pipeline.warehouse.opening_hours import record_hours, versions_with_hours
from pipeline.warehouse.rules_document import (
    Document,
    RulesUnreadable,
    document_of,
    read_document,
    settings_of,
    write_document,
)
from pipeline.warehouse.tables import TABLES

NOWHERE = UUID(int=0)
EPOCH = datetime.fromtimestamp(0, UTC)
_OF_RULES = ("rules", "rules_progress", "active_rules", "opening_hours")
_RESULTS = tuple(
    table
    for table in TABLES.values()
    if "rules_version" in table.column_names
    and table.name not in ("rules", "rules_progress", "active_rules", "opening_hours")
)

_RECORDED = """
    SELECT rules_version, argMin(settings, tuple(settings = '', recorded_at)) AS settings, min(recorded_at)
    FROM rules GROUP BY rules_version ORDER BY rules_version
"""
_PROGRESS = """
    SELECT rules_version, state, round, position, found, passed, total, since, until, started_at
    FROM rules_progress FINAL
"""
_ACTIVE = "SELECT argMax(rules_version, tuple(activated_at, rules_version)), count() FROM active_rules"
# A clock that steps back must not undo what was recorded last.
_NEXT = "greatest(now64(6, 'UTC'), (SELECT addMicroseconds(max({column}), 1) FROM {table}))"
_RECORD = """
    INSERT INTO rules (rules_version, visit_gap_ms, journey_gap_ms, settings, recorded_at)
    SELECT {version:UInt32}, {visit:Int64}, {journey:Int64}, {settings:String}, now64(6, 'UTC')
    WHERE (SELECT count() FROM rules WHERE rules_version = {version:UInt32}
           AND (settings != '' OR {settings:String} = '')) = 0
"""


class State(StrEnum):
    """How far the results of a version are."""

    MAKING = "making"
    COMPLETE = "complete"
    REMAKING = "remaking"
    DROPPED = "dropped"

    @property
    def is_whole(self) -> bool:
        """Whether every identifier has a result of this version."""
        return self in (State.COMPLETE, State.REMAKING)


@dataclass(frozen=True)
class Progress:
    """
    How far the making of a version's results is; `pipeline.warehouse.rules_making` says how it goes on.

    Attributes:
        rules_version: The version.
        state: Being made, complete, being made again, or dropped.
        round: Passes over all identifiers begun.
        position: The pass has done the identifiers up to this one.
        found: Identifiers that the pass found to be made.
        passed: Identifiers that the first pass went by.
        total: Identifiers when it began, about.
        since: Rows of an older version are made anew.
        until: Facts landed later are not this making's business.
        started_at: When it began.
    """

    rules_version: int
    state: State
    round: int = 1
    position: UUID = NOWHERE
    found: int = 0
    passed: int = 0
    total: int = 0
    since: datetime = EPOCH
    until: datetime = EPOCH
    started_at: datetime = EPOCH

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1; the last pass only looks."""
        if self.state in (State.COMPLETE, State.DROPPED):
            return 1.0
        return min(0.99, self.passed / self.total) if self.total else 0.0


@dataclass(frozen=True)
class RulesVersion:
    """One version: its recorded document (None: a database that recorded only gaps), and how far it is."""

    number: int
    document: Document | None
    recorded_at: datetime
    progress: Progress
    is_active: bool

    @property
    def is_live(self) -> bool:
        """Whether workers keep its results up to date."""
        return self.progress.state is not State.DROPPED


class RulesBook:
    """The record of all versions; one connection, not for threads. Every method may raise what the warehouse does."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def versions(self) -> list[RulesVersion]:
        """Return all versions that were ever recorded, in order."""
        with translated():
            recorded = self._client.query(_RECORDED).result_rows
            progress = {row[0]: _progress(row) for row in self._client.query(_PROGRESS).result_rows}
        active = self.active()
        return [
            RulesVersion(
                number,
                read_document(text) if text else None,
                at,
                progress.get(number) or Progress(number, State.COMPLETE if number == active else State.MAKING),
                number == active,
            )
            for number, text, at in recorded
        ]

    def version(self, number: int) -> RulesVersion | None:
        """Return one version; None where it was never recorded."""
        return next((version for version in self.versions() if version.number == number), None)

    def active(self) -> int:
        """Return the version that the views show; 0 before the first migration."""
        with translated():
            number, known = self._client.query(_ACTIVE).result_rows[0]
        return int(number) if known else 0

    def record(self, number: int, settings: Settings | None) -> None:
        """
        Record what a version depends on, unless that is recorded already.

        Args:
            number: The version.
            settings: All settings; None: record the default gaps and leave the rest to the first worker.
        """
        stitching = (settings or Settings()).stitching
        values = {
            "version": number,
            "visit": round(stitching.visit_gap.total_seconds() * 1000),
            "journey": round(stitching.journey_gap.total_seconds() * 1000),
            "settings": write_document(document_of(settings)) if settings else "",
        }
        with translated():
            self._client.command(_RECORD, parameters=values)
        self.record_hours()

    def record_hours(self) -> None:
        """Lay out the business calendars of every recorded version that has none yet."""
        known = versions_with_hours(self._client)
        for version in self.versions():
            if version.document is None or version.number in known:
                continue
            try:
                rules = settings_of(version.document, Settings())
            except RulesUnreadable:  # of another version of the program, which lays them out itself
                continue
            record_hours(self._client, version.number, rules.pain_points)

    def save(self, progress: Progress) -> None:
        """Record how far a version is."""
        columns = ("rules_version", "state", "round", "position", "found", "passed", "total")
        times = ("since", "until", "started_at")
        values = {name: getattr(progress, name) for name in columns} | {
            name: round(getattr(progress, name).timestamp() * 1_000_000) for name in times
        }
        values |= {"state": str(progress.state), "position": str(progress.position)}
        at = ", ".join(f"fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')" for name in times)
        with translated():
            self._client.command(
                f"INSERT INTO rules_progress ({', '.join((*columns, *times))}, recorded_at) SELECT "
                "{rules_version:UInt32}, {state:String}, {round:UInt32}, {position:UUID}, {found:UInt64}, "
                f"{{passed:UInt64}}, {{total:UInt64}}, {at}, "
                + _NEXT.format(column="recorded_at", table="rules_progress"),
                parameters=values,
            )

    def activate(self, number: int) -> None:
        """Let the views show a version, from the next query on."""
        with translated():
            self._client.command(
                "INSERT INTO active_rules (rules_version, activated_at) SELECT {version:UInt32}, "
                + _NEXT.format(column="activated_at", table="active_rules"),
                parameters={"version": number},
            )

    def activate_first(self, number: int) -> None:
        """Let the views show a version if they show none yet."""
        # Dated 1970: a first activation that comes late must not undo one that a person made meanwhile.
        with translated():
            self._client.command(
                "INSERT INTO active_rules (rules_version, activated_at) SELECT {version:UInt32}, "
                "toDateTime64(0, 6, 'UTC') WHERE (SELECT count() FROM active_rules) = 0",
                parameters={"version": number},
            )

    def count(self, number: int) -> dict[str, int]:
        """Return how many rows each table of results holds of a version; replaced ones that still lie there count."""
        counted = {}
        for table in _RESULTS:
            sql = f"SELECT count() FROM {quote_name(table.name)} WHERE rules_version = {{version:UInt32}}"
            with translated():
                counted[table.name] = int(self._client.query(sql, parameters={"version": number}).result_rows[0][0])
        return counted

    def drop(self, number: int) -> dict[str, int]:
        """
        Remove the rows of a version, whose workers know that it is dropped; safe to repeat.

        Returns:
            Rows removed by table.
        """
        removed = self.count(number)
        for table in _RESULTS:
            place = quote_name(table.name)
            with translated():
                if table.partition_by == "rules_version":
                    self._client.command(f"ALTER TABLE {place} DROP PARTITION {int(number)}")
                elif removed[table.name]:
                    self._client.command(f"DELETE FROM {place} WHERE rules_version = {int(number)}")
        return removed


def begin_first_rules(client: Client, settings: Settings | None) -> None:
    """
    Record the rules of the settings, as a migration does, where they are the first or a version of their own.

    A version that is named in the settings and not recorded yet is one to be made; nothing else is changed.
    """
    book = RulesBook(client)
    known = book.versions()
    wanted = (settings or Settings()).stitching
    if not known:
        book.record(wanted.rules_version, settings)
        book.save(Progress(wanted.rules_version, State.COMPLETE))
    elif "rules_version" in wanted.model_fields_set and wanted.rules_version not in {v.number for v in known}:
        book.record(wanted.rules_version, settings)
    elif settings is not None:
        # A database that knows only gaps: what it was run with until now is what it is run with now.
        for version in known:
            if version.document is None and version.number in (wanted.rules_version, book.active()):
                book.record(version.number, settings)
    book.activate_first(wanted.rules_version)
    book.record_hours()


def _progress(row: Sequence[Any]) -> Progress:
    """Return a row of `rules_progress`, whose columns are read in the order of the fields."""
    return Progress(int(row[0]), State(str(row[1])), *row[2:])
