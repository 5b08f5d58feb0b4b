"""
Every setting of Throughline, once: name, type, unit, default and meaning.

Settings come from the environment (`THROUGHLINE_<GROUP>__<NAME>`) and from a TOML file (`THROUGHLINE_SETTINGS`
names it, with one table per group); the environment wins. Nobody holds a global instance: `load_settings` is called
once per process and every constructor receives the group it needs. Faults are reported all at once.
"""

import gc
import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, TypeAdapter, ValidationError, model_validator

from pipeline.config_collector import CollectorSettings
from pipeline.config_kafka import KafkaSettings
from pipeline.config_pain import PainPointSettings
from pipeline.config_registry import RegistrySettings
from pipeline.config_types import Duration
from pipeline.config_types import Group as _Group

PREFIX = "THROUGHLINE_"
SETTINGS_FILE_VARIABLE = "THROUGHLINE_SETTINGS"
DATA_VARIABLE = "THROUGHLINE_DATA"
# Where the tests find the Olist files: no setting, but it may stand in the environment of a test run.
OLIST_VARIABLE = "THROUGHLINE_OLIST_DIR"
DEFAULT_DATA = Path("throughline-data")

# Values that systems send when they know no value: linking on them would join strangers (CONTRACT: Identifiers).
DEFAULT_BLOCKLIST = (
    "",
    "null",
    "none",
    "nil",
    "undefined",
    "nan",
    "n/a",
    "na",
    "anonymous",
    "guest",
    "unknown",
    "test",
    "id",
    "email",
    "user",
    "true",
    "false",
    "0",
    "-1",
    "00000000-0000-0000-0000-000000000000",
    "[object object]",
)


class SettingsError(Exception):
    """Settings that cannot be used: every fault with its name, what is wrong and what is expected."""


class ClickHouseSettings(_Group):
    """How everything reaches the warehouse."""

    url: SecretStr = Field(
        SecretStr("http://default@localhost:8123/throughline"),
        description="http(s)://user:password@host:port/database of ClickHouse.",
    )
    insert_timeout: Duration = Field(timedelta(seconds=60), description="Longest time one INSERT may take.")
    query_timeout: Duration = Field(timedelta(seconds=120), description="Longest time one read may take.")
    retry_backoff_max: Duration = Field(timedelta(seconds=2), description="Longest pause between two tries.")


class LandingSettings(_Group):
    """Micro-batches of the LAND agent; they grow with the load up to the maximum."""

    max_batch_records: int = Field(60_000, ge=1, description="Most records in one INSERT.")
    linger: Duration = Field(timedelta(milliseconds=100), description="How long a small batch waits for company.")


class StitchingSettings(_Group):
    """Rules and micro-batches of the STITCH agent."""

    rules_version: int = Field(1, ge=1, description="Version of the rules whose results this worker writes.")
    visit_gap: Duration = Field(timedelta(minutes=30), description="Longest silence within a visit (inclusive).")
    journey_gap: Duration = Field(timedelta(days=30), description="Longest silence within a journey (inclusive).")
    max_batch_keys: int = Field(1_500_000, ge=1, description="Most announced identifiers in one batch.")
    max_rest: Duration = Field(
        timedelta(seconds=30),
        description="Longest rest while landing is behind: what comes twice then is done once.",
    )
    linger: Duration = Field(timedelta(milliseconds=150), description="How long a small batch waits for company.")
    large_customer: int = Field(
        20_000, ge=1, description="Touchpoints or identifiers beyond which a customer is made anew in the slow lane."
    )
    sweep_interval: Duration = Field(timedelta(seconds=60), description="How often lost announcements are looked for.")
    sweep_margin: Duration = Field(
        timedelta(seconds=120), description="Longer than any INSERT may take: facts whose landing never completed."
    )

    @model_validator(mode="after")
    def _gaps_nest(self) -> "StitchingSettings":
        if self.visit_gap > self.journey_gap:
            raise ValueError("visit_gap must not be longer than journey_gap: a visit lies within one journey")
        return self


class IdentitySettings(_Group):
    """How identifiers are normalised, hashed and capped (rules: docs/identity.md)."""

    hash_key: SecretStr = Field(
        SecretStr(""), description="Secret key of ident_key; made at the first `up` when empty."
    )
    phone_region: str = Field("", description="ISO 3166 region for phone numbers in national form; empty: none.")
    blocklist: tuple[str, ...] = Field(DEFAULT_BLOCKLIST, description="Values (any case) that identify nobody.")
    cap_loyalty_accounts: int = Field(1, ge=1, description="Accounts beyond which a loyalty_id is shared.")
    cap_contact_accounts: int = Field(
        2, ge=1, description="customer_ids or loyalty_ids beyond which email, phone are shared."
    )
    cap_phone_emails: int = Field(5, ge=1, description="E-mail addresses beyond which a phone is shared.")
    cap_other_accounts: int = Field(
        1, ge=1, description="customer_ids or loyalty_ids beyond which weaker kinds are shared."
    )
    cap_other_contacts: int = Field(3, ge=1, description="Emails or phones beyond which weaker kinds are shared.")
    cap_weaker_devices: int = Field(
        1000, ge=1, description="Links towards device_id, cookie_id or other beyond which they die."
    )
    cap_weaker_contacts: int = Field(
        50, ge=1, description="Links towards weaker email, phone, loyalty_id, … beyond which they die."
    )
    cap_same_kind: int = Field(10, ge=1, description="Links towards the own kind beyond which those links die.")


class ObservabilitySettings(_Group):
    """Metrics, health and logs of a process."""

    host: str = Field("127.0.0.1", description="Address of /metrics, /livez and /readyz.")
    port: int = Field(0, ge=0, le=65535, description="Port of /metrics, /livez and /readyz; 0: a free one.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe line written.")
    log_format: Literal["text", "json"] = Field("text", description="One line of text or one JSON object a line.")
    progress_timeout: Duration = Field(timedelta(seconds=60), description="No progress with work waiting: not live.")


