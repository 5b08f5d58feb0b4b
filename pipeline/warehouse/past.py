"""
Databases beside the own one that hold the facts as they were known at a past time.

One rule: what such a database holds is chosen by when a touchpoint was received, which no replay changes. Links are
made anew from the touchpoints, the views have that time where they look at the clock; the results are for whoever
stitches. Nothing here changes the database that it copies from.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from clickhouse_connect.driver.client import Client

from pipeline.warehouse.ddl import quote_name, render_table, render_view
from pipeline.warehouse.declarations import View
from pipeline.warehouse.errors import translated
from pipeline.warehouse.tables import IDENTITY_STATEMENTS, TABLES, TOUCHPOINTS
from pipeline.warehouse.views import views

CLOCK: Final = "now64(3, 'UTC')"
"""How views read the clock; nothing else in them may."""
_FORM: Final = "%Y%m%dT%H%M%S"
# Facts of a finished past never wait for a landing, so any stamp before every version does; one that no batch has.
_LANDED: Final = "toDateTime64(1, 6, 'UTC')"
# What was recorded by then of things that have a time of their own.
_RECORDED: Final[Mapping[str, str]] = {
    "persona_rules": "set_at",
    "theme_rules": "set_at",
    "landed": "completed_at",
    "rejected": "rejected_at",
    "repairs": "repaired_at",
    "identity_ledger": "version",
}
_OTHERS: Final = "arraySlice(identities, 2)"
_LINKS: Final = f"""
SELECT pair.1, pair.2, pair.3, pair.4, occurred_at, {_LANDED}, {_LANDED}
FROM {{past}}.touchpoints
ARRAY JOIN arrayConcat(
    arrayMap(i -> (ident_key, kind, i.ident_key, i.kind), {_OTHERS}),
    arrayMap(i -> (i.ident_key, i.kind, ident_key, kind), {_OTHERS})) AS pair
WHERE NOT startsWith(type, 'identity.')
"""
# A link stays of a content that was replaced, so it is in no touchpoint any more; it was known once it had landed.
_LINKS_OF_REPLACED: Final = f"""
SELECT l.ident_key, l.kind, l.neighbour, l.neighbour_kind, l.first_seen, {_LANDED}, {_LANDED}
FROM (SELECT * FROM {{now}}.identity_links WHERE first_landed_at <= {{at}}) AS l
LEFT JOIN (SELECT ident_key, neighbour, 1 AS is_known FROM {{past}}.identity_links) AS k
    ON k.ident_key = l.ident_key AND k.neighbour = l.neighbour
WHERE NOT k.is_known
SETTINGS join_algorithm = 'full_sorting_merge'
"""
_STATEMENTS: Final = """
SELECT {columns} FROM {now}.identity_statements
WHERE (event_uid, content_version) IN (
    SELECT event_uid, content_version FROM {past}.touchpoints WHERE startsWith(type, 'identity.'))
"""
_LIST: Final = """
SELECT d.name, ifNull(p.bytes, 0), ifNull(p.touchpoints, 0)
FROM system.databases AS d
LEFT JOIN (
    SELECT database, sum(bytes_on_disk) AS bytes, sumIf(rows, table = 'touchpoints') AS touchpoints
    FROM system.parts WHERE active GROUP BY database
) AS p ON p.database = d.name
WHERE startsWith(d.name, {prefix:String}) ORDER BY d.name
"""
_LATER: Final = """
SELECT count() FROM touchpoints
WHERE received_at <= fromUnixTimestamp64Milli({at:Int64}, 'UTC')
    AND landed_at >= (SELECT min(applied_at) FROM {past}.schema_migrations)
