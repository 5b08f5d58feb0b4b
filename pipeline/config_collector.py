"""The settings of the HTTP collector."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from pipeline.config_types import Duration, Group

Vocabulary = Literal["segment", "ga4", "snowplow", "tracardi"]


class CollectorSettings(Group):
    """The HTTP collector."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(0, ge=0, le=65535, description="Port to listen on; 0: a free one.")
    write_keys: dict[str, SecretStr] = Field(default_factory=dict, description="Name → key of everyone who may write.")
    keys_file: Path | None = Field(
        None, description="TOML file of write keys with what each may send; read again when it changes."
    )
    events_per_second: float = Field(
        0, ge=0, description="Events a second that a key without a limit of its own may send; 0: any number."
    )
    default_currency: str = Field("USD", pattern="^[A-Z]{3}$", description="Currency where a sender names none.")
    vocabularies: tuple[Vocabulary, ...] = Field(
        ("segment", "ga4", "snowplow", "tracardi"),
        description="Whose event names are understood in Segment messages; the first that knows a name counts.",
    )
    allowed_origins: tuple[str, ...] = Field(
        (), description="Origins of web pages that may send, as `https://shop.example`; `*`: all."
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Networks whose word on the client's address is taken (X-Forwarded-For), as `10.0.0.0/8`."
    )
    max_request_bytes: int = Field(20_971_520, ge=1024, description="Largest decoded request.")
    max_request_events: int = Field(10_000, ge=1, description="Most events in one request.")
    max_waiting_bytes: int = Field(
        268_435_456, ge=1_048_576, description="Decoded bytes of all requests at work; beyond, they are told to wait."
    )
    delivery_timeout: Duration = Field(timedelta(seconds=20), description="Longest wait for Kafka's delivery report.")
    idle_timeout: Duration = Field(
        timedelta(seconds=75),
        ge=timedelta(seconds=1),
        description="How long a connection may be without the head of a request; keep a proxy's time-out below it.",
    )
    spool: Path | None = Field(
        None, description="Folder where events wait while Kafka is away; unset: they are refused with 503."
    )
    spool_max_bytes: int = Field(1_073_741_824, ge=1_048_576, description="What may wait in the spool.")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ip_network(network)  # a ValueError tells what is wrong with it
        return networks
