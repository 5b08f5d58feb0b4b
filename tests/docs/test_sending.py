"""Touchpoints sent as the documents say arrive, and garbage is told."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.docs.conftest import TUTORIAL, Shop
from tests.docs.pages import ROOT, blocks

SENDING = ROOT / "docs" / "send-events.md"


def test_the_tutorials_own_touchpoints_become_one_customer(shop: Shop) -> None:
    (lines,) = [block.text for block in blocks(TUTORIAL) if block.language == "jsonl"]
    imported = shop.throughline("import", "events", "-", stdin=lines.encode())
    assert imported.code == 1
    assert "accepted 3, duplicate 0, rejected 1" in imported.out
    for fault in ("line 4 (x-1): invalid_value at /occurred_at", "line 4 (x-1): unknown_type at /type"):
        assert fault in imported.out + imported.err
        assert fault in TUTORIAL.read_text(encoding="utf-8")

    (command,) = [block.text for block in blocks(TUTORIAL) if "/v1/touchpoints" in block.text]
    _, _, rest = command.partition(" -d '")
    answer = post(shop, rest.rpartition("'")[0])
    (shown,) = [block.text for block in blocks(TUTORIAL) if block.language == "json"]
    assert answer == json.loads(shown)

    assert shop.throughline("wait").code == 0
    story = shop.throughline("customer", "phone:+49 30 1234567").out
    assert "4 touchpoints · 1 visit · 1 journey · 1 order · 49.00 EUR · 3 pain points" in story
    for kind in ("unresolved contact", "long wait", "low score"):
        assert f"▲ {kind}" in story


def test_the_python_program_sends_what_the_collector_would(shop: Shop, tmp_path: Path) -> None:
    (program,) = [block.text for block in blocks(SENDING) if block.language == "python"]
    schema = shop_schema("orders")
    (tmp_path / "orders.avsc").write_text(schema, encoding="utf-8")
    subprocess.run([sys.executable, "-c", program, shop.run["kafka"]], cwd=tmp_path, check=True, timeout=60)
    assert shop.throughline("wait").code == 0
    rows = shop.analyst.rows("SELECT order_id, coupon, amount_minor FROM v_touchpoints WHERE source = 'erp'")
    assert [(row["order_id"], row["coupon"], int(row["amount_minor"])) for row in rows] == [("N-1", "SPRING", 1999)]


def test_garbage_is_told_and_counted(shop: Shop) -> None:
    (block,) = [block for block in blocks(TUTORIAL) if "b'not Avro'" in block.text]
    program = block.text.split('"')[1].replace("throughline-data/run.json", str(shop.throughline.folder / "run.json"))
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert shop.throughline("wait").code == 0
    (row,) = shop.analyst.rows("SELECT topic, reason, detail, payload FROM v_rejected")
    assert (row["topic"], row["reason"], row["payload"]) == ("touchpoints.web", "undecodable", "not Avro")
    assert row["detail"] in TUTORIAL.read_text(encoding="utf-8")
    status = shop.throughline("status").out
    assert "rejected 1 +" in status
    assert "unaccounted for 0" in status


def shop_schema(family: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "schemas", "show", family],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return shown.stdout


def post(shop: Shop, body: str) -> object:
    request = urllib.request.Request(
        f"{shop.run['collector']}/v1/touchpoints",
        data=body.encode(),
        headers={"Authorization": f"Bearer {shop.run['write_key']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202
        return json.loads(answer.read())