class EmbeddedSettings(_Group):
    """The local broker and warehouse."""

    partition_bytes: int = Field(
        5_000_000,
        ge=1_000_000,
        description="What one partition of the embedded broker holds before it drops the oldest.",
    )
    warehouse_memory_bytes: int = Field(
        1_000_000_000, ge=200_000_000, description="Memory the embedded warehouse may use for all its queries."
    )
    query_memory_bytes: int = Field(600_000_000, ge=50_000_000, description="Memory one query may use.")
    query_timeout: Duration = Field(timedelta(seconds=60), description="Longest time one outside query may take.")
    kafka_folder: str = Field(
        "", description="Folder of the jars that `make kafka` gets; empty: `.cache/kafka` of the checkout."
    )
    kafka_heap_bytes: int = Field(
        402_653_184, ge=134_217_728, description="Heap (-Xmx) of the Apache Kafka of `up --broker kafka`."
    )


class Settings(_Group):
    """All settings, by group."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    clickhouse: ClickHouseSettings = Field(default_factory=ClickHouseSettings)
    landing: LandingSettings = Field(default_factory=LandingSettings)
    stitching: StitchingSettings = Field(default_factory=StitchingSettings)
    identity: IdentitySettings = Field(default_factory=IdentitySettings)
    pain_points: PainPointSettings = Field(default_factory=PainPointSettings)
    collector: CollectorSettings = Field(default_factory=CollectorSettings)
    observability: ObservabilitySettings = Field(default_factory=ObservabilitySettings)
    embedded: EmbeddedSettings = Field(default_factory=EmbeddedSettings)
    registry: RegistrySettings = Field(default_factory=RegistrySettings)


def load_settings(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """
    Read the settings of this process.

    Args:
        environ: Environment to read; the process's own when None.
        file: TOML file with a table per group; when None, the one that `THROUGHLINE_SETTINGS` names, if any.

    Returns:
        The settings, checked.

    Raises:
        SettingsError: If a name is unknown or a value does not fit; the message lists every fault.
    """
    source = os.environ if environ is None else environ
    if file is None and source.get(SETTINGS_FILE_VARIABLE):
        file = Path(source[SETTINGS_FILE_VARIABLE])
    merged = _read_file(file) if file is not None else {}
    faults: list[str] = []
    for name in sorted(source):
        if not name.startswith(PREFIX) or name in (SETTINGS_FILE_VARIABLE, DATA_VARIABLE, OLIST_VARIABLE):
            continue
        group, separator, key = name[len(PREFIX) :].lower().partition("__")
        if not separator or group not in Settings.model_fields:
            faults.append(f"{name}: unknown setting; `throughline settings` lists all of them")
            continue
        table = merged.setdefault(group, {})
        if isinstance(table, dict):
            table[key] = source[name]
    return _validated(merged, faults)


def data_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the local installation that `THROUGHLINE_DATA` names, or the default."""
    source = os.environ if environ is None else environ
    return Path(source.get(DATA_VARIABLE) or DEFAULT_DATA)


# How our processes allocate: one thread of polars each, and freed pages go back to the machine within half a second. A
# buffer of a batch has pages of its own: glibc would soon keep up to 32 MB each among small ones, and give none back.
_ALLOCATION = {
    "POLARS_MAX_THREADS": "1",
    "_RJEM_MALLOC_CONF": "background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "2097152",
}


def child_environment(overrides: Mapping[str, str], environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a process that we start: this process's own with `overrides` laid over it."""
    ours = os.environ if environ is None else environ
    # A refused record makes polars panic inside; what it prints must not look like a crash in every log. And a machine
    # runs several workers: with one thread each they take a tenth less of its cores, and less memory.
    return {**_ALLOCATION, **ours, "RUST_BACKTRACE": "0", **overrides}


def spare_collections() -> None:
    """
    Let this process look for cycles of objects seldom; said once it has imported everything.

    Records are objects by the hundred thousand and none is in a cycle: looking after every few hundred new ones took
    twice as long as parsing them, and a tenth of the time of judging them.
    """
    gc.freeze()
    gc.set_threshold(100_000)


def environment_name(group: str, name: str) -> str:
    """Return the environment variable of one setting, as `THROUGHLINE_KAFKA__BOOTSTRAP`."""
    return f"{PREFIX}{group.upper()}__{name.upper()}"


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror}); name a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error


def _validated(merged: dict[str, Any], faults: list[str]) -> Settings:
    for group, table in merged.items():
        if isinstance(table, dict) and group in Settings.model_fields:
            merged[group] = {key: _from_text(group, key, value) for key, value in table.items()}
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            place = [str(part) for part in fault["loc"]]
            name = (
                environment_name(place[0], "__".join(place[1:]))
                if len(place) > 1
                else place[0]
                if place
                else "settings"
            )
            what = "unknown setting" if fault["type"] == "extra_forbidden" else fault["msg"]
            faults.append(f"{name}: {what}")
    if faults or settings is None:
        raise SettingsError("\n".join(faults))
    return settings


def _from_text(group: str, key: str, value: object) -> object:
    """Read lists and tables, which the environment can only give as JSON text."""
    field = Settings.model_fields[group].annotation
    assert field is not None
    model_field = getattr(field, "model_fields", {}).get(key)
    if (
        isinstance(value, str)
        and model_field is not None
        and getattr(model_field.annotation, "__origin__", None) in (tuple, dict)
    ):
        try:
            return TypeAdapter(Any).validate_json(value)
        except ValidationError:
            return value
    return value
