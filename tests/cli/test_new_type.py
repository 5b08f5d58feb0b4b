"""A new type takes one file and one row: done in a scratch copy of the source, against the real warehouse."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.config import ClickHouseSettings, child_environment
from pipeline.contracts.schemas import schemas_folder

ROOT = Path(__file__).parent.parent.parent
ROW = (
    '"delivery.handed_over" = { family = "deliveries", stage = "receive", channel = "post", direction = "outbound", '
    'body = ["neighbour_floor", "carrier"], required = ["neighbour_floor"], doc = "A neighbour took the parcel." }\n'
)
LAST_FIELD = '"doc": "Condition of the parcel."}'
FIELD = '{"name": "neighbour_floor", "type": ["null", "int"], "default": null, "doc": "Floor of the neighbour."}'

COMMANDS = (("schemas", "check"), ("schemas", "diff"), ("migrate",))
# One process for everything: each would first compile the whole scratch copy.
RUN_LAND_AND_ASK = """
import json, sys
from dataclasses import astuple
from pipeline.config import load_settings
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.records import Chunk
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from tests.cli.conftest import run_here
from tests.streaming.samples import chunk

class Nobody:
    def announce(self, keys, received_at_ms): pass

said = [astuple(run_here(*arguments)) for arguments in json.loads(sys.argv[1])]
settings = load_settings()
client = connect(settings.clickhouse)
touchpoint = {"id": "n-1", "type": "delivery.handed_over", "source": "carrier", "occurred_at": "2026-03-01T10:00:00Z",
    "identities": [{"kind": "email", "value": "ada@example.org"}], "body": {"neighbour_floor": 4, "carrier": "DHL"}}
event = parse_touchpoint(touchpoint)
assert isinstance(event, dict), event
missing = parse_touchpoint({**touchpoint, "body": {}})
value = encode_touchpoint(event).value
landing = Landing(FactStore(client), Nobody(), settings.identity, Origin("log-1", 100_000))
outcome = landing.land([chunk("touchpoints.deliveries", [value])])
asked = "SELECT type, stage, channel, neighbour_floor, carrier FROM v_touchpoints WHERE event_id = 'n-1'"
print(json.dumps([said, outcome.stored, [str(p) for p in missing], client.query(asked).result_rows]))
"""


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_one_file_and_one_row_make_a_type(tmp_path: Path, fresh_database: ClickHouseSettings) -> None:
    """The gate passes, `migrate` adds the column, the event is judged, lands and is queried by its new field."""
    scratch = tmp_path / "scratch"
    shutil.copytree(ROOT / "pipeline", scratch / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(schemas_folder(), scratch / "schemas")
    edit(scratch / "schemas" / "deliveries.avsc", LAST_FIELD, f"{LAST_FIELD},\n      {FIELD}")
    with (scratch / "schemas" / "types.toml").open("a", encoding="utf-8") as table:
        table.write(ROW)
    environment = child_environment(
        {
            "PYTHONPATH": f"{scratch}:{ROOT}",
            "THROUGHLINE_CLICKHOUSE__URL": fresh_database.url.get_secret_value(),
            "THROUGHLINE_IDENTITY__HASH_KEY": "k" * 32,
        }
    )

    done = subprocess.run(
        [sys.executable, "-c", RUN_LAND_AND_ASK, json.dumps(COMMANDS)],
        cwd=scratch,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (checked, diff, migrated), stored, missing, rows = json.loads(done.stdout)
    assert [code for code, _, _ in (checked, diff, migrated)] == [0, 0, 0], (checked, diff, migrated)
    assert "68 types: fit 1 released version" in checked[1]
    assert "deliveries: body/neighbour_floor" in diff[1]
    assert "as this version declares it" in migrated[1]
    assert stored == 1
    assert missing == ["missing_field at /body/neighbour_floor: this field is required"]
    assert rows == [["delivery.handed_over", "receive", "post", 4, "DHL"]]
