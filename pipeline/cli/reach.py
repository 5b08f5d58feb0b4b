"""
Which installation a command speaks to.

Addresses that the environment or the settings file name come first (production); else those of the installation that
runs in the data folder. `--data` on the command line always means the folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, SecretStr

from pipeline.cli.errors import CommandError
from pipeline.cli.installation import read_installation
from pipeline.cli.invocation import Invocation
from pipeline.cli.plan import feeder_max_lag_bytes
from pipeline.cli.runfile import Run, live_run
from pipeline.config import Settings

Group = TypeVar("Group", bound=BaseModel)


@dataclass(frozen=True)
class Reach:
    """
    How to reach Kafka and the warehouse.

    Args:
        settings: All settings, with addresses and keys filled in.
        analyst_url: ClickHouse for reading only.
        run: What runs in the data folder; None when the settings name the addresses.
        folder: The data folder, where one was meant.
    """

    settings: Settings
    analyst_url: str
    run: Run | None
    folder: Path | None = None


def reach(invocation: Invocation) -> Reach:
    """
    Find the installation that a command speaks to, its analysts' database as of the time that was asked for.

    Raises:
        CommandError: If the settings name none and none runs in the data folder.
    """
    found = try_reach(invocation)
    if found is None:
        raise _nothing_runs(invocation)
    if invocation.as_of is None:
        return found
    from pipeline.cli.as_of import stand_at  # noqa: PLC0415 (slow to import)

    return stand_at(found, invocation.as_of)


def try_reach(invocation: Invocation) -> Reach | None:
    """Return the installation that a command speaks to; None when the settings name none and none runs."""
    settings = invocation.settings()
    names_addresses = "url" in settings.clickhouse.model_fields_set or "bootstrap" in settings.kafka.model_fields_set
    if names_addresses and not invocation.is_data_named:
        return Reach(settings, settings.clickhouse.url.get_secret_value(), None, invocation.data)
    run = live_run(invocation.data)
    kept = read_installation(invocation.data)
    if run is None or kept is None:
        return None
    return Reach(
        settings.model_copy(
            update={
                "kafka": _with(
                    settings.kafka,
                    bootstrap=run.kafka,
                    log_id=run.log_id,
                    feeder_max_lag_bytes=feeder_max_lag_bytes(kept),
                    replication=1,
                    min_insync_replicas=1,
                ),
                "clickhouse": _with(settings.clickhouse, url=SecretStr(kept.worker_url())),
                "identity": _with(settings.identity, hash_key=SecretStr(kept.hash_key)),
            }
        ),
        run.clickhouse,
        run,
        invocation.data,
    )


def part_settings(invocation: Invocation) -> Settings:
    """
    Return the settings for a part that runs in the foreground: of an installation, or as they are.

    Raises:
        CommandError: If `--data` names a folder in which nothing runs: the settings mean other servers then.
    """
    found = try_reach(invocation)
    if found is None and invocation.is_data_named:
        raise _nothing_runs(invocation)
    return invocation.settings() if found is None else found.settings


def _nothing_runs(invocation: Invocation) -> CommandError:
    return CommandError(
        f"nothing runs in {invocation.data}",
        remedy="start it with `throughline up --detach`, name another folder with --data, or set "
        "THROUGHLINE_KAFKA__BOOTSTRAP and THROUGHLINE_CLICKHOUSE__URL",
    )


def _with(group: Group, **values: object) -> Group:
    return group.model_copy(update=values)
