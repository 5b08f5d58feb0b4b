"""
Mutated requests against the collector's reading and judging, and mutated Avro records against the decoders.

`python -m tests.producers.fuzzing --inputs 1000000` (`make fuzz`). In this process, without sockets and Kafka: what a
request goes through after its bytes have come, and what a record goes through when it lands. It must hold for each:

- nothing but a refusal of the whole request or a receipt for each event; never another exception;
- every accepted event decodes to what it is, by the record-by-record decoder and by the columnar one: it lands;
- every refused one has a reason of the closed list and a pointer, and the records beside it land all the same;
- no input takes longer than a second, and memory does not grow.
"""

import argparse
import gzip
import json
import random
import resource
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import orjson
import polars as pl

from pipeline.config import IdentitySettings
from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.schemas import schema_by_fingerprint, schemas_folder
from pipeline.contracts.touchpoint import LARGEST_VALUE_BYTES, decode_touchpoint
from pipeline.producers.admission import Admission, Admitted
from pipeline.producers.collector.answers import Receipts, RequestRefused
from pipeline.producers.collector.cloudevents import read_batched, read_binary, read_structured
from pipeline.producers.collector.judging import Judge
from pipeline.producers.collector.keys import WriteKey
from pipeline.producers.collector.reading import Arrival, ReadEvents, read_json, read_lines
from pipeline.producers.collector.segment import KINDS, reader
from pipeline.producers.collector.unpacking import BodyReader, Room
from pipeline.producers.recent import RecentContents
from pipeline.producers.segment import VOCABULARIES, vocabulary
from pipeline.streaming.decode.values import ValueDecoder
from pipeline.streaming.decode.verdicts import judge
from tests.producers.mutating import Mutator, is_large

NOW = 1_790_000_000_000
KEY = WriteKey("fuzz", sources=frozenset({"web-shop"}), types=("*",))
SLOWEST_S = 1.0
RECORDS_AT_ONCE = 200
T = TypeVar("T")
PLACES = {"family": pl.String, "timestamp": pl.Int64}


