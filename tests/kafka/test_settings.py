"""Settings of Kafka that cannot work together are refused before anything starts."""

import pytest
from pydantic import ValidationError

from pipeline.config_kafka import KafkaSettings


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"session_timeout": "6s", "heartbeat_interval": "3001ms"}, "at most half of session_timeout"),
        ({"session_timeout": "1s"}, "at most half of session_timeout"),
        ({"replication": 1, "min_insync_replicas": 2}, "must not exceed replication"),
    ],
)
def test_what_cannot_work_together_is_refused(settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        KafkaSettings.model_validate(settings)


def test_what_just_works_together_is_taken() -> None:
    fitting = {"session_timeout": "6s", "heartbeat_interval": "3s", "replication": 3, "min_insync_replicas": 3}
    assert KafkaSettings.model_validate(fitting).replication == 3
