"""The HTTP collector: touchpoints in, a receipt for each, nothing accepted before Kafka has confirmed it."""

from pipeline.producers.collector.running import run_collector

__all__ = ["run_collector"]
