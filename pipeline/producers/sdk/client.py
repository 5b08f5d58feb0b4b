"""
The client that programs hold: `with Throughline(…) as t: t.send(…)`.

The one rule: what `send` has taken is not lost while the process lives, and with a spool not even when it dies. `send`
judges at once, by the rules that hold everywhere, and waits rather than drops.
"""

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import orjson

from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.reasons import Problem, Reason
from pipeline.producers.admission import LARGEST_EVENT_BYTES, Admission, Refused, too_large
from pipeline.producers.errors import ProducerError
from pipeline.producers.sdk.dispatching import Dispatcher
from pipeline.producers.sdk.outbox import DiskOutbox, MemoryOutbox, Outbox
from pipeline.producers.sdk.outcomes import Counters, Delivery, InvalidTouchpointError, UndeliveredError
from pipeline.producers.sdk.settings import SendSettings
from pipeline.producers.sdk.sinks import sink_for
from pipeline.producers.spool import Spool
from pipeline.producers.touchpoints.building import new_id

OnDelivery = Callable[[Delivery], None]

_FOR_EVER_S: Final = 365 * 86_400.0
_LOOK_EVERY_S: Final = 0.5

_log = logging.getLogger(__name__)


class Throughline:
    """
    Sends touchpoints; any thread may use it.

    Args:
        address: A collector (`http://host:port`) or Kafka (`host:port`).
        write_key: The collector's key; Kafka needs none.
        source: The source of touchpoints that name none.
        settings: Queue, batches, patience.
        on_delivery: Called for each touchpoint when it is settled, in the sending thread: keep it short.

    Raises:
        SpoolError: If there is a spool and it cannot be used.
        ValueError: If the address is none.
    """

    def __init__(
        self,
        address: str,
        *,
        write_key: str = "",
        source: str = "",
        settings: SendSettings | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        self._settings = settings or SendSettings()
        self._source = source
        self._on_delivery = on_delivery
        self._admission = Admission(self._settings.identity, KafkaSettings().max_record_bytes, keeps_receipt=False)
        self._counters = Counters()
        self._counting = threading.Lock()
        self._awaited: dict[str, list[OnDelivery]] = {}
        self._is_closed = False
        sink = sink_for(address, write_key, self._settings)
        self._outbox = self._opened_outbox()
        self._counters.recovered = len(self._outbox)
        self._dispatcher = Dispatcher(self._outbox, sink, self._settings, self._settle, self._count_retry)
        # A program that ends without closing loses nothing either.
        self._at_exit = partial(_close_at_exit, weakref.ref(self))
        atexit.register(self._at_exit)

    def __enter__(self) -> Self:
        """Begin to send."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is on its way; see `close`."""
        self.close()

    @property
    def counters(self) -> Counters:
        """The counts so far, as they are now."""
        with self._counting:
            counts = Counters(**{name: getattr(self._counters, name) for name in Counters.__dataclass_fields__})
        # What is settled leaves the outbox a moment later: count what is known of the touchpoints instead.
        settled = counts.delivered + counts.duplicate + counts.rejected + counts.undelivered
        counts.waiting = counts.taken + counts.recovered - settled
        return counts

    def send(
        self,
        touchpoint: Mapping[str, Any],
        *,
        on_delivery: OnDelivery | None = None,
        patience: timedelta | None = None,
    ) -> str:
        """
        Take a touchpoint to be sent. With a spool it is on the disk when this returns.

        Args:
            touchpoint: In the JSON form, as the builders make it. Without an id or a moment it gets them here.
            on_delivery: Called when it is settled, in the sending thread.
            patience: How long to wait while too much is on its way; None: as long as it takes.

        Returns:
            Its id.

        Raises:
            InvalidTouchpointError: If it is no touchpoint.
            TimeoutError: If patience ran out; it is not taken.
            ProducerError: If the client is closed or its thread has ended.
        """
        return self.send_many([touchpoint], on_delivery=on_delivery, patience=patience)[0]

    def send_many(
        self,
        touchpoints: Sequence[Mapping[str, Any]],
        *,
        on_delivery: OnDelivery | None = None,
        patience: timedelta | None = None,
    ) -> list[str]:
        """
        Take several touchpoints, all or none; with a spool they share one wait for the disk.

        Args:
            touchpoints: See `send`.
            on_delivery: Called for each when it is settled.
            patience: See `send`.

        Returns:
            Their ids.

        Raises:
            InvalidTouchpointError: If one is none.
            TimeoutError: If patience ran out.
            ProducerError: If the client is closed or its thread has ended.
        """
        self._check_open()
        judged = [self._judged(touchpoint) for touchpoint in touchpoints]
        ids = [event_id for event_id, _ in judged]
        if on_delivery is not None:
            with self._counting:
                for event_id in ids:
                    self._awaited.setdefault(event_id, []).append(on_delivery)
        with self._counting:
            self._counters.taken += len(ids)
        patience_s = patience.total_seconds() if patience is not None else _FOR_EVER_S
        is_taken = False
        try:
            is_taken = self._put([entry for _, entry in judged], patience_s)
        finally:
            if not is_taken:
                self._forget(ids, on_delivery)
        if not is_taken:
            why = self._dispatcher.trouble or "too much is on its way"
            raise TimeoutError(f"not taken: {why}; wait, or send less")
        self._dispatcher.wake()
        return ids

    def flush(self, patience: timedelta | None = None) -> bool:
        """
        Wait until everything taken is settled.

        Args:
            patience: How long; None: as the settings say.

        Returns:
            Whether it is.
        """
        return self._dispatcher.flush((patience or self._settings.patience).total_seconds())

    def close(self) -> None:
        """
        Wait for what is on its way, as long as the settings say, and let go of everything.

        What is still waiting stays in the spool for the next process.

        Raises:
            UndeliveredError: If there is no spool, and something is not delivered; it holds the touchpoints.
        """
        if self._is_closed:
            return
        self._is_closed = True
        atexit.unregister(self._at_exit)
        is_settled = self.flush()
        has_ended = self._dispatcher.stop()
        left = [] if is_settled or self._settings.spool is not None else self._outbox.peek(len(self._outbox))
        if has_ended:
            self._outbox.close()
        if left:
            with self._counting:
                self._counters.undelivered += len(left)
            raise UndeliveredError([orjson.loads(entry) for entry in left], self._dispatcher.trouble or "no answer yet")

    def _opened_outbox(self) -> Outbox:
        if self._settings.spool is None:
            return MemoryOutbox(self._settings.max_waiting)
        return DiskOutbox(Spool(self._settings.spool, self._settings.spool_max_bytes))

    def _judged(self, given: Mapping[str, Any]) -> tuple[str, bytes]:
        """Return the id of a touchpoint and its JSON, with all that it needs to stay the same when it is sent again."""
        now_ms = time.time_ns() // 1_000_000
        if not isinstance(given, Mapping):
            self._refuse(Refused(None, (Problem(Reason.WRONG_TYPE, "", "a touchpoint is a mapping of its fields"),)))
        touchpoint = {"id": new_id(), "source": self._source, "occurred_at": now_ms, **given}
        judged = self._admission.judge(touchpoint, now_ms)
        if isinstance(judged, Refused):
            self._refuse(judged)
        entry = orjson.dumps(touchpoint)
        if len(entry) > LARGEST_EVENT_BYTES:
            self._refuse(Refused(touchpoint["id"], (too_large(len(entry)),)))
        return touchpoint["id"], entry

    def _refuse(self, refused: Refused) -> NoReturn:
        with self._counting:
            self._counters.invalid += 1
        raise InvalidTouchpointError(refused.event_id, refused.problems)

    def _put(self, entries: Sequence[bytes], patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while True:
            left_s = deadline - time.monotonic()
            if self._outbox.put(entries, max(0.0, min(left_s, _LOOK_EVERY_S))):
                return True
            if left_s <= 0:
                return False
            self._check_open()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ProducerError("the client is closed; send before leaving its `with`")
        if self._dispatcher.has_ended:
            raise ProducerError(f"{self._dispatcher.trouble}; make a new client")

    def _forget(self, ids: Sequence[str], on_delivery: OnDelivery | None) -> None:
        with self._counting:
            self._counters.taken -= len(ids)
            if on_delivery is not None:
                for event_id in ids:
                    self._awaited.pop(event_id, None)

    def _settle(self, deliveries: Sequence[Delivery]) -> None:
        called: list[tuple[OnDelivery, Delivery]] = []
        with self._counting:
            for delivery in deliveries:
                match delivery.status:
                    case "accepted":
                        self._counters.delivered += 1
                    case "duplicate":
                        self._counters.duplicate += 1
                    case "rejected":
                        self._counters.rejected += 1
                waiting = self._awaited.pop(delivery.id, [])
                called += [(each, delivery) for each in (*waiting, self._on_delivery) if each is not None]
        for delivery in deliveries:
            if delivery.status == "rejected":
                _log.warning("%s was rejected: %s at %s (%s)", *delivery[:1], *delivery[2:])
        for callback, delivery in called:
            try:
                callback(delivery)
            except Exception:  # noqa: BLE001 - somebody else's fault must not stop the sending
                _log.exception("a delivery callback failed")

    def _count_retry(self) -> None:
        with self._counting:
            self._counters.retries += 1


def _close_at_exit(client: "weakref.ref[Throughline]") -> None:
    if (open_client := client()) is not None:
        open_client.close()
