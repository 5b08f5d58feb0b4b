"""
The load, a process of its own: sends the attempts of a seed at a rate, and keeps a ledger of them.

`python -m tests.chaos.load --bootstrap HOST:PORT --ledger FILE --seed 1 …` goes on where the ledger ends, so it may be
killed and started again. It ends when everything is sent and spoken about, or on SIGTERM.
"""

import argparse
import signal
import sys
import time
from functools import partial
from pathlib import Path
from threading import Event

from confluent_kafka import KafkaError, Message, Producer

from tests.chaos.ledger import ACKNOWLEDGED, ATTEMPTED, REFUSED, Ledger, read_ledger
from tests.chaos.sending import LARGEST_BYTES, Attempt, Load

TICK_S = 0.1
HEADER = "attempt"
# Longer than any fault: the client tries on until the broker is back.
DELIVERY_S = 180
# Bounds the unknown of a killed load.
MOST_IN_FLIGHT = 5_000


class Sender:
    """Sends attempts and notes every word of the broker."""

    def __init__(self, bootstrap: str, ledger: Ledger) -> None:
        self._ledger = ledger
        self._said: dict[str, list[int]] = {ACKNOWLEDGED: [], REFUSED: []}
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 5,
                # What is too large is for the broker to refuse, and for landing.
                "message.max.bytes": 2 * LARGEST_BYTES,
                "delivery.timeout.ms": DELIVERY_S * 1000,
                "request.timeout.ms": 5_000,
                "socket.timeout.ms": 10_000,
                "reconnect.backoff.max.ms": 500,
                "topic.metadata.refresh.interval.ms": 5_000,
                "log_level": 0,
            }
        )

    @property
    def in_flight(self) -> int:
        """Records that nobody has spoken about."""
        return len(self._producer)

    def send(self, attempts: list[Attempt]) -> None:
        """Note attempts, then send them."""
        self._ledger.note(ATTEMPTED, (attempt.number for attempt in attempts))
        for attempt in attempts:
            self._producer.produce(
                attempt.topic,
                attempt.value,
                attempt.key,
                headers=[(HEADER, str(attempt.number).encode())],
                on_delivery=partial(self._report, attempt.number),
            )

    def listen(self, seconds: float) -> None:
        """Take what the broker says, and note it."""
        self._producer.poll(seconds)
        for word, numbers in self._said.items():
            self._ledger.note(word, numbers)
            numbers.clear()

    def _report(self, number: int, error: KafkaError | None, _record: Message) -> None:
        self._said[REFUSED if error else ACKNOWLEDGED].append(number)


def send_all(sender: Sender, attempts: list[Attempt], rate: float, stop: Event) -> None:
    """Send at a rate, which is kept over pauses as real arrivals would, and wait for the last word."""
    began, sent = time.monotonic(), 0
    while sent < len(attempts) and not stop.is_set():
        due = min(int((time.monotonic() - began) * rate) + 1, len(attempts))
        room = MOST_IN_FLIGHT - sender.in_flight
        if due > sent and room > 0:
            batch = attempts[sent : min(due, sent + room)]
            sender.send(batch)
            sent += len(batch)
        sender.listen(TICK_S)
    while sender.in_flight:
        sender.listen(TICK_S)
    sender.listen(0)


def main() -> None:
    """Run the load."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.load", description=__doc__)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--people", type=int, required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--framed", action="store_true", help="name schemas by ids of the registry")
    parser.add_argument("--rate", type=float, required=True, help="records a second")
    arguments = parser.parse_args()
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    following = read_ledger(arguments.ledger).following
    load = Load(arguments.seed, arguments.people, arguments.events, arguments.framed)
    attempts = load.attempts[following:]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with Ledger(arguments.ledger) as ledger:
        send_all(Sender(arguments.bootstrap, ledger), attempts, arguments.rate, stop)


if __name__ == "__main__":
    main()
