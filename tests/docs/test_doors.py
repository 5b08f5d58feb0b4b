"""Clients of other systems, and our own killed at random: every touchpoint is in `v_touchpoints` exactly once."""

import base64
import gzip
import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.docs.conftest import Shop
from tests.docs.pages import ROOT
from tests.producers.faults import Fault, FaultyProxy
from tests.producers.sdk_kills import faults, kill_again_and_again

TROUBLE: Sequence[Fault] = ("503", "cut after", "429", "cut before", "cut after", "500")

CLIENTS = ROOT / ".cache" / "clients" / "bin" / "python"
HAS_CLIENTS = (ROOT / ".cache" / "clients" / ".installed").exists()
NODE_CLIENTS = ROOT / ".cache" / "clients" / "node"
NODE = shutil.which("node")


class SegmentStyleClient:
    """
    Sends as Segment's and RudderStack's server libraries do.

    In batches, with the write key as Basic user, again and again on 5xx, 429 and broken connections, never again on any
    other 4xx.
    """

    def __init__(self, address: str, write_key: str, *, packs: bool) -> None:
        self._netloc = urlsplit(address).netloc
        self._packs = packs
        key = base64.b64encode(f"{write_key}:".encode()).decode()
        self._headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}

    def send(self, batch: list[dict[str, Any]]) -> None:
        body = json.dumps({"batch": batch, "sentAt": "2026-03-01T11:00:00Z"}).encode()
        headers = dict(self._headers)
        if self._packs:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        for _ in range(12):
            connection = http.client.HTTPConnection(self._netloc, timeout=30)
            try:
                connection.request("POST", "/v1/batch", body, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
                continue
            finally:
                connection.close()
            if answer.status == 429 or answer.status >= 500:
                time.sleep(float(answer.headers["Retry-After"]) * 0.1)
                continue
            assert answer.status == 200
            return
        raise AssertionError("given up")


def arrived(shop: Shop, run: str) -> dict[str, int]:
    waited = shop.throughline("wait", "--timeout", "120")
    assert waited.code == 0, waited.err
    rows = shop.analyst.rows(
        f"SELECT event_id, count() AS times FROM v_touchpoints WHERE startsWith(event_id, '{run}') GROUP BY 1"
    )
    return {row["event_id"]: int(row["times"]) for row in rows}


@pytest.mark.parametrize("packs", [False, True])
def test_a_client_in_trouble_gets_every_id_in_exactly_once(shop: Shop, packs: bool) -> None:
    run = uuid4().hex
    proxy = FaultyProxy(shop.run["collector"], TROUBLE)
    with proxy.running():
        client = SegmentStyleClient(proxy.address, shop.run["write_key"], packs=packs)
        for batch in range(4):
            client.send(
                [
                    {
                        "type": "track",
                        "event": "Product Viewed",
                        "messageId": f"{run}-{batch * 10 + number}",
                        "timestamp": "2026-03-01T10:04:00Z",
                        "anonymousId": f"a-{run}-{number}",
                        "properties": {"product_id": "p-1"},
                    }
                    for number in range(10)
                ]
            )
    assert proxy.is_played
    assert arrived(shop, run) == {f"{run}-{number}": 1 for number in range(40)}


PROGRAM = """
import sys, uuid
import segment.analytics, rudderstack.analytics

address, key, run = sys.argv[1:]
failed = []
clients = [
    segment.analytics.Client(key, host=address, on_error=lambda *fault: failed.append(fault), gzip=True, max_retries=9),
    rudderstack.analytics.Client(key, host=address, on_error=lambda *fault: failed.append(fault), gzip=True),
]
for name, client in zip(("segment", "rudder"), clients):
    person = f"{run}-{name}"
    client.identify(person, {"email": f"{person}@example.org"}, message_id=f"{run}-{name}-identify")
    client.page(person, "docs", "Home", {"url": "https://shop.example/"}, message_id=f"{run}-{name}-page")
    client.group(person, "g-1", message_id=f"{run}-{name}-group")
    for number in range(30):
        client.track(person, "Order Completed", {"order_id": f"o-{run}-{name}-{number}", "total": 19.99},
                     message_id=f"{run}-{name}-{number}")
    client.flush()
    client.join()
assert not failed, failed
"""


NODE_PROGRAM = """
const { Analytics } = require("@segment/analytics-node");
const Rudder = require("@rudderstack/rudder-sdk-node");

const [address, key, run] = process.argv.slice(1);
const fail = (fault) => { console.error(fault); process.exitCode = 1; };

function send(client, name, id) {
  const userId = `${run}-${name}`;
  client.identify({ userId, traits: { email: `${userId}@example.org` }, messageId: id("identify") });
  const home = { url: "https://shop.example/" };
  client.page({ userId, category: "docs", name: "Home", properties: home, messageId: id("page") });
  client.group({ userId, groupId: "g-1", messageId: id("group") });
  for (let number = 0; number < 30; number += 1) {
    const properties = { order_id: `o-${run}-${name}-${number}`, total: 19.99 };
    client.track({ userId, event: "Order Completed", properties, messageId: id(number) });
  }
}

async function main() {
  const segment = new Analytics({ writeKey: key, host: address, maxRetries: 9 });
  segment.on("error", fail);
  send(segment, "segment", (name) => `${run}-segment-${name}`);
  await segment.closeAndFlush({ timeout: 60000 });
  const rudder = new Rudder(key, { dataPlaneUrl: address, retryCount: 9, errorHandler: fail });
  send(rudder, "rudder", (name) => `${run}-rudder-${name}`);
  do await rudder.flush(); while (rudder.queue.length); // it sends one batch at a time
  await rudder.flush();
  process.exit();
}

main().catch(fail);
"""


@pytest.mark.parametrize("language", ["python", "node"])
def test_unmodified_libraries_of_segment_and_rudderstack_get_every_id_in_exactly_once(
    shop: Shop, language: str
) -> None:
    program = [NODE, "-e", NODE_PROGRAM] if language == "node" else [str(CLIENTS), "-c", PROGRAM]
    if not HAS_CLIENTS or (language == "node" and not (NODE and (NODE_CLIENTS / "node_modules").exists())):
        pytest.skip(f"no unmodified {language} clients here: `make clients` gets them")
    run = uuid4().hex
    proxy = FaultyProxy(shop.run["collector"], ("503", "cut after", "429"))
    with proxy.running():
        arguments = [*map(str, program), proxy.address, shop.run["write_key"], run]
        folder = NODE_CLIENTS if language == "node" else None
        subprocess.run(arguments, check=True, timeout=120, cwd=folder)
    assert proxy.is_played
    names = ["identify", "page", "group", *map(str, range(30))]
    assert arrived(shop, run) == {f"{run}-{client}-{name}": 1 for client in ("segment", "rudder") for name in names}
    (orders,) = shop.analyst.rows(
        f"SELECT count() AS orders, sum(amount_minor) AS money FROM v_touchpoints WHERE startsWith(order_id, 'o-{run}')"
    )
    assert (int(orders["orders"]), int(orders["money"])) == (60, 60 * 1999)


def test_a_program_killed_at_random_loses_and_doubles_nothing(shop: Shop, tmp_path: Path) -> None:
    """Three times here; `make kills` does it fifty times."""
    source, expected = kill_again_and_again(dict(shop.run), 3, seed=7, spool=tmp_path / "spool")
    waited = shop.throughline("wait", "--timeout", "120")
    assert waited.code == 0, waited.err
    assert faults(shop.analyst.rows, source, expected) == []
