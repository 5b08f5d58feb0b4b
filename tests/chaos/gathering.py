"""Reading the evidence of a run: Kafka's log, the warehouse, what the product says, and what it should say."""

import base64
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.watermarks import Watermarks
from pipeline.config import ClickHouseSettings, IdentitySettings
from pipeline.contracts.topics import TOUCHPOINT_TOPICS
from pipeline.warehouse.accounting import read_accounts
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import migrate
from tests.chaos.checker import Evidence, Logged, Refusal, Spot
from tests.chaos.counting import Tally
from tests.chaos.ledger import Account
from tests.chaos.load import HEADER
from tests.chaos.sending import Attempt
from tests.convergence.dump import Dump, dump_of
from tests.convergence.expected import expected_dump, oracle_rules
from tests.convergence.history import PHONE_REGION
from tests.convergence.inprocess import HASH_KEY, Pipeline
from tests.embedded.servers import new_warehouse

IDENTITY = IdentitySettings.model_validate({"hash_key": HASH_KEY, "phone_region": PHONE_REGION})
SECONDS, POLL_S = 120.0, 0.2


def read_log(bootstrap: str, ranges: Mapping[Spot, tuple[int, int]]) -> list[Logged]:
    """Read every record of these ranges from Kafka."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "checker", "enable.auto.commit": False, "log_level": 0}
    )
    left = {spot: high for spot, (low, high) in ranges.items() if high > low}
    found: list[Logged] = []
    try:
        consumer.assign([TopicPartition(*spot, ranges[spot][0]) for spot in left])
        deadline = time.monotonic() + SECONDS
        while left:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Kafka gives no more records; still to come: {left}")
            # It waits for as many as are asked for, or for all of its time.
            for record in consumer.consume(10_000, POLL_S):
                if record.error():
                    raise RuntimeError(str(record.error()))
                spot = (str(record.topic()), int(record.partition() or 0))
                offset = int(record.offset() or 0)
                number = int(dict(record.headers() or []).get(HEADER) or b"-1")
                found.append(Logged((*spot, offset), number, record.value()))
                if offset + 1 >= left.get(spot, offset + 2):
                    del left[spot]
    finally:
        consumer.close()
    return found


def read_refusals(warehouse: Warehouse) -> list[Refusal]:
    """Read `v_rejected`."""
    sql = "SELECT topic, partition, offset, reason, base64Encode(payload) AS bytes FROM v_rejected"
    return [
        Refusal(
            (row["topic"], int(row["partition"]), int(row["offset"])),
            row["reason"],
            None if row["bytes"] is None else base64.b64decode(row["bytes"]),
        )
        for row in warehouse.rows(sql)
    ]


def calm_dump(events: Sequence[Mapping[str, Any]]) -> Dump:
    """Return the views after these touchpoints where nothing goes wrong, from a warehouse of its own."""
    with tempfile.TemporaryDirectory(prefix="throughline-calm-") as folder, new_warehouse(Path(folder)) as warehouse:
        return calm_dump_in(ClickHouseSettings(url=SecretStr(f"{warehouse.url}/calm")), events)


def calm_dump_in(database: ClickHouseSettings, events: Sequence[Mapping[str, Any]]) -> Dump:
    """Return the views after these touchpoints, landed and stitched as one batch in an empty database."""
    migrate(connect(database), metrics=False)
    pipeline = Pipeline(database, IDENTITY)
    pipeline.land(events)
    pipeline.stitch()
    return pipeline.dump()


@dataclass(frozen=True)
class Witness:
    """What Kafka and the installation say, read while they still run; `Evidence` has the meaning of each."""

    log: Sequence[Logged]
    ranges: Mapping[Spot, tuple[int, int]]
    spans: Mapping[Spot, Sequence[tuple[int, int]]]
    refusals: Sequence[Refusal]
    found: Dump
    accounting: Mapping[str, int]


def witness(run: Mapping[str, Any], worker_url: str, accounting: Mapping[str, int]) -> Witness:
    """
    Read what Kafka and an installation at rest say.

    Args:
        run: What run.json says.
        worker_url: The warehouse, with the rights of the pipeline.
        accounting: What `throughline status --json` says under that name.
    """
    with Watermarks(run["kafka"]) as watermarks:
        ranges = watermarks.ranges(TOUCHPOINT_TOPICS)
    accounts = read_accounts(connect(ClickHouseSettings(url=SecretStr(worker_url))))
    return Witness(
        log=read_log(run["kafka"], ranges),
        ranges=ranges,
        spans={(account.topic, account.partition): account.spans for account in accounts},
        refusals=read_refusals(Warehouse(run["clickhouse"])),
        found=dump_of(Warehouse(run["clickhouse"])),
        accounting=accounting,
    )


def evidence_of(
    seen: Witness,
    attempts: Sequence[Attempt],
    account: Account,
    tally: Tally,
    calm: Callable[[Sequence[Mapping[str, Any]]], Dump] = calm_dump,
) -> Evidence:
    """
    Lay beside what was seen what should be: the views of a calm run and the oracle's, of the records in the log.

    Args:
        seen: What Kafka and the installation say.
        attempts: What was to be sent.
        account: What the ledger says of it.
        tally: What the workers counted.
        calm: Makes the views of a calm run.
    """
    numbers = sorted({record.number for record in seen.log if 0 <= record.number < len(attempts)})
    events = [event for number in numbers if (event := attempts[number].event) is not None]
    said = {one.name: getattr(seen, one.name) for one in fields(seen)}
    oracle = expected_dump(events, oracle_rules(IDENTITY))
    return Evidence(attempts, account, **said, calm=calm(events), oracle=oracle, tally=tally)


def accounting_of(text: str) -> Mapping[str, int]:
    """Read the accounting that `throughline status --json` printed."""
    said: Mapping[str, int] = json.loads(text)["accounting"]
    return said
