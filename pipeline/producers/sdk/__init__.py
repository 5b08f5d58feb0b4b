"""The Python SDK: touchpoints sent from a program, over HTTP or straight to Kafka."""

from pipeline.producers.sdk.asynchronous import AsyncThroughline
from pipeline.producers.sdk.client import Throughline
from pipeline.producers.sdk.outcomes import Counters, Delivery, InvalidTouchpointError, UndeliveredError
from pipeline.producers.sdk.settings import SendSettings

__all__ = [
    "AsyncThroughline",
    "Counters",
    "Delivery",
    "InvalidTouchpointError",
    "SendSettings",
    "Throughline",
    "UndeliveredError",
]
