"""How many touchpoints waited to be landed, by the workers' own last count: for when the broker can tell no more."""

import re
import urllib.request
from collections.abc import Iterable
from http.client import HTTPException

TIMEOUT_S = 0.5
_LAG = re.compile(r'^throughline_consumer_lag_records\{topic="touchpoints\.[a-z]+"\} (\S+)$', re.MULTILINE)


def waiting_touchpoints(metrics: Iterable[str]) -> int | None:
    """
    Return how many records of touchpoint topics were not landed when the workers last looked.

    Args:
        metrics: Addresses of the metrics of all parts; those that do not answer at once are left out.

    Returns:
        None if nobody can tell.
    """
    counts: list[float] = []
    for address in metrics:
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
                counts += map(float, _LAG.findall(answer.read().decode()))
        except (OSError, HTTPException, ValueError):
            continue
    return round(sum(counts)) if counts else None
