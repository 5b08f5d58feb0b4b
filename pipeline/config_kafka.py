"""The settings of Kafka: how it is reached, how consumers behave, and how the topics that we create are kept."""

from datetime import timedelta
from typing import Final, Literal

from pydantic import Field, model_validator

from pipeline.config_types import Duration, Group

SILENT_LEADER: Final = timedelta(seconds=6)
"""
How long our producers wait for an answer before they ask another broker.

A leader that its peers cannot reach takes records and never confirms them, and may be asked for the leaders for ever.
"""


class KafkaSettings(Group):
    """How workers and producers reach Kafka, and how their consumers behave."""

    bootstrap: str = Field("localhost:9092", description="Comma-separated host:port list of brokers to start from.")
    group: str = Field("throughline", min_length=1, description="Prefix of the consumer groups (`<group>-land`, …).")
    log_id: str = Field(
        "",
        description="Name of this incarnation of the broker's log; empty: the Kafka cluster id.",
    )
    partitions: int = Field(4, ge=1, le=1024, description="Partitions of each topic that we create.")
    replication: int = Field(1, ge=1, le=9, description="Replicas of each topic that we create.")
    min_insync_replicas: int = Field(1, ge=1, le=9, description="Replicas that must have a record before it counts.")
    retention: Duration = Field(timedelta(days=7), description="How long touchpoint topics keep records.")
    journeys_cleanup_policy: Literal["compact", "compact,delete", "delete"] = Field(
        "compact",
        description="cleanup.policy of journeys.updated: compact keeps the newest record of every journey for ever, "
        "with delete records go by age. Touchpoint topics have delete: records of one key are many touchpoints.",
    )
    journeys_retention: Duration = Field(
        timedelta(days=30), description="How long journeys.updated keeps records, where its policy has delete."
    )
    instance_id: str = Field(
        "",
        max_length=200,
        description="Stable name of this worker in its group (static membership), so that a restarted one takes its "
        "partitions back at once. Never two living workers with one name; empty: none.",
    )
    membership_file: str = Field(
        "",
        description="Where a worker notes its membership, so that its successor can end it; for brokers without static "
        "membership. Empty: nowhere.",
    )
    session_timeout: Duration = Field(timedelta(seconds=10), description="Silence after which a worker counts as dead.")
    heartbeat_interval: Duration = Field(timedelta(seconds=3), description="How often a worker says that it lives.")
    rebalance_timeout: Duration = Field(timedelta(seconds=30), description="Time workers get to rejoin in a rebalance.")
    commit_interval: Duration = Field(timedelta(seconds=1), description="How often finished offsets are committed.")
    fetch_max_bytes: int = Field(8_388_608, ge=65_536, description="Bytes fetched from one partition at a time.")
    prefetch_bytes: int = Field(
        33_554_432, ge=1_048_576, description="Memory of unfinished records that a worker reads ahead."
    )
    max_record_bytes: int = Field(1_048_576, ge=1_024, description="Largest record that producers send.")
    feeder_max_lag_bytes: int = Field(
        0,
        ge=0,
        description="Feeders wait while a partition has more unread (0: no wait; the embedded broker sets it).",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> "KafkaSettings":
        if 2 * self.heartbeat_interval > self.session_timeout:
            raise ValueError("heartbeat_interval must be at most half of session_timeout; a third is usual")
        if self.min_insync_replicas > self.replication:
            raise ValueError("min_insync_replicas must not exceed replication, or no record ever counts as written")
        return self
