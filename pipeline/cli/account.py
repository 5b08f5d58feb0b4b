"""The account that `status` gives: how far every topic is, and whether every record is accounted for."""

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.cli.clickhouse import PATIENCE_S, place_of, require_answer
from pipeline.cli.rules_state import describe_state, effective
from pipeline.cli.watermarks import Watermarks, require_kafka_answer
from pipeline.config import Settings
from pipeline.contracts.topics import STITCH_DIRTY, TOUCHPOINT_TOPICS
from pipeline.streaming.announcing import land_group, stitch_group
from pipeline.warehouse.accounting import Accounting, account
from pipeline.warehouse.accounting import Watermarks as Marks
from pipeline.warehouse.connection import connect
from pipeline.warehouse.rules import RulesBook

# A Kafka that lives says so at once, however busy it is; `status` is for those who see that something is wrong.
KAFKA_PATIENCE_S = 1.5


@dataclass(frozen=True)
class TopicLag:
    """Records that a topic holds and that its readers have not finished."""

    topic: str
    reader: str
    records: int
    unread: int


@dataclass(frozen=True)
class Identity:
    """
    The accounting identity: received = stored + duplicate + rejected + lost + in flight + unaccounted.

    Computed from Kafka's offsets and the landed ranges, over all logs that were ever read; a killed process cannot
    falsify it.
    """

    received: int
    stored: int
    duplicate: int
    rejected: int
    lost: int
    in_flight: int
    unaccounted: int


@dataclass(frozen=True)
class LiveVersion:
    """One rules version whose results are kept up to date."""

    number: int
    active: bool
    state: str


@dataclass(frozen=True)
class Account:
    """Lag by topic, the identity over all of them, and the rules versions that live."""

    topics: list[TopicLag]
    identity: Identity
    rules: list[LiveVersion]

    def as_json(self) -> dict[str, Any]:
        """Return the account as JSON."""
        return {
            "topics": [asdict(topic) for topic in self.topics],
            "accounting": asdict(self.identity),
            "rules": [asdict(version) for version in self.rules],
        }


def take_account(settings: Settings) -> Account:
    """
    Balance Kafka against the warehouse.

    Raises:
        CommandError: If Kafka or the warehouse does not answer.
        WarehouseUnavailable: If the warehouse goes away meanwhile.
    """
    require_answer(place_of(settings.clickhouse.url.get_secret_value()), PATIENCE_S)
    require_kafka_answer(settings.kafka.bootstrap, KAFKA_PATIENCE_S)
    settings = effective(settings)
    readers = {topic: land_group(settings.kafka) for topic in TOUCHPOINT_TOPICS}
    readers[STITCH_DIRTY] = stitch_group(settings.kafka, settings.stitching.rules_version)
    lags: dict[str, list[int]] = {}
    marks = {}
    with Watermarks(settings.kafka.bootstrap) as watermarks:
        log_id = settings.kafka.log_id or watermarks.log_id()
        ranges = watermarks.ranges(readers)
        committed = {
            group: watermarks.committed(group, [spot for spot in ranges if readers[spot[0]] == group])
            for group in set(readers.values())
        }
    for spot, (low, high) in ranges.items():
        done = committed[readers[spot[0]]][spot]
        records, unread = lags.setdefault(spot[0], [0, 0])
        lags[spot[0]] = [records + high - low, unread + max(0, high - max(low, done))]
        if spot[0] != STITCH_DIRTY:
            marks[spot] = Marks(low, done, high)
    balance = account(connect(settings.clickhouse), log_id, marks)
    topics = [TopicLag(topic, readers[topic], *numbers) for topic, numbers in lags.items()]
    living = RulesBook(connect(settings.clickhouse)).versions()
    rules = [LiveVersion(one.number, one.is_active, describe_state(one.progress)) for one in living if one.is_live]
    return Account(topics, identity_of(balance), rules)


def identity_of(balance: Accounting) -> Identity:
    """
    Return the identity of a balance; its terms add up at every moment (pure).

    Touchpoints that are stored before the range of their batch is are in flight by their offsets: they count once.
    """
    in_flight = max(0, balance.in_flight - balance.stored_ahead)
    terms = (balance.stored, balance.duplicates, balance.rejected, balance.lost, in_flight, balance.unaccounted)
    return Identity(sum(terms), *terms)
