"""
Where the SDK sends to: the contract of a sink, and how one is chosen by an address.

A sink is called by one thread, one batch at a time.
"""

from collections.abc import Sequence
from typing import Protocol

from pipeline.producers.sdk.outcomes import Delivery
from pipeline.producers.sdk.settings import SendSettings


class Sink(Protocol):
    """Takes batches of touchpoints as JSON."""

    def deliver(self, batch: Sequence[bytes], now_ms: int) -> list[Delivery]:
        """
        Deliver a batch, however often it takes: sending the same batch again is always safe.

        Args:
            batch: Touchpoints as JSON, each with its id.
            now_ms: The moment of sending, epoch milliseconds; the `sent_at` of those that have none.

        Returns:
            What became of each, in order. Nothing is returned before all are confirmed.

        Raises:
            SinkAwayError: If it cannot be said of all of them; the caller waits and sends the batch again.
        """

    def close(self) -> None:
        """Let go of connections. Called once, after the last batch."""


def sink_for(address: str, write_key: str, settings: SendSettings) -> Sink:
    """
    Return the sink of an address: `http://…` and `https://…` a collector, `host:port,…` Kafka.

    Raises:
        ValueError: If the address is neither.
    """
    if address.startswith(("http://", "https://")):
        from pipeline.producers.sdk.http_sink import HttpSink  # noqa: PLC0415 - programs over HTTP need no Kafka

        return HttpSink(address, write_key, settings.patience)
    bootstrap = address.removeprefix("kafka://")
    if "/" in bootstrap or ":" not in bootstrap:
        raise ValueError(f"{address}: neither a collector (http://host:port) nor Kafka (host:port)")
    from pipeline.producers.sdk.kafka_sink import KafkaSink  # noqa: PLC0415 - programs over HTTP need no Kafka

    return KafkaSink(bootstrap, settings)
