"""
Sending straight to Kafka: acknowledged by all replicas, by an idempotent producer.

The rule owned here: a batch is delivered when Kafka has confirmed all of it. After a failure the producer is made anew,
because an idempotent one may have ended for good; what had arrived comes again and is stored once.
"""

from collections.abc import Sequence

import orjson

from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.producers.errors import BrokerUnavailableError, ProducerError
from pipeline.producers.feeder import Feeder
from pipeline.producers.sdk.outcomes import Delivery, SinkAwayError
from pipeline.producers.sdk.settings import SendSettings


class KafkaSink:
    """
    A producer of its own; its thread is the caller's.

    Args:
        bootstrap: Brokers to start from.
        settings: How long to be patient, and how far readers may lag.
    """

    def __init__(self, bootstrap: str, settings: SendSettings) -> None:
        self._kafka = KafkaSettings(
            bootstrap=bootstrap, group=settings.kafka_group, feeder_max_lag_bytes=settings.kafka_max_lag_bytes
        )
        self._patience = settings.patience
        self._feeder: Feeder | None = None

    def deliver(self, batch: Sequence[bytes], now_ms: int) -> list[Delivery]:
        """Produce a batch and wait for Kafka's reports; see `Sink`."""
        deliveries = []
        try:
            if self._feeder is None:
                self._feeder = Feeder(self._kafka, self._patience)
            for entry in batch:
                event = parse_touchpoint(orjson.loads(entry))
                if isinstance(event, list):
                    # Of another version's spool, say: what it took is no touchpoint by today's schemas.
                    problem = event[0]
                    event_id = orjson.loads(entry).get("id", "")
                    deliveries.append(Delivery(event_id, "rejected", problem.reason, problem.pointer, problem.detail))
                    continue
                event["sent_at"] = now_ms if event["sent_at"] is None else event["sent_at"]
                self._feeder.send(encode_touchpoint(event))
                deliveries.append(Delivery(event["id"], "accepted"))
            self._feeder.flush()
        except BrokerUnavailableError as error:
            self._give_up()
            raise SinkAwayError(f"{error.fault}; they are sent again by themselves") from error
        except ProducerError as error:
            self._give_up()
            raise SinkAwayError(str(error)) from error
        return deliveries

    def close(self) -> None:
        """Let go of the broker."""
        self._give_up()

    def _give_up(self) -> None:
        if self._feeder is not None:
            feeder, self._feeder = self._feeder, None
            feeder.__exit__(ProducerError, None, None)