class Fuzzer:
    """
    Makes inputs and checks what becomes of them.

    Args:
        seed: Same seed, same inputs.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._mutator = Mutator(self.chance)
        self.accepted = self.rejected = self.refused = 0
        self.slowest_s = 0.0
        examples = schemas_folder() / "examples"
        self._touchpoints = [json.loads(path.read_text()) for path in sorted(examples.glob("*.json"))]
        self._records = [_wire(path) for path in sorted(examples.glob("*.avro"))]
        self._messages = list(_messages())
        self._admission = Admission(IdentitySettings(), 1 << 20, keeps_receipt=False)
        self._read_segment = reader("USD", VOCABULARIES)
        self._decoder = ValueDecoder(LARGEST_VALUE_BYTES)
        self._to_land: list[bytes] = []

    def request(self) -> None:
        """Send one mutated request through reading and judging."""
        read, body, arrival = self._made_request()
        browser = self.chance.choice((None, "192.0.2.1"))

        def take() -> tuple[Receipts, list[Admitted], int]:
            events = read(body, arrival)
            receipts, admitted = Judge(self._admission, RecentContents(100)).judge(events, KEY, NOW, browser)
            orjson.dumps(receipts.as_json())
            return receipts, admitted, len(events)

        try:
            body = self._unpacked(body)
            receipts, admitted, events = self._timed(take)
        except RequestRefused as refused:
            assert 400 <= refused.status < 500, refused
            self.refused += 1
            return
        assert sum(receipts.counts.values()) == len(receipts.entries) == events
        for index, entry in enumerate(receipts.entries):
            assert entry["index"] == index
            if entry["status"] == "rejected":
                assert entry["pointer"] == "" or entry["pointer"].startswith("/"), entry
                assert entry["reason"], entry
        self.accepted += receipts.counts["accepted"]
        self.rejected += receipts.counts["rejected"]
        for each in admitted:
            decoded = decode_touchpoint(each.record.value)
            assert isinstance(decoded, dict), (decoded, each)
            assert decoded["id"] == each.event_id
            self._to_land.append(each.record.value)

    def records(self) -> None:
        """Land a batch of records, mutated and whole ones mixed, by both decoders."""
        whole = self._to_land[-RECORDS_AT_ONCE:]
        self._to_land = []
        whole += [self.chance.choice(self._records) for _ in range(RECORDS_AT_ONCE // 4)]
        broken = [self._mutator.data(self.chance.choice(self._records)) for _ in range(RECORDS_AT_ONCE)]
        values = whole + broken
        order = list(range(len(values)))
        self.chance.shuffle(order)
        mixed: list[bytes | None] = [values[index] for index in order]
        verdicts = self._timed(lambda: self._landed(mixed), len(mixed))
        for row, (index, value) in enumerate(zip(order, mixed, strict=True)):
            reason = verdicts.get(row)
            assert index >= len(whole) or reason is None, f"a whole record is refused: {reason}, {value!r}"
            alone = decode_touchpoint(value)
            # When a record was received is known to the columnar decoder alone.
            is_refused = reason not in (None, Reason.FUTURE_TIME)
            says = alone.reason if isinstance(alone, Problem) else None
            differ = f"the decoders differ: {reason}, {alone}, {value!r}"
            assert isinstance(alone, Problem) == is_refused, differ
            assert (says == Reason.UNDECODABLE) == (reason == Reason.UNDECODABLE), differ
        self.accepted += len(mixed) - len(verdicts)
        self.rejected += len(verdicts)

    def _landed(self, values: list[bytes | None]) -> dict[int, Reason]:
        """Decode and judge as landing does; returns the refused rows with their reasons."""
        decoded = self._decoder.decode(values)
        families = [_family(value) for value in values]
        places = pl.DataFrame({"family": families, "timestamp": [NOW] * len(values)}, schema=PLACES)
        rejections = judge(decoded, places).rejections if decoded.families else decoded.rejections
        return {rejection.row: rejection.problem.reason for rejection in rejections}

    def _made_request(self) -> tuple[ReadEvents, bytes, Arrival]:
        """Return a reader, a body for it and what is known beside it."""
        chance = self.chance
        form = chance.randrange(6)
        events = [self._mutator.value(chance.choice(self._touchpoints)) for _ in range(chance.randrange(1, 4))]
        arrival = Arrival(KEY, NOW, chance.choice((2, 100)))
        if form == 0:
            return read_json, self._written(events if len(events) > 1 else events[0]), arrival
        if form == 1:
            return read_lines, b"\n".join(self._written(event) for event in events), arrival
        if form == 2:
            kind = chance.choice(list(KINDS))
            messages = [self._mutator.value(chance.choice(self._messages)) for _ in events]
            is_batch = KINDS[kind] is None
            body = self._mutator.value({"batch": messages, "context": {"ip": "192.0.2.1"}}) if is_batch else messages[0]
            return self._read_segment, self._written(body), Arrival(KEY, NOW, 100, kind=kind)
        clouds = [self._mutator.value(_cloud(chance.choice(self._touchpoints))) for _ in events]
        if form == 3:
            return read_structured, self._written(clouds[0]), arrival
        if form == 4:
            return read_batched, self._written(clouds), arrival
        headers = {f"ce-{name}": str(value) for name, value in clouds[0].items() if name != "data"}
        return read_binary, self._written(clouds[0].get("data")), Arrival(KEY, NOW, 100, headers)

    def _written(self, value: object) -> bytes:
        body = (
            orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS) if not is_large(value) else json.dumps(value).encode()
        )
        return self._mutator.data(body) if self.chance.random() < 0.2 else body

    def _unpacked(self, body: bytes) -> bytes:
        """Pack and unpack, as requests may come, now and then broken."""
        draw = self.chance.random()
        if draw > 0.1:
            return body
        encoding = "gzip" if draw < 0.05 else "deflate"
        packed = gzip.compress(body, 1) if encoding == "gzip" else zlib.compress(body, 1)
        if self.chance.random() < 0.3:
            packed = self._mutator.data(packed)
        coming = BodyReader(encoding, 1 << 20, Room(1 << 21)).read(_pieces(packed))
        try:
            coming.send(None)
        except StopIteration as finished:
            found: bytes = finished.value
            return found
        raise AssertionError("reading waits for nothing here")

    def _timed(self, work: Callable[[], T], inputs: int = 1) -> T:
        """Do some work and see that it is done in time; a machine that was busy elsewhere gets more chances."""
        took_s = []
        for _ in range(3):
            began = time.perf_counter()
            result = work()
            took_s.append((time.perf_counter() - began) / inputs)
            if took_s[-1] < SLOWEST_S / 10:
                break
        self.slowest_s = max(self.slowest_s, min(took_s))
        assert min(took_s) < SLOWEST_S, f"{min(took_s):.2f} s for one input"
        return result


async def _pieces(data: bytes) -> Any:
    for start in range(0, len(data), 500):
        yield data[start : start + 500]


def _family(value: bytes | None) -> str:
    """Return the family whose topic a record stands in: its schema's, or any."""
    schema = schema_by_fingerprint((value or b"")[2:10])
    return schema.name if schema else "web"


