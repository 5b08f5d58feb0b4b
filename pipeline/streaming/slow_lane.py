"""
The slow lane: customers so large that making them anew would hold everybody else up.

A batch leaves them out and hands their dirty identifiers over; one thread with a connection of its own makes them
anew and then rests as long as it worked, so that a thousand touchpoints of one such customer cost a few rounds. Nothing
here has to survive: what a dead worker left undone has rows older than its facts, and the sweep finds it.
"""

import logging
import threading
import time
from collections.abc import Callable

import polars as pl

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 30.0
_FIRST_PAUSE_S = 0.5


class SlowLane:
    """
    Stitches in the background what it is given.

    Args:
        stitch: Stitches identifiers, called from the lane's thread only; whatever it raises, the same identifiers are
            tried again after a pause.
    """

    def __init__(self, stitch: Callable[[pl.Series], object]) -> None:
        self._stitch = stitch
        self._waiting: set[bytes] = set()
        self._news = threading.Condition()
        # A daemon: a statement that hangs must not keep a stopped worker alive.
        threading.Thread(target=self._serve, name="slow lane", daemon=True).start()

    @property
    def waiting(self) -> int:
        """How many identifiers wait, those at work not counted."""
        return len(self._waiting)

    def add(self, keys: pl.Series) -> None:
        """Take identifiers (16-byte keys); returns at once."""
        with self._news:
            self._waiting.update(keys)
            self._news.notify()

    def _serve(self) -> None:
        failures = 0
        while True:
            keys = self._take()
            began = time.monotonic()
            try:
                self._stitch(pl.Series("ident_key", sorted(keys), pl.Binary))
                failures = 0
            except Exception:
                failures += 1
                logger.exception("slow lane: %s identifiers of large customers are tried again", len(keys))
                self.add(pl.Series("ident_key", list(keys), pl.Binary))
            took = time.monotonic() - began
            time.sleep(min(max(took, _FIRST_PAUSE_S * 2**failures if failures else 0), _LONGEST_PAUSE_S))

    def _take(self) -> set[bytes]:
        with self._news:
            self._news.wait_for(lambda: self._waiting)
            taken, self._waiting = self._waiting, set()
            return taken
