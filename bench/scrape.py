"""What a worker's own metrics say: where its time went, and how fresh its results were."""

import urllib.request
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

Buckets = Mapping[float, float]


class Worker:
    """
    The metrics endpoint of one worker.

    Args:
        port: Where it serves them on the loopback.
    """

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"

    def seconds_by_part(self) -> dict[str, float]:
        """Return the seconds spent in each part of the batches so far, the whole batch not among them."""
        found = {}
        for labels, value in self._samples("throughline_stage_seconds", "throughline_stage_seconds_sum"):
            if labels["part"] != "batch" and value:
                found[labels["part"]] = value
        return found

    def last_progress(self, stage: str) -> float:
        """Return when the worker finished its newest batch, 0 if it has none."""
        name = "throughline_last_progress_timestamp_seconds"
        return max((value for labels, value in self._samples(name, name) if labels["stage"] == stage), default=0.0)

    def freshness(self) -> Buckets:
        """Return how many events became visible within each bound (seconds), cumulative, since the start."""
        samples = self._samples("throughline_freshness_seconds", "throughline_freshness_seconds_bucket")
        return {float(labels["le"]): value for labels, value in samples if labels["stage"] == "stitch"}

    def _samples(self, family: str, name: str) -> list[tuple[dict[str, str], float]]:
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            text = answer.read().decode()
        families = [found for found in text_string_to_metric_families(text) if found.name == family]
        return [(sample.labels, sample.value) for found in families for sample in found.samples if sample.name == name]


def quantile(share: float, before: Buckets, after: Buckets) -> float:
    """
    Return the quantile of what was observed between two readings, as Prometheus interpolates it within a bucket.

    Args:
        share: 0.5 for the median.
        before: Cumulative buckets at the first reading; may be empty.
        after: Those at the second.

    Raises:
        ValueError: If nothing was observed in between.
    """
    counts = {bound: after[bound] - before.get(bound, 0.0) for bound in sorted(after)}
    total = max(counts.values(), default=0.0)
    if total <= 0:
        raise ValueError("nothing became visible in between")
    rank, low, below = share * total, 0.0, 0.0
    for bound, count in counts.items():
        if count >= rank:
            return low if bound == float("inf") else low + (bound - low) * (rank - below) / max(count - below, 1.0)
        low, below = bound, count
    return low
