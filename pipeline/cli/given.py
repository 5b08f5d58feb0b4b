"""
What the settings that somebody gives to `up` mean: some have no effect here, some are not those of what runs.

One rule: a setting that was given and does nothing is said. Secrets are compared by a digest, and never shown.
"""

import hashlib
from collections.abc import Mapping

from pydantic import BaseModel, SecretStr

from pipeline.cli.installation import KAFKA
from pipeline.cli.settings import MASK, describe_settings
from pipeline.config import Settings, environment_name

_BROKER, _WORKERS = "the installation has a broker of its own", "every worker has its own"
_MEMORY = "the embedded broker keeps what fits into its memory"
_ONE = "there is one broker, so one replica"
# Settings by group and name that an installation on one machine sets itself, and why; then those of one broker.
_LOCAL = {
    ("kafka", "bootstrap"): _BROKER,
    ("kafka", "log_id"): _BROKER,
    ("kafka", "feeder_max_lag_bytes"): "the kind of broker decides how far feeders may be ahead",
    ("kafka", "replication"): _ONE,
    ("kafka", "min_insync_replicas"): _ONE,
    ("kafka", "instance_id"): _WORKERS,
    ("kafka", "membership_file"): _WORKERS,
    ("clickhouse", "url"): "the installation has a warehouse of its own",
}
_EMBEDDED = {("kafka", name): _MEMORY for name in ("retention", "journeys_cleanup_policy", "journeys_retention")}
_KAFKA = {("embedded", "partition_bytes"): "Apache Kafka keeps its log on disk"}


def overruled(broker: str) -> dict[tuple[str, str], str]:
    """Return the settings that have no effect in an installation with this kind of broker, and why."""
    return {**_LOCAL, **(_KAFKA if broker == KAFKA else _EMBEDDED)}


def without_effect(settings: Settings, broker: str) -> list[str]:
    """Return a line for every setting that is given and has no effect in an installation on this machine."""
    return [
        f"{environment_name(group, name)} has no effect here: {why}"
        for (group, name), why in overruled(broker).items()
        if name in getattr(settings, group).model_fields_set
    ]


def told(settings: Settings) -> dict[str, str]:
    """Return the settings that are set, by name; of a secret its digest."""
    said = {}
    for one in describe_settings(settings):
        if one.is_set:
            group: BaseModel = getattr(settings, one.group)
            said[one.name] = _digest(getattr(group, one.key)) if MASK in one.value else one.value
    return said


def differing(settings: Settings, running: Mapping[str, str], broker: str) -> list[str]:
    """
    Return a line for every setting that is other than what runs has been started with.

    Args:
        settings: Those of this moment.
        running: What `told` said when it was started.
        broker: The kind of broker that runs.
    """
    ignored = {environment_name(*name) for name in overruled(broker)}
    defaults = {one.name: one.default for one in describe_settings(settings)}
    given, lines = told(settings), []
    for name in sorted((given.keys() | running.keys()) - ignored):
        here, there = (values.get(name, defaults.get(name, "")) for values in (given, running))
        if here == there:
            continue
        if MASK in here or MASK in there:
            lines.append(f"{name} is not what it was started with")
        else:
            lines.append(f"{name} is {here or 'empty'}; it was started with {there or 'empty'}")
    return lines


def _digest(value: object) -> str:
    revealed = (
        {key: _digest(inner) for key, inner in value.items()}
        if isinstance(value, dict)
        else value.get_secret_value()
        if isinstance(value, SecretStr)
        else value
    )
    return f"{MASK} {hashlib.sha256(repr(revealed).encode()).hexdigest()[:12]}"
