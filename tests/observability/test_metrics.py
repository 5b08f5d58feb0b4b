"""The catalogue is what is exported, and label values stay closed."""

import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.observability.catalogue import CATALOGUE, FRESHNESS_BUCKETS, Kind
from pipeline.observability.metrics import Metrics, UnknownMetric, process_metrics

# The names of CONTRACT.md, with their labels.
PROMISED = {
    "throughline_events_total": {"stage", "outcome"},
    "throughline_freshness_seconds": None,
    "throughline_consumer_lag_records": None,
    "throughline_warehouse_insert_seconds": None,
    "throughline_rejected_total": {"reason"},
    "throughline_unaccounted_events": None,
    "throughline_last_progress_timestamp_seconds": None,
    "throughline_build_info": None,
}
UNITS = ("_seconds", "_bytes", "_total", "_records", "_events", "_info", "_size", "_blocked", "_in_flight")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def exported(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_every_metric_is_exported_with_help_and_type(metrics: Metrics) -> None:
    text = exported(metrics)
    for spec in CATALOGUE:
        assert f"# TYPE {spec.name} {spec.kind.value}\n" in text
        assert f"# HELP {spec.name} {spec.help}\n" in text


def test_exports_nothing_that_the_catalogue_lacks(metrics: Metrics) -> None:
    families = {family.name for family in text_string_to_metric_families(exported(metrics))}
    known = {spec.name.removesuffix("_total") for spec in CATALOGUE}
    # The client adds when each counter was created.
    assert {name for name in families if not name.endswith("_created")} == known


def test_the_catalogue_keeps_its_promises() -> None:
    specs = {spec.name: spec for spec in CATALOGUE}
    assert len(specs) == len(CATALOGUE)
    for name, labels in PROMISED.items():
        assert labels is None or set(specs[name].labels) == labels
    for spec in CATALOGUE:
        assert re.fullmatch(r"throughline_[a-z_]+", spec.name)
        assert spec.name.endswith(UNITS)
        assert (spec.kind is Kind.COUNTER) == spec.name.endswith("_total")
        assert bool(spec.buckets) == (spec.kind is Kind.HISTOGRAM)
        assert not any(label.endswith("id") for label in spec.labels)
        assert spec.help.endswith(".")


def test_counts_and_sets(metrics: Metrics) -> None:
    metrics.count("throughline_events_total", 3, stage="land", outcome="stored")
    metrics.count("throughline_events_total", stage="land", outcome="stored")
    metrics.set("throughline_unaccounted_events", 7)
    assert value(metrics, "throughline_events_total", stage="land", outcome="stored") == 4
    assert value(metrics, "throughline_unaccounted_events") == 7


def test_series_exist_before_the_first_event(metrics: Metrics) -> None:
    assert value(metrics, "throughline_events_total", stage="stitch", outcome="rejected") == 0
    assert value(metrics, "throughline_rejected_total", reason="no_identifier") == 0


def test_an_unlisted_value_counts_as_other(metrics: Metrics) -> None:
    metrics.count("throughline_rejected_total", 2, reason="customer-4711")
    assert value(metrics, "throughline_rejected_total", reason="other") == 2
    assert "4711" not in exported(metrics)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("throughline_nothing_total", {}),
        ("throughline_events_total", {"stage": "land"}),
        ("throughline_rejected_total", {"reason": "other", "topic": "x"}),
        ("throughline_unaccounted_events", {}),
    ],
)
def test_an_unknown_name_kind_or_label_is_a_fault(metrics: Metrics, name: str, labels: dict[str, str]) -> None:
    with pytest.raises(UnknownMetric):
        metrics.count(name, 1, **labels)


def test_a_batch_of_observations_lands_in_cumulative_buckets(metrics: Metrics) -> None:
    metrics.observe_all("throughline_freshness_seconds", [0.05, 0.1, 0.11, 9.0, 1e9], stage="land")
    metrics.observe("throughline_freshness_seconds", 0.2, stage="land")
    bucket = "throughline_freshness_seconds_bucket"
    assert value(metrics, bucket, stage="land", le="0.1") == 2
    assert value(metrics, bucket, stage="land", le="0.25") == 4
    assert value(metrics, bucket, stage="land", le="10.0") == 5
    assert value(metrics, bucket, stage="land", le=repr(FRESHNESS_BUCKETS[-1])) == 5
    assert value(metrics, bucket, stage="land", le="+Inf") == 6
    assert value(metrics, "throughline_freshness_seconds_count", stage="land") == 6
    assert value(metrics, "throughline_freshness_seconds_sum", stage="land") == pytest.approx(1e9 + 9.46)


def test_no_observation_changes_nothing(metrics: Metrics) -> None:
    metrics.observe_all("throughline_freshness_seconds", [], stage="land")
    assert value(metrics, "throughline_freshness_seconds_count", stage="land") is None


def test_the_process_tells_its_memory() -> None:
    registry = CollectorRegistry()
    process_metrics(registry)
    memory = registry.get_sample_value("process_resident_memory_bytes")
    assert memory is not None
    assert memory > 1e6
