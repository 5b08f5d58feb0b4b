"""How the SDK sends; every value has a default that suits a service with one process."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from pipeline.config import IdentitySettings
from pipeline.config_types import Duration, Group


class SendSettings(Group):
    """What may be chosen about sending."""

    spool: Path | None = Field(None, description="Folder of a queue on disk that survives a crash; None: in memory.")
    spool_max_bytes: int = Field(1_073_741_824, ge=1_048_576, description="What may wait on disk; then `send` waits.")
    max_waiting: int = Field(10_000, ge=1, description="Touchpoints that may wait in memory; then `send` waits.")
    max_batch: int = Field(500, ge=1, le=10_000, description="Most touchpoints sent together.")
    linger: Duration = Field(timedelta(milliseconds=20), description="How long the first of a batch waits for company.")
    patience: Duration = Field(
        timedelta(seconds=30),
        description="How long leaving waits for what is on its way, and one request for its answer.",
    )
    kafka_max_lag_bytes: int = Field(
        0,
        ge=0,
        description="Over Kafka: wait while readers lag by more (for the embedded broker: 2_000_000); 0: never.",
    )
    kafka_group: str = Field("throughline", description="Over Kafka: prefix of the groups whose lag counts.")
    identity: IdentitySettings = Field(
        default_factory=IdentitySettings, description="What identifies nobody: values that are refused here already."
    )
