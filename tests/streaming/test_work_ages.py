"""How old touchpoints count as, whatever clock dated their receipt."""

import time

import numpy as np

from pipeline.streaming.work import _ages_s


def test_a_receipt_ahead_of_our_clock_is_fresh() -> None:
    now_ms = time.time() * 1000
    ages = _ages_s(np.array([now_ms - 5_000, now_ms + 3_600_000]))
    assert 5 <= ages[0] < 60
    assert ages[1] == 0
