"""The settings of the schema registry."""

from datetime import timedelta

from pydantic import Field, SecretStr

from pipeline.config_types import Duration, Group


class RegistrySettings(Group):
    """The schema registry (Confluent's API); with one, records name their schema by its id."""

    url: SecretStr = Field(
        SecretStr(""),
        description="http(s)://user:password@host:port/path of the registry's API; empty: none, and records are single "
        "objects.",
    )
    timeout: Duration = Field(timedelta(seconds=5), description="Longest wait for an answer.")
    retry_after: Duration = Field(
        timedelta(seconds=5), description="How long an id that could not be resolved is not asked for again."
    )
