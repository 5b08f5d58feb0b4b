"""Journeys: a customer's touchpoints from one long silence to the next, across all channels."""

import numpy as np
import polars as pl

from pipeline.stitching.columns import Ints, firsts, listed, masked_ids, offsets_of
from pipeline.stitching.frames import JOURNEY_COLUMNS, conform
from pipeline.stitching.orders import orders_by
from pipeline.stitching.timeline import Timeline


def journeys_of(timeline: Timeline, step_number: Ints) -> tuple[pl.DataFrame, Ints]:
    """
    Describe every journey.

    Args:
        timeline: The touchpoints, numbered.
        step_number: Number of every step within its customer, from 1.

    Returns:
        The columns of `JOURNEY_COLUMNS`, journeys in order of their customer and time, and the customer of each.
    """
    steps, journey = timeline.steps, timeline.journey
    begins = firsts(journey)
    first, last = np.flatnonzero(begins), np.flatnonzero(np.roll(begins, -1))
    visit_begins = np.flatnonzero(timeline.visit >= 0)
    visit_begins = visit_begins[firsts(timeline.visit[visit_begins])]
    ordered = orders_by(steps, journey, len(first))
    found = pl.DataFrame(
        {
            "journey_id": masked_ids(steps["event_uid"].gather(first), "journey"),
            "journey_started_at": steps["occurred_at"].gather(first),
            "journey_ended_at": steps["occurred_at"].gather(last),
            "journey_first_step": step_number[first],
            "journey_touchpoints": np.bincount(journey, minlength=len(first)),
            "journey_visits": np.bincount(journey[visit_begins], minlength=len(first)),
            "journey_orders": ordered.orders,
            "journey_revenue": listed(ordered.money, offsets_of(ordered.money_lengths)),
        }
    )
    return conform(found, JOURNEY_COLUMNS), timeline.customer[first]
