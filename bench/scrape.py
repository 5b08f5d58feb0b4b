"""What a worker's own metrics say: where its time went."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families


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

    def _samples(self, family: str, name: str) -> list[tuple[dict[str, str], float]]:
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            text = answer.read().decode()
        families = [found for found in text_string_to_metric_families(text) if found.name == family]
        return [(sample.labels, sample.value) for found in families for sample in found.samples if sample.name == name]
