"""
The thread that sends what waits.

The one rule: the first batch is sent until every touchpoint of it is settled, and only then the next: so order holds,
and trouble costs time, never touchpoints. How long to wait between two tries doubles up to a limit; a sink that names a
time is believed.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from pipeline.producers.sdk.outbox import Outbox
from pipeline.producers.sdk.outcomes import Delivery, SinkAwayError
from pipeline.producers.sdk.settings import SendSettings
from pipeline.producers.sdk.sinks import Sink

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0
_TELL_EVERY_S: Final = 60.0

_log = logging.getLogger(__name__)


class Dispatcher:
    """
    Sends in a thread of its own, from the moment it is made.

    Args:
        outbox: What waits.
        sink: Where it goes; closed at the end.
        settings: Size and linger of a batch.
        report: Called in that thread with what became of each touchpoint of a batch, before the batch is let go.
        count_retry: Called in that thread when a batch has to be sent again.

    Attributes:
        trouble: Why the last batch could not be delivered; empty where all is well.
    """

    def __init__(
        self,
        outbox: Outbox,
        sink: Sink,
        settings: SendSettings,
        report: Callable[[Sequence[Delivery]], None],
        count_retry: Callable[[], None],
    ) -> None:
        self.trouble = ""
        self._outbox = outbox
        self._sink = sink
        self._settings = settings
        self._report = report
        self._count_retry = count_retry
        self._news = threading.Event()
        self._stop = threading.Event()
        self._settled = threading.Condition()
        self._told_at = -_TELL_EVERY_S
        self._thread = threading.Thread(target=self._run, name="throughline-sdk", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Tell the thread that there is something to send."""
        self._news.set()

    def flush(self, patience_s: float) -> bool:
        """Wait until nothing waits any more; False if that takes longer."""
        self._news.set()
        with self._settled:
            return self._settled.wait_for(lambda: not len(self._outbox), patience_s)

    @property
    def has_ended(self) -> bool:
        """Tell whether the thread has ended, asked to or not."""
        return not self._thread.is_alive()

    def stop(self) -> bool:
        """End the thread; what is being tried is given up at the next answer. False if it does not come."""
        self._stop.set()
        self._news.set()
        self._thread.join(self._settings.patience.total_seconds() + 1)
        return self.has_ended

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if not len(self._outbox):
                    self._news.wait(0.5)
                    self._news.clear()
                    continue
                self._linger()
                batch = self._outbox.peek(self._settings.max_batch)
                deliveries = self._deliver(batch)
                if deliveries is None:
                    return
                self._report(deliveries)
                with self._settled:
                    self._outbox.done(len(batch))
                    self._settled.notify_all()
        except Exception as error:
            self.trouble = f"the sending thread has ended: {error!r}"
            _log.exception("the sending thread has ended")
            raise
        finally:
            self._sink.close()

    def _linger(self) -> None:
        deadline = time.monotonic() + self._settings.linger.total_seconds()
        while len(self._outbox) < self._settings.max_batch and not self._stop.is_set():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._news.clear()
            self._news.wait(left)

    def _deliver(self, batch: Sequence[bytes]) -> list[Delivery] | None:
        """Send a batch until it is settled; None if it is given up."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                deliveries = self._sink.deliver(batch, time.time_ns() // 1_000_000)
            except SinkAwayError as away:
                self._tell(str(away))
                self._count_retry()
                wait_s = max(away.retry_after_s, pause_s * random.uniform(0.5, 1))
                if self._stop.wait(wait_s):
                    return None
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self.trouble = ""
                return deliveries

    def _tell(self, why: str) -> None:
        self.trouble = why
        if time.monotonic() - self._told_at >= _TELL_EVERY_S:
            self._told_at = time.monotonic()
            _log.warning("%s; %d touchpoints wait", why, len(self._outbox))
