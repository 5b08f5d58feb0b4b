"""On a running installation: dead letters mended, and rows of others imported."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from pipeline.cli.runfile import read_run
from pipeline.contracts.examples import example_of
from pipeline.contracts.wire import REPLAY_HEADER
from tests.cli.conftest import Installation, Outcome

TOPIC = "touchpoints.feedback"


def answered(number: int, **changes: Any) -> dict[str, Any]:
    shown = example_of("survey.answered")
    return {**shown, "id": f"s-{number}", **changes}


@pytest.fixture(scope="module")
def shop(installation: Installation) -> Iterator[Installation]:
    """An installation into whose topic somebody sent JSON, some of it wrong, and rubbish."""
    run = read_run(installation.folder)
    assert run is not None
    producer = Producer({"bootstrap.servers": run.kafka})
    wrong = {"instrument": "nps", "rating": "9"}
    values = [json.dumps(answered(1)), json.dumps(answered(2, body=wrong)), json.dumps(answered(3, body=wrong))]
    for value in (*(text.encode() for text in values), b"rubbish", None):
        producer.produce(TOPIC, value, partition=0)
    assert producer.flush(10) == 0
    assert installation("wait", "--timeout", "60").code == 0
    yield installation


def rows(shop: Installation, sql: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shop("query", sql, "--json").out.splitlines()]


def data(outcome: Outcome) -> Any:
    return json.loads(outcome.out)


def named_by(shop: Installation) -> list[str]:
    """Return of every record of the topic which dead letter it says that it mends; empty where none."""
    run = read_run(shop.folder)
    assert run is not None
    consumer = Consumer({"bootstrap.servers": run.kafka, "group.id": "look", "enable.partition.eof": True})
    partitions = consumer.list_topics(TOPIC).topics[TOPIC].partitions
    consumer.assign([TopicPartition(TOPIC, partition, OFFSET_BEGINNING) for partition in partitions])
    found, ends = [], 0
    while ends < len(partitions):
        for record in consumer.consume(100, 10):
            ends += record.error() is not None
            if record.error() is None:
                headers = dict(record.headers() or ())
                found.append(os.fsdecode(headers.get(REPLAY_HEADER) or "").rpartition("/")[2])
    consumer.close()
    return found


def test_a_dead_letter_is_mended_once_and_for_all(shop: Installation) -> None:
    place = f"{TOPIC}:0:1"
    patch = ("--step", "rename /body/rating /body/score", "--step", "cast /body/score integer")
    dry = shop("rejected", "fix", place, *patch, "--dry-run")
    assert dry.code == 0, dry.err
    assert '"rating":"9"' in dry.out
    assert '"score":9' in dry.out
    assert rows(shop, "SELECT count() AS n FROM v_rejected WHERE state != 'open'") == [{"n": 0}]

    fixed = shop("rejected", "fix", place, *patch, "--by", "ada", "--json")
    assert fixed.code == 0, fixed.err
    assert (data(fixed)["repaired"], data(fixed)["refused"]) == (1, 0)
    assert shop("wait", "--timeout", "60").code == 0
    (row,) = rows(
        shop, "SELECT state, repaired_at > rejected_at AS later, repaired_by FROM v_rejected WHERE offset = 1"
    )
    assert (row["state"], row["later"]) == ("repaired", 1)
    assert row["repaired_by"] == "fixed by ada: rename /body/rating /body/score; cast /body/score integer"
    assert rows(shop, "SELECT score FROM v_touchpoints WHERE event_id = 's-2'") == [{"score": 9}]

    # The record that mends it says so: were it refused after all, that would be no second dead letter.
    assert [name for name in named_by(shop) if name] == [place]

    # It is not offered again; sent again all the same, it is stored once.
    assert shop("rejected", "fix", place, *patch).code == 1
    assert shop("rejected", "fix", place, *patch, "--again", "--by", "bob").code == 0
    assert shop("wait", "--timeout", "60").code == 0
    assert rows(shop, "SELECT count() AS n FROM v_touchpoints WHERE event_id = 's-2'") == [{"n": 1}]
    assert rows(shop, "SELECT count() AS n FROM v_rejected") == [{"n": 5}]

    # Mended otherwise, the last word holds.
    assert shop("rejected", "fix", place, *patch, "--step", "set /body/score 3", "--again", "--by", "bob").code == 0
    assert shop("wait", "--timeout", "60").code == 0
    assert rows(shop, "SELECT score FROM v_touchpoints WHERE event_id = 's-2'") == [{"score": 3}]
    (row,) = rows(shop, "SELECT repaired_by FROM v_rejected WHERE offset = 1")
    assert row["repaired_by"].endswith("; set /body/score 3; set /revision 1")
    shown = shop("rejected", "show", place)
    assert "fixed by bob" in shown.out
    assert '"rating": "9"' in shown.out


def test_a_replay_sends_what_would_be_taken_and_tells_the_rest(shop: Installation) -> None:
    replayed = shop("rejected", "replay", "--reason", "undecodable", "--json")
    assert replayed.code == 1
    told = {record["record"]: record for record in data(replayed)["records"]}
    assert told[f"{TOPIC}:0:0"]["sent_to"] == TOPIC
    assert [problem["pointer"] for problem in told[f"{TOPIC}:0:2"]["problems"]] == ["/body/rating", "/body/score"]
    assert told[f"{TOPIC}:0:3"]["before"] is None
    assert shop("wait", "--timeout", "60").code == 0
    assert rows(shop, "SELECT count() AS n FROM v_touchpoints WHERE event_id = 's-1'") == [{"n": 1}]
    assert rows(shop, "SELECT count() AS n FROM v_rejected WHERE state = 'open'") == [{"n": 3}]


def test_what_nobody_wants_is_dropped_and_stays_on_record(shop: Installation) -> None:
    dry = shop("rejected", "drop", "--reason", "tombstone", "--dry-run", "--json")
    assert data(dry) == {"would_be_dropped": [f"{TOPIC}:0:4"]}
    assert data(shop("rejected", "drop", "--reason", "tombstone", "--json")) == {"dropped": [f"{TOPIC}:0:4"]}
    listed = data(shop("rejected", "list", "--json"))
    assert listed["reasons"] == {"undecodable": 2}
    assert [group["records"] for group in listed["groups"]] == [2]
    assert sum(data(shop("rejected", "list", "--all", "--json"))["reasons"].values()) == 5
    assert shop("rejected", "drop", "--reason", "tombstone").code == 1


def test_every_record_is_still_accounted_for(shop: Installation) -> None:
    said = data(shop("status", "--json"))["accounting"]
    assert said["unaccounted"] == 0
    (row,) = rows(
        shop,
        f"SELECT sum(received) r, sum(stored) s, sum(duplicate) d, sum(rejected) x FROM v_accounting "
        f"WHERE topic = '{TOPIC}'",
    )
    assert (row["r"], row["s"], row["d"], row["x"]) == (9, 2, 2, 5)


@pytest.mark.parametrize("command", ["fix", "replay", "drop"])
def test_nothing_is_chosen_by_default(shop: Installation, command: str) -> None:
    more = ("--step", "drop /x") if command == "fix" else ()
    outcome = shop("rejected", command, *more)
    assert outcome.code == 2
    assert "--reason" in outcome.err
    assert shop("rejected", command, f"{TOPIC}:0:77", *more).code == 1


def test_rows_of_others_land(shop: Installation, tmp_path: Path) -> None:
    """CSV, an export and a topic, each twice: the second time changes nothing."""
    (tmp_path / "map.toml").write_text(
        'source = "erp"\n[[touchpoint]]\ntype = "return.requested"\n[touchpoint.fields]\n'
        'id = "no"\noccurred_at = { from = "at", zone = "Europe/Berlin" }\n"refs.return_id" = "no"\n',
        encoding="utf-8",
    )
    rows_of_others = "".join(f"r-{number},2026-03-01 10:00\n" for number in range(50))
    (tmp_path / "returns.csv").write_text(f"no,at\n{rows_of_others}r-x,soon\n", encoding="utf-8")
    message = {"type": "page", "messageId": "m-1", "anonymousId": "a-1", "timestamp": "2026-03-01T10:00:00Z"}
    (tmp_path / "export.jsonl").write_text(json.dumps(message) + "\n", encoding="utf-8")
    run = read_run(shop.folder)
    assert run is not None
    producer = Producer({"bootstrap.servers": run.kafka})
    producer.produce("erp.returns", json.dumps({"no": "r-topic", "at": "2026-03-01 12:00"}))
    assert producer.flush(10) == 0
    mapping = ("--map", str(tmp_path / "map.toml"))
    state = ("--checkpoint", str(tmp_path / "state"))
    for _ in range(2):
        told = shop("import", "csv", str(tmp_path / "returns.csv"), *mapping, *state, "--json")
        assert told.code == 1
        assert (data(told)["accepted"], data(told)["rejected"]) == (50, 1)
        told = shop("import", "export", str(tmp_path / "export.jsonl"), "--from", "segment", "--source", "web")
        assert told.code == 0, told.err
    assert data(shop("import", "topic", "erp.returns", *mapping, "--json"))["accepted"] == 1
    assert data(shop("import", "topic", "erp.returns", *mapping, "--json", "--wait"))["accepted"] == 0
    assert rows(shop, "SELECT count() AS n FROM v_touchpoints WHERE type = 'return.requested'") == [{"n": 51}]
    assert rows(shop, "SELECT source FROM v_touchpoints WHERE event_id = 'm-1'") == [{"source": "web"}]
    assert shop("import", "csv", "-", *mapping, *state).code == 2
    assert shop("import", "csv", str(tmp_path / "nowhere.csv"), *mapping).code == 2
    assert shop("import", "csv", str(tmp_path / "returns.csv"), "--map", str(tmp_path / "nowhere")).code == 2
