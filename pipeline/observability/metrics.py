"""
The metrics of one process, built from the catalogue on a registry that the caller owns.

A name or a label that the catalogue does not know is a fault of the program and raises; a label *value* that it does
not know counts as `other`. All series of counters and gauges exist from the start, so that the first event shows as a
rise and an alert on absence means something.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, PlatformCollector, ProcessCollector

from pipeline.observability.catalogue import CATALOGUE, OTHER, Kind, MetricSpec
from pipeline.observability.histogram import BatchHistogram


class UnknownMetric(KeyError):  # noqa: N818 - reads as what it says
    """The catalogue has no such metric, or the metric no such label."""


class Metrics:
    """
    Counts, sets and observes; every method may be called from any thread.

    Args of the constructor are the registry to register on and, for tests, another catalogue.
    """

    def __init__(self, registry: CollectorRegistry, catalogue: Iterable[MetricSpec] = CATALOGUE) -> None:
        self.registry = registry
        self._specs: dict[str, MetricSpec] = {}
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, BatchHistogram] = {}
        for spec in catalogue:
            self._register(spec)
        if "throughline_build_info" in self._specs:
            self.set("throughline_build_info", 1, version=self._specs["throughline_build_info"].labels["version"][0])

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter."""
        values = self._values(name, Kind.COUNTER, labels)
        counter = self._counters[name]
        (counter.labels(*values) if values else counter).inc(value)

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        values = self._values(name, Kind.GAUGE, labels)
        gauge = self._gauges[name]
        (gauge.labels(*values) if values else gauge).set(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation to a histogram."""
        self.observe_all(name, (value,), **labels)

    def observe_all(
        self, name: str, values: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], **labels: str
    ) -> None:
        """Add many observations to a histogram at once."""
        label_values = self._values(name, Kind.HISTOGRAM, labels)
        if len(values):
            self._histograms[name].observe(label_values, values)

    def _register(self, spec: MetricSpec) -> None:
        self._specs[spec.name] = spec
        names = list(spec.labels)
        if spec.kind is Kind.HISTOGRAM:
            self._histograms[spec.name] = BatchHistogram(spec)
            self.registry.register(self._histograms[spec.name])
            return
        metric: Counter | Gauge
        if spec.kind is Kind.COUNTER:
            metric = self._counters[spec.name] = Counter(spec.name, spec.help, names, registry=self.registry)
        else:
            metric = self._gauges[spec.name] = Gauge(spec.name, spec.help, names, registry=self.registry)
        for values in product(*spec.labels.values()) if names else ():
            metric.labels(*values)

    def _values(self, name: str, kind: Kind, labels: Mapping[str, str]) -> tuple[str, ...]:
        spec = self._specs.get(name)
        if spec is None or spec.kind is not kind:
            raise UnknownMetric(f"{name}: the catalogue has no such {kind.value}")
        if labels.keys() != spec.labels.keys():
            raise UnknownMetric(f"{name}: labels are {sorted(spec.labels)}, not {sorted(labels)}")
        return tuple(labels[label] if labels[label] in known else OTHER for label, known in spec.labels.items())


def process_metrics(registry: CollectorRegistry) -> None:
    """Add what the client knows of this process: memory, CPU, open files, version of Python."""
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