"""


@dataclass(frozen=True)
class Past:
    """
    One database of a past time.

    Attributes:
        at: The time; what was received until then, it included, is there.
        database: Its name.
        is_whole: Whether its results are made.
        touchpoints: How many it holds.
        bytes: What it takes on disk.
    """

    at: datetime
    database: str
    is_whole: bool = False
    touchpoints: int = 0
    bytes: int = 0


def name_of(database: str, at: datetime) -> str:
    """Return the name of the database that holds another one as of a time, which counts to the millisecond."""
    at = at.astimezone(UTC)
    millis = f"{at.microsecond // 1000:03d}" if at.microsecond // 1000 else ""
    return f"{database}_as_of_{at.strftime(_FORM)}{millis}Z"


def view_at(view: View, at: datetime) -> View:
    """Return a view whose clock stands at a time."""
    then = f"fromUnixTimestamp64Milli({_milliseconds(at)}, 'UTC')"
    columns = tuple(replace(column, expression=column.expression.replace(CLOCK, then)) for column in view.columns)
    return replace(view, source=view.source.replace(CLOCK, then), columns=columns)


class Pasts:
    """The past times of one database that are kept; one connection, not for threads. Raises what the warehouse does."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._database = str(client.database)

    def kept(self) -> list[Past]:
        """Return all that are kept, in the order of their times; also one whose making was ended."""
        prefix = f"{self._database}_as_of_"
        with translated():
            rows = self._client.query(_LIST, parameters={"prefix": prefix}).result_rows
        found = []
        for name, size, touchpoints in rows:
            if (at := _time_of(str(name).removeprefix(prefix))) is not None:
                found.append(Past(at, str(name), self._is_whole(str(name)), int(touchpoints), int(size)))
        return sorted(found, key=lambda past: past.at)

    def find(self, at: datetime) -> Past | None:
        """Return the one of a time; None where there is none."""
        name = name_of(self._database, at)
        return next((past for past in self.kept() if past.database == name), None)

    def is_behind(self, past: Past) -> bool:
        """Tell whether touchpoints that had been received by then landed only after it was made."""
        sql = _LATER.replace("{past}", quote_name(past.database))
        with translated():
            return bool(self._client.query(sql, parameters={"at": _milliseconds(past.at)}).result_rows[0][0])

    def first_received(self) -> datetime | None:
        """Return when the first touchpoint of all was received; None where there is none."""
        with translated():
            [(count, first)] = self._client.query("SELECT count(), min(received_at) FROM touchpoints").result_rows
        return first.replace(tzinfo=UTC) if count else None

    def of(self, at: datetime) -> Past:
        """Return what the database of a time would be called; nothing is made."""
        return Past(at, name_of(self._database, at))

    def begin(self, past: Past) -> None:
        """Make the database of a time with its facts and views; its results are still missing."""
        with translated():
            self._client.command(f"CREATE DATABASE {quote_name(past.database)}", use_database=False)
            for table in TABLES.values():
                self._client.command(render_table(table, past.database))
            # The first thing written there: when it was begun.
            self._into(past, "schema_migrations", "SELECT 'as of', '', 'created', now64(6)")
            self._copy_facts(past)
            for name, column in _RECORDED.items():
                columns = TABLES[name].column_names
                self._into(past, name, f"SELECT {_listed(columns)} FROM {{now}}.{name} WHERE {column} <= {{at}}")
            for view in views().values():
                self._client.command(render_view(view_at(view, past.at), past.database))

    def drop(self, past: Past) -> None:
        """Remove the database of a past time; safe to repeat."""
        with translated():
            self._client.command(f"DROP DATABASE IF EXISTS {quote_name(past.database)} SYNC")

    def active_rules(self, at: datetime) -> int:
        """Return the rules version that the views showed at a time; the first one before any was activated."""
        sql = (
            "SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM active_rules WHERE activated_at <= "
        )
        with translated():
            return int(self._client.query(sql + _moment(at)).result_rows[0][0])

    def _copy_facts(self, past: Past) -> None:
        chosen = f"SELECT {_stamped(TOUCHPOINTS.column_names)} FROM {{now}}.%s WHERE received_at <= {{at}}"
        for table in ("touchpoints", "touchpoint_contents"):
            self._into(past, "touchpoints", chosen % table)
        self._into(past, "identity_links", _LINKS)
        self._into(past, "identity_links", _LINKS_OF_REPLACED)
        columns = _stamped(IDENTITY_STATEMENTS.column_names)
        self._into(past, "identity_statements", _STATEMENTS.replace("{columns}", columns))

    def _into(self, past: Past, table: str, select: str) -> None:
        columns = TABLES[table].column_names
        for place, text in {
            "{now}": quote_name(self._database),
            "{past}": quote_name(past.database),
            "{at}": _moment(past.at),
        }.items():
            select = select.replace(place, text)
        self._client.command(
            f"INSERT INTO {quote_name(past.database)}.{quote_name(table)} ({_listed(columns)})\n{select}"
        )

    def _is_whole(self, database: str) -> bool:
        sql = f"SELECT countIf(state = 'complete') FROM {quote_name(database)}.rules_progress FINAL"
        with translated():
            return bool(self._client.query(sql).result_rows[0][0])


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(quote_name, columns))


def _stamped(columns: Sequence[str]) -> str:
    return ", ".join(f"{_LANDED} AS landed_at" if name == "landed_at" else quote_name(name) for name in columns)


def _moment(at: datetime) -> str:
    return f"fromUnixTimestamp64Milli({_milliseconds(at)}, 'UTC')"


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


def _time_of(text: str) -> datetime | None:
    match = re.fullmatch(r"(\d{8}T\d{6})(\d{3})?Z", text)
    if match is None:
        return None
    at = datetime.strptime(match[1], _FORM).replace(tzinfo=UTC)
    return at.replace(microsecond=int(match[2] or 0) * 1000)
