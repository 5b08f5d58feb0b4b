"""
Migrations that die: at a statement that changes something, once before the warehouse has done it and once after.

`python -m tests.chaos.dying` lets real processes die by SIGKILL at every single statement that brings a database of an
earlier declaration, or an empty one, to today's tables and views, those of the metrics too (about ten minutes).
"""

import argparse
import multiprocessing
import os
import signal
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from bench.arguments import whole
from pipeline.config import ClickHouseSettings, Settings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import drift, migrate
from tests.embedded.servers import new_warehouse
from tests.migrated import new_database

CHANGES = ("CREATE", "ALTER", "INSERT")
EARLIER = Path(__file__).with_name("earlier.sql")
LONGEST_LIFE_S = 300.0
Death = Callable[[str], NoReturn]


class Mortal:
    """
    A client that dies at its first new statement that changes something: once before the warehouse did it, once after.

    Args:
        client: The real one.
        done: Statements and moments at which one died before; the next new one is fatal.
        die: Ends it.
        one_of: Of so many statements one is fatal; which ones follows from their first lines.
    """

    def __init__(self, client: Client, done: set[str], die: Death, one_of: int = 1) -> None:
        self._client = client
        self._done = done
        self._die = die
        self._one_of = one_of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def command(self, statement: str, *arguments: Any, **more: Any) -> Any:
        """Say a statement to the warehouse, or die before or after that."""
        number = zlib.crc32(f"{statement} {more.get('parameters')}".encode())
        if statement.lstrip().startswith(CHANGES) and self._is_chosen(statement):
            for moment in ("before", "after"):
                name = f"{number} {moment}"
                if name not in self._done:
                    self._done.add(name)
                    if moment == "after":
                        self._client.command(statement, *arguments, **more)
                    self._die(name)
        return self._client.command(statement, *arguments, **more)

    def _is_chosen(self, statement: str) -> bool:
        # The same ones in every database, whatever its name.
        first = statement.replace(str(self._client.database), "").lstrip().partition("\n")[0]
        return zlib.crc32(first.encode()) % self._one_of == 0


def make_earlier(client: Client) -> None:
    """Make the tables and views of an earlier declaration in an empty database, with a touchpoint in them."""
    for statement in EARLIER.read_text().split("\n-- next\n"):
        client.command(statement)
    client.command(
        """INSERT INTO touchpoints (event_id, type, body) VALUES ('e', 'payment.failed', '{"code":"late"}')"""
    )


def deaths_until_done(url: str, one_of: int = 1) -> int:
    """
    Migrate a database by processes that are killed, until one of them lives to the end.

    Args:
        url: The database, with the right to change it.
        one_of: See `Mortal`.

    Returns:
        How many were killed.

    Raises:
        RuntimeError: If one ended otherwise.
    """
    # A server that has imported everything once, and nothing else: each of its children is a process in a moment.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with tempfile.TemporaryDirectory() as folder:
        for deaths in range(10_000):
            life = context.Process(target=_live, args=(url, Path(folder) / "done", one_of))
            life.start()
            life.join(LONGEST_LIFE_S)
            if life.exitcode == 0:
                return deaths
            if life.exitcode != -signal.SIGKILL:
                life.kill()
                raise RuntimeError(f"a migration ended with {life.exitcode}")
    raise RuntimeError("a migration never ended")


def _live(url: str, done: Path, one_of: int) -> None:
    def die(name: str) -> NoReturn:
        with done.open("a") as stream:
            stream.write(f"{name}\n")
            stream.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        raise SystemExit("it lives on")

    known = set(done.read_text().splitlines()) if done.exists() else set()
    client = connect(ClickHouseSettings(url=SecretStr(url)))
    migrate(Mortal(client, known, die, one_of), Settings())  # type: ignore[arg-type]


def main() -> int:
    """Let migrations die at every statement; print what is wrong, if anything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.dying", description="Migrations that are killed.")
    parser.add_argument("--one-of", type=whole(1), default=1, help="die at one of so many statements; 1: at all")
    one_of, wrong = parser.parse_args().one_of, list[str]()
    with tempfile.TemporaryDirectory(prefix="throughline-dying-") as folder, new_warehouse(Path(folder)) as warehouse:
        for name, prepare in (("an earlier database", make_earlier), ("an empty database", lambda _: None)):
            with new_database(warehouse.url) as database:
                client = connect(database)
                prepare(client)
                deaths = deaths_until_done(database.url.get_secret_value(), one_of)
                found = drift(client)
                click.echo(f"{name}: {deaths} migrations killed, {len(found)} differences to what is declared")
                wrong += found
    for line in wrong:
        click.echo(line, err=True)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
