"""
The embedded warehouse as a process: `python -m pipeline.embedded.warehouse --data DIR --port P`.

It holds the lock on its folder, serves until SIGTERM or SIGINT, and ends cleanly. An acknowledged INSERT survives
kill -9 of the process (not the loss of power: the engine does not wait for the disk).
"""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import click

from pipeline.config import EmbeddedSettings, SettingsError, load_settings
from pipeline.embedded.folder import FolderInUse, FolderLock
from pipeline.embedded.process import announce_ready, complain
from pipeline.embedded.warehouse.credentials import TOKEN_FILE, load_credentials
from pipeline.embedded.warehouse.engine import Engine
from pipeline.embedded.warehouse.relief import Relief
from pipeline.embedded.warehouse.server import Warehouse, listen


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of this warehouse.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on the loopback; 0: a free one.")
def main(data: Path, port: int) -> None:
    """
    Serve ClickHouse's HTTP interface on the loopback, with the data in a folder.

    Example: python -m pipeline.embedded.warehouse --data ./warehouse --port 8123
    """
    try:
        settings = load_settings().embedded
    except SettingsError as error:
        complain(f"warehouse: {error}")
        sys.exit(2)
    if "?" in str(data.absolute()):
        complain(f"warehouse: {data}: the engine takes what follows a `?` for its settings; choose another folder")
        sys.exit(2)
    try:
        with FolderLock(data), listen(port) as listener:
            asyncio.run(_serve(data.absolute(), listener, settings))
    except FolderInUse as error:
        complain(f"warehouse: {error}")
        sys.exit(1)
    except OSError as error:
        complain(f"warehouse: 127.0.0.1:{port}: {error.strerror}; choose another port")
        sys.exit(1)


async def _serve(folder: Path, listener: socket.socket, settings: EmbeddedSettings) -> None:
    credentials = load_credentials(folder)
    engine = Engine(folder, settings)
    stop = asyncio.Event()
    # After the engine has connected, for it touches the handlers of the whole process.
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    warehouse = Warehouse(engine, credentials, settings)
    await warehouse.start(listener)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    announce_ready({"address": address, "credentials": str(folder / TOKEN_FILE), "version": engine.version})
    await Relief(engine).run(stop)
    await warehouse.stop()
    engine.close()


if __name__ == "__main__":
    main()
