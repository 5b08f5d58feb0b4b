"""Who takes part beside us: as whose process each runs, on which brokers, and how many events it gets of a hundred."""

from collections.abc import Mapping
from dataclasses import dataclass

EMBEDDED, KAFKA = "embedded", "kafka"
BROKERS = (EMBEDDED, KAFKA)


@dataclass(frozen=True)
class Contestant:
    """
    One way to do the job.

    Attributes:
        title: Its name in words.
        run: Its module among the peers, or its Java class.
        own: The folder of its own under the cache; empty: it runs in our environment.
        percent: Its share of the events, so that no run takes long; the slower, the less.
        rows: The most that it writes with one INSERT; 0 where it writes by partition, many times in any run.
        is_java: Whether it is a Java class.
        brokers: Which of the brokers it can speak to.
        may_double: Whether a second process shares its work; the Java ones have two threads of their own.
    """

    title: str
    run: str
    own: str = ""
    percent: int = 100
    rows: int = 0
    is_java: bool = False
    brokers: tuple[str, ...] = BROKERS
    may_double: bool = True

    @property
    def least_events(self) -> int:
        """Of how many events its share comes in more than one INSERT, or all of it would be the warm-up."""
        return self.rows * 100 // self.percent + 1


# The mock broker has no interface to make topics, which those need that keep a changelog.
PEERS: Mapping[str, Contestant] = {
    "faust": Contestant("Faust, one event at a time, Table", "one_by_one", percent=6, rows=1_000),
    "quix": Contestant("Quix Streams 3.28", "quix", own="quix", percent=20, brokers=(KAFKA,)),
    "bytewax": Contestant("Bytewax 0.21", "bytewax_flow", own="bytewax", percent=30, rows=10_000, may_double=False),
    "plain": Contestant("a loop over confluent-kafka", "plain", percent=50, rows=20_000),
    "kafka_streams": Contestant(
        "Kafka Streams 4.1", "StreamsPeer", "streams", is_java=True, brokers=(KAFKA,), may_double=False
    ),
    "flink": Contestant(
        "Flink 2.2", "FlinkPeer", "flink", rows=10_000, is_java=True, brokers=(KAFKA,), may_double=False
    ),
}
OURS = ("ours", "bound")
