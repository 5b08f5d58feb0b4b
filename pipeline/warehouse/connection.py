"""
Connections to ClickHouse over HTTP: one client per thread.

One rule: writers never get asynchronous inserts (an acknowledged INSERT is in) and no client has a session, so that
calls of one client may overlap and a lost connection leaves nothing behind. Creating databases is left to `migrate`.
"""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.errors import translated

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Compressing for the loopback costs more than it saves; over a network lz4, ClickHouse's own choice, pays at once.
_HERE: Mapping[str, str | int] = {"output_format_arrow_compression_method": "none"}
DEFAULT_DATABASE = "default"

# Longest wait for a connection: a warehouse that is there answers at once, and the caller retries anyway.
_CONNECT_TIMEOUT_S = 5


def connect(settings: ClickHouseSettings, overrides: Mapping[str, str | int] | None = None) -> Client:
    """
    Open a client; the database need not exist yet.

    Args:
        settings: Where ClickHouse is and how long things may take.
        overrides: ClickHouse settings sent with every statement, beside ours.

    Returns:
        A client whose times come back aware and whose inserts are synchronous.

    Raises:
        WarehouseUnavailable: If nothing answers there (yet).
        WarehouseRefused: If the server does not accept the credentials.
    """
    parts = urlsplit(settings.url.get_secret_value())
    longest = max(settings.insert_timeout, settings.query_timeout).total_seconds()
    is_here = parts.hostname in _LOOPBACK
    statement_settings: dict[str, str | int] = {"async_insert": 0, **(_HERE if is_here else {}), **(overrides or {})}
    with translated():
        client = clickhouse_connect.get_client(
            interface=parts.scheme,
            host=parts.hostname or "localhost",
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            username=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            settings=statement_settings,
            compress=False if is_here else "lz4",
            connect_timeout=_CONNECT_TIMEOUT_S,
            send_receive_timeout=int(longest) + 1,
            autogenerate_session_id=False,
            autogenerate_query_id=False,
            query_retries=0,
            tz_mode="aware",
            # Its own connections: clients of several threads must not wait for each other's.
            dedicated_pool=True,
        )
    client.database = database_of(settings)
    return client


def database_of(settings: ClickHouseSettings) -> str:
    """Return the name of the database that the settings' URL names."""
    return unquote(urlsplit(settings.url.get_secret_value()).path.strip("/")) or DEFAULT_DATABASE