def _wire(path: Path) -> bytes:
    data = path.read_bytes()
    return data if data[:2] == b"\xc3\x01" else bytes.fromhex(data.decode())


def _messages() -> Iterator[dict[str, Any]]:
    common = {"messageId": "m-1", "timestamp": "2026-03-01T10:04:00Z", "userId": "u-1", "anonymousId": "a-1"}
    context = {
        "traits": {"email": "maja@example.org"},
        "page": {"url": "https://s.example/"},
        "campaign": {"name": "c"},
    }
    for kind in ("identify", "page", "screen", "group", "alias"):
        yield {**common, "type": kind, "traits": {"phone": "+49301234567"}, "groupId": "g", "previousId": "p"}
    products = [{"product_id": "p-1", "price": 5.5, "quantity": 2, "brand": "x"}]
    properties = {
        "order_id": "o-1",
        "total": "19.99",
        "currency": "EUR",
        "products": products,
        "step": 2,
        "rating": "4",
    }
    for name in (*vocabulary(), "My own"):
        yield {**common, "type": "track", "event": name, "properties": properties, "context": context}


def _cloud(touchpoint: dict[str, Any]) -> dict[str, Any]:
    data = {name: value for name, value in touchpoint.items() if name not in ("id", "type", "source", "occurred_at")}
    event = {"specversion": "1.0", "id": touchpoint["id"], "type": touchpoint["type"], "source": touchpoint["source"]}
    return {**event, "time": touchpoint["occurred_at"], "data": data}


def memory_mib() -> float:
    """Return what this process holds in memory at the moment."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def main() -> None:
    """Fuzz, and tell how it went."""
    parser = argparse.ArgumentParser(prog="python -m tests.producers.fuzzing", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    fuzzer = Fuzzer(arguments.seed)
    done, warm_mib, began = 0, 0.0, time.monotonic()
    while done < arguments.inputs:
        for _ in range(3 * RECORDS_AT_ONCE):
            fuzzer.request()
        fuzzer.records()
        done += 4 * RECORDS_AT_ONCE
        if not warm_mib and done * 10 >= arguments.inputs:
            warm_mib = memory_mib()
        if done % 80_000 == 0:
            sys.stderr.write(f"{done} inputs, {memory_mib():.0f} MiB\n")
    grown_mib = memory_mib() - warm_mib
    summary = {
        "seed": arguments.seed,
        "inputs": done,
        "seconds": round(time.monotonic() - began),
        "accepted": fuzzer.accepted,
        "rejected": fuzzer.rejected,
        "refused_requests": fuzzer.refused,
        "slowest_s": round(fuzzer.slowest_s, 3),
        "grown_mib": round(grown_mib, 1),
    }
    sys.stdout.write(json.dumps(summary) + "\n")
    if grown_mib > 50:
        sys.exit(f"memory grew by {grown_mib:.0f} MiB")


if __name__ == "__main__":
    main()
