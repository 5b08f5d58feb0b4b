"""A worker and a broker that comes late, and goes: nobody has to help, and it ends when told."""

from pathlib import Path

from pipeline.config import ClickHouseSettings
from tests.embedded.servers import new_broker
from tests.kafka.servers import free_ports
from tests.streaming.test_app_worker import worker


def test_a_worker_waits_for_its_broker_and_ends_when_told_though_it_is_gone_again(
    tmp_path: Path, fresh_database: ClickHouseSettings
) -> None:
    (port,) = free_ports(1)
    settings = {
        "THROUGHLINE_KAFKA__BOOTSTRAP": f"127.0.0.1:{port}",
        "THROUGHLINE_CLICKHOUSE__URL": fresh_database.url.get_secret_value(),
        "THROUGHLINE_IDENTITY__HASH_KEY": "a key for tests",
    }
    with worker("land", tmp_path, settings) as running:
        running.wait_for("/readyz", 503, "broker")
        assert running.get("/livez")[0] == 200
        with new_broker(data=tmp_path / "broker", port=port) as broker:
            running.wait_for("/readyz", 200)
            broker.kill()
        code, seconds = running.stop()
    assert code == 0, running.log.read_text()
    assert seconds < 10
