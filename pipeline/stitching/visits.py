"""
Visits: what a customer did in one sitting on the interactive channels.

The rule owned here: which touchpoint speaks for the visit. Its id and channel come from the first one, entry and exit
from the first and last that have a url, and channel group and utm from the first one that carries any of them,
taken together, so that a source and a campaign of two adverts never mix.
"""

import numpy as np
import polars as pl

from pipeline.stitching.columns import Flags, Ints, firsts, masked_ids
from pipeline.stitching.frames import VISIT_COLUMNS, conform
from pipeline.stitching.timeline import Timeline

_ORIGIN = ("channel_group", "utm_source", "utm_medium", "utm_campaign")


def visits_of(timeline: Timeline, journey_number: Ints) -> tuple[pl.DataFrame, Ints]:
    """
    Describe every visit.

    Args:
        timeline: The touchpoints, numbered.
        journey_number: Number of every step's journey within its customer, from 1.

    Returns:
        The columns of `VISIT_COLUMNS`, visits in order of their customer and time, and the customer of every visit.
    """
    rows = np.flatnonzero(timeline.visit >= 0)
    visit = timeline.visit[rows]
    begins = firsts(visit)
    first, last = rows[begins], rows[np.roll(begins, -1)] if len(rows) else rows
    steps = timeline.steps
    has_url = (steps["url"] != "").to_numpy()
    origin = np.logical_or.reduce([(steps[name] != "").to_numpy() for name in _ORIGIN])
    entry, leaving = _edges(rows, visit, has_url, len(first))
    origins, _ = _edges(rows, visit, origin, len(first))
    opening = steps.select("event_uid", "occurred_at", "channel")[first]
    found = pl.DataFrame(
        {
            "visit_id": masked_ids(opening["event_uid"], "visit"),
            "visit_journey": journey_number[first],
            "visit_started_at": opening["occurred_at"],
            "visit_ended_at": steps["occurred_at"].gather(last),
            "visit_touchpoints": np.bincount(visit, minlength=len(first)),
            "visit_channel": opening["channel"],
            "visit_entry_url": _text(steps["url"], entry),
            "visit_exit_url": _text(steps["url"], leaving),
            **{f"visit_{name}": _text(steps[name], origins) for name in _ORIGIN},
        }
    )
    return conform(found, VISIT_COLUMNS), timeline.customer[first]


def _edges(rows: Ints, visit: Ints, chosen: Flags, count: int) -> tuple[Ints, Ints]:
    """Return the first and the last chosen row of every visit; -1 where none is chosen."""
    picked = chosen[rows]
    rows, visit = rows[picked], visit[picked]
    first, last = np.full(count, -1), np.full(count, -1)
    begins = firsts(visit)
    first[visit[begins]] = rows[begins]
    if len(rows):
        ends = np.roll(begins, -1)
        last[visit[ends]] = rows[ends]
    return first, last


def _text(column: pl.Series, rows: Ints) -> pl.Series:
    """Return the column's text at every row, "" at row -1."""
    at = pl.Series(rows, dtype=pl.Int64)
    return column.gather(at.set(at < 0, None)).fill_null("")
