"""
Every metric that Throughline exports, as data: name, kind, labels with all their values, meaning.

Metrics are built from this list and nowhere else, so that dashboards, alerts and documents can be checked against it.
Labels are closed sets: a value that is not listed counts as `other`, an id never becomes a label.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version

from pipeline.contracts.reasons import Reason
from pipeline.contracts.topics import STITCH_DIRTY, TOUCHPOINT_TOPICS

OTHER = "other"
"""Label value of everything that the catalogue does not list."""

STAGES = ("collect", "land", "stitch")
OUTCOMES = ("received", "stored", "duplicate", "rejected")
PARTS = (
    "decode",
    "facts",
    "insert",
    "complete",
    "announce",
    "closure",
    "read",
    "compute",
    "ledger",
    "write",
    "publish",
    "batch",
)
TABLES = (
    "touchpoints",
    "touchpoint_contents",
    "identity_links",
    "identity_statements",
    "rejected",
    "landed",
    "stitched",
)
RECORD_STATES = ("landed", "rejected", "lost", "in_flight", "unaccounted")
CAUSES = ("warehouse", "broker", "unexpected")
STATUSES = ("2xx", "400", "401", "413", "429", "4xx", "5xx")

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
FRESHNESS_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0)
SIZE_BUCKETS = (1.0, 10.0, 100.0, 1_000.0, 5_000.0, 10_000.0, 20_000.0, 40_000.0, 60_000.0, 100_000.0)


class Kind(StrEnum):
    """What Prometheus may do with a metric."""

    COUNTER = "counter"
    """Only grows, until the process starts anew."""

    GAUGE = "gauge"
    """Goes up and down."""

    HISTOGRAM = "histogram"
    """Counts observations by size."""


@dataclass(frozen=True)
class MetricSpec:
    """
    One metric.

    Attributes:
        name: Full name, with unit and, for counters, `_total`.
        kind: Counter, gauge or histogram.
        help: What it tells and when to worry.
        labels: Name of each label and the values that it may take.
        buckets: Upper bounds, for a histogram.
    """

    name: str
    kind: Kind
    help: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()


def _own_version() -> str:
    try:
        return version("throughline")
    except PackageNotFoundError:
        return "unknown"


_STAGE = {"stage": STAGES}

CATALOGUE: tuple[MetricSpec, ...] = (
    MetricSpec(
        "throughline_build_info",
        Kind.GAUGE,
        "Always 1; the label tells which version runs.",
        {"version": (_own_version(),)},
    ),
    MetricSpec(
        "throughline_events_total",
        Kind.COUNTER,
        "Touchpoints by stage and what became of them; restarts with the process. Landing counts as stored what it"
        " inserts: which of it was there already is found when it is read, and counted in v_accounting.",
        {"stage": STAGES, "outcome": OUTCOMES},
    ),
    MetricSpec(
        "throughline_rejected_total",
        Kind.COUNTER,
        "Records refused because of what is in them, by reason.",
        {"reason": tuple(reason.value for reason in Reason)},
    ),
    MetricSpec(
        "throughline_deferred_keys_total",
        Kind.COUNTER,
        "Identifiers of large customers that a batch left to the slow lane (their journeys are a little less fresh).",
    ),
    MetricSpec(
        "throughline_freshness_seconds",
        Kind.HISTOGRAM,
        "From the receipt of a touchpoint until queries see it: land (facts), stitch (journeys).",
        _STAGE,
        FRESHNESS_BUCKETS,
    ),
    MetricSpec(
        "throughline_consumer_lag_records",
        Kind.GAUGE,
        "Records of this worker's partitions that are not committed yet.",
        {"topic": (*TOUCHPOINT_TOPICS, STITCH_DIRTY)},
    ),
    MetricSpec(
        "throughline_unaccounted_events",
        Kind.GAUGE,
        "Received less stored, duplicate, rejected and in flight, from offsets and landed ranges: 0 at rest.",
    ),
    MetricSpec(
        "throughline_accounted_records",
        Kind.GAUGE,
        "What became of the records of this worker's partitions, from offsets and landed ranges; the sum is what Kafka "
        "took. `landed`: stored or duplicate. By partition and hour: `v_accounting`.",
        {"topic": TOUCHPOINT_TOPICS, "state": RECORD_STATES},
    ),
    MetricSpec(
        "throughline_parked_records",
        Kind.GAUGE,
        "Records that wait because the schema registry cannot say what their schema id names.",
    ),
    MetricSpec(
        "throughline_lost_records_total",
        Kind.COUNTER,
        "Records that the broker dropped before they were read.",
        {"topic": (*TOUCHPOINT_TOPICS, STITCH_DIRTY)},
    ),
    MetricSpec(
        "throughline_last_progress_timestamp_seconds",
        Kind.GAUGE,
        "When work was last finished, as Unix time.",
        _STAGE,
    ),
    MetricSpec(
        "throughline_warehouse_insert_seconds",
        Kind.HISTOGRAM,
        "Time of one INSERT, by table.",
        {"table": TABLES},
        SECONDS_BUCKETS,
    ),
    MetricSpec(
        "throughline_stage_seconds",
        Kind.HISTOGRAM,
        "Time of the parts of one batch; `batch` is the whole.",
        {"stage": ("land", "stitch"), "part": PARTS},
        SECONDS_BUCKETS,
    ),
    MetricSpec(
        "throughline_batch_size",
        Kind.HISTOGRAM,
        "Records (land) or dirty identifiers (stitch) in one batch.",
        {"stage": ("land", "stitch")},
        SIZE_BUCKETS,
    ),
    MetricSpec(
        "throughline_retries_total",
        Kind.COUNTER,
        "Batches tried again, by the trouble that made it necessary.",
        {"stage": STAGES, "cause": CAUSES},
    ),
    MetricSpec(
        "throughline_blocked",
        Kind.GAUGE,
        "1 while a batch cannot be finished and is tried again and again.",
        _STAGE,
    ),
    MetricSpec(
        "throughline_chunks_in_flight",
        Kind.GAUGE,
        "Chunks read from Kafka and not finished.",
        {"stage": ("land", "stitch")},
    ),
    MetricSpec(
        "throughline_in_flight_bytes",
        Kind.GAUGE,
        "Memory of the chunks in flight.",
        {"stage": ("land", "stitch")},
    ),
    MetricSpec(
        "throughline_sweeps_total",
        Kind.COUNTER,
        "Searches for identifiers whose announcement was lost.",
    ),
    MetricSpec(
        "throughline_sweep_finds_total",
        Kind.COUNTER,
        "Identifiers that a sweep found stale.",
    ),
    MetricSpec(
        "throughline_announced_keys_total",
        Kind.COUNTER,
        "Dirty identifiers announced to the stitch workers.",
    ),
    MetricSpec(
        "throughline_journeys_published_total",
        Kind.COUNTER,
        "Changes of journeys published, tombstones included.",
    ),
    MetricSpec(
        "throughline_http_requests_total",
        Kind.COUNTER,
        "Answers of the collector, by status.",
        {"status": STATUSES},
    ),
    MetricSpec(
        "throughline_http_request_seconds",
        Kind.HISTOGRAM,
        "Time to answer a request to the collector, Kafka's delivery reports included.",
        {},
        SECONDS_BUCKETS,
    ),
    MetricSpec(
        "throughline_spooled_events",
        Kind.GAUGE,
        "Events that wait in the collector's spool until Kafka takes records again.",
    ),
    MetricSpec(
        "throughline_spool_cut_bytes",
        Kind.GAUGE,
        "Bytes at the end of the collector's spool that were no whole entry when it started, and were cut off.",
    ),
)
"""Every metric of ours, in the order in which they are exported. `process_*` and `python_info` come from the client."""
