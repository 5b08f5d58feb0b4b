"""
Whether everything that was sent is visible: what `wait` waits for, told step by step.

A record counts when it is in a touchpoint topic at the moment of the call, whoever produced it. It is visible when
1. a landed range covers its offset (landed, rejected or dropped by the broker), 2. the announcements that stood in
`stitch.dirty` after that are worked off, and 3. the sweep finds no identifier whose facts may be newer than its row.
What the sweep finds is announced, and steps 2 and 3 are done again.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

import polars as pl

from pipeline.cli.clickhouse import PATIENCE_S, place_of, require_answer
from pipeline.cli.rules_state import effective
from pipeline.cli.watermarks import Spot, Watermarks
from pipeline.config import ClickHouseSettings, Settings
from pipeline.contracts.topics import STITCH_DIRTY, TOUCHPOINT_TOPICS
from pipeline.streaming.announcing import DirtyAnnouncer, stitch_group
from pipeline.streaming.beside import Beside
from pipeline.streaming.publishing import KafkaWriter
from pipeline.warehouse.accounting import PartitionAccount, count_parked, read_accounts, uncovered
from pipeline.warehouse.connection import connect
from pipeline.warehouse.results import StitchStore

POLL_S = 0.15
# Even those who wait for nothing give the warehouse time for one answer.
SHORTEST_ANSWER_S = 2.0
MOST_STALE = 100_000
# Between two sweeps that both found something: what keeps being found waits for time to pass, not for work.
SWEEP_PAUSE_S = 1.0


@dataclass(frozen=True)
class Behind:
    """What is not visible yet: how much of which step, and where."""

    step: str
    number: int
    where: str

    def __str__(self) -> str:
        """Return it as a phrase."""
        return f"{self.step}: {self.number:,} ({self.where})" if self.where else f"{self.step}: {self.number:,}"


Report = Callable[[Behind], None]
Answer = TypeVar("Answer")


class Visibility:
    """
    Waits until everything sent so far is visible.

    Args:
        settings: Addresses and rules.
        watermarks: Kafka seen from outside.
        timeout_s: How long that may take.
        report: Called with what is behind, as long as something is.
        rules_version: Version whose results must show everything; None: the active one, which the views show.

    Attributes:
        lost: Records that the broker dropped before anybody read them, of all times, as far as was seen.
    """

    def __init__(
        self,
        settings: Settings,
        watermarks: Watermarks,
        timeout_s: float,
        report: Report,
        rules_version: int | None = None,
    ) -> None:
        patience_s = min(PATIENCE_S, max(SHORTEST_ANSWER_S, timeout_s))
        self._place, self._patience_s = place_of(settings.clickhouse.url.get_secret_value()), patience_s
        require_answer(self._place, patience_s)
        self._settings = effective(settings, rules_version)
        self._watermarks = watermarks
        self._deadline = time.monotonic() + timeout_s
        self._report = report
        self._client = connect(_hurried(settings.clickhouse, timeout_s))
        self.lost = 0

    def await_landed(self) -> list[Behind]:
        """
        Wait until every record that is in a touchpoint topic now is landed; return what is behind at the end.

        A record that the broker drops meanwhile never will be: it is behind too, and counts as lost from then on.
        """
        targets = self._watermarks.ranges(TOUCHPOINT_TOPICS)
        log_id = self._settings.kafka.log_id or self._watermarks.log_id()
        before = self._accounts(log_id)
        gone = sum(
            account.lost + _dropped(account, targets[spot][0]) for spot, account in before.items() if spot in targets
        )
        if behind := self._poll(lambda: self._not_landed(targets, log_id)):
            return behind
        lost = sum(account.lost for spot, account in self._accounts(log_id).items() if spot in targets)
        return (
            [Behind("records lost", lost - gone, "the broker dropped them before they were read")]
            if lost > gone
            else []
        )

    def await_stitched(self) -> list[Behind]:
        """Wait until everything landed so far is in the results; return what is behind at the end."""
        # No margin: it is for batches whose landing never completed, because their INSERT may still be running. Every
        # record that we wait for is in a completed batch, so such an INSERT can bring nothing that is not there.
        store = StitchStore(self._client, self._settings.stitching.rules_version, timedelta(0))
        while True:
            if behind := self._poll(partial(self._not_stitched, self._watermarks.high([STITCH_DIRTY]))):
                return behind
            stale = self._asked(lambda: store.stale_identifiers(MOST_STALE))
            if stale.is_empty():
                return []
            found = Behind("identifiers whose results may be old", len(stale), "the sweep announced them again")
            self._report(found)
            if time.monotonic() > self._deadline:
                return [found]
            self._announce(stale)
            time.sleep(SWEEP_PAUSE_S)

    def _poll(self, look: Callable[[], list[Behind]]) -> list[Behind]:
        while behind := look():
            self._report(behind[0])
            if time.monotonic() > self._deadline:
                return behind
            time.sleep(POLL_S)
        return []

    def _not_landed(self, targets: Mapping[Spot, tuple[int, int]], log_id: str) -> list[Behind]:
        accounts = self._accounts(log_id)
        behind = {}
        for spot, (low, high) in targets.items():
            account = accounts.get(spot)
            spans = account.spans if account else ()
            dropped = _dropped(account, low) if account else 0
            missing = uncovered(spans, low, high)
            if missing or dropped:
                told = f"{spot[0]}:{spot[1]} has {missing:,} of {high - low:,}"
                told += f"; {dropped:,} more were dropped by the broker before they were read" if dropped else ""
                behind[spot] = (missing + dropped, told)
        if not behind and self._settings.registry.url.get_secret_value() and (parked := count_parked(self._client)):
            return [Behind("records parked", parked, "the schema registry cannot say what their schema id names")]
        return _summed("records not landed", behind.values())

    def _accounts(self, log_id: str) -> dict[Spot, PartitionAccount]:
        accounts = self._asked(lambda: read_accounts(self._client))
        self.lost = sum(account.lost for account in accounts)
        return {(account.topic, account.partition): account for account in accounts if account.log_id == log_id}

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        """
        Ask the warehouse, however long it takes while it lives.

        Raises:
            CommandError: If it falls silent meanwhile; the question is then left to itself.
        """
        asking = Beside("asking the warehouse", question)
        while not asking.ends_within(self._patience_s):
            require_answer(self._place, self._patience_s)
        return asking.result()

    def _not_stitched(self, targets: Mapping[Spot, int]) -> list[Behind]:
        group = stitch_group(self._settings.kafka, self._settings.stitching.rules_version)
        committed = self._watermarks.committed(group, targets)
        behind = [
            (high - committed[spot], f"{spot[0]}:{spot[1]} committed to {committed[spot]:,} of {high:,}")
            for spot, high in targets.items()
            if committed[spot] < high
        ]
        return _summed("announcements not stitched", behind)

    def _announce(self, stale: pl.Series) -> None:
        writer = KafkaWriter(self._settings.kafka)
        try:
            DirtyAnnouncer(writer).announce(pl.DataFrame({"subject": stale, "ident_key": stale}), None)
        finally:
            writer.close()


def _hurried(settings: ClickHouseSettings, timeout_s: float) -> ClickHouseSettings:
    """Let no single question take longer than all of them may."""
    most = timedelta(seconds=max(SHORTEST_ANSWER_S, timeout_s))
    bounded = {"query_timeout": min(settings.query_timeout, most), "insert_timeout": min(settings.insert_timeout, most)}
    return settings.model_copy(update=bounded)


def _dropped(account: PartitionAccount, low: int) -> int:
    """Count what is neither landed nor in the log any more: it counts as lost with the next record that is read."""
    spans = account.spans
    return uncovered(spans, spans[0][0], low) if spans and spans[0][0] < low else 0


def _summed(step: str, behind: Iterable[tuple[int, str]]) -> list[Behind]:
    """Return one finding for all partitions, naming the three that are furthest behind; none if none is."""
    worst = sorted(behind, reverse=True)
    more = f" and {len(worst) - 3} more" if len(worst) > 3 else ""
    where = "; ".join(place for _, place in worst[:3]) + more
    return [Behind(step, sum(number for number, _ in worst), where)] if worst else []
