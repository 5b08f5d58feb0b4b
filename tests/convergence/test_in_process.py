"""The real LAND and STITCH over the real warehouse say what the oracle says, in whatever order and batches."""

from collections.abc import Sequence
from random import Random

import pytest

from pipeline.config import ClickHouseSettings, IdentitySettings
from tests.convergence.dump import differences
from tests.convergence.expected import expected_dump, judged_part, oracle_rules
from tests.convergence.history import PHONE_REGION, Event, History
from tests.convergence.inprocess import HASH_KEY, Pipeline

IDENTITY = IdentitySettings.model_validate({"hash_key": HASH_KEY, "phone_region": PHONE_REGION})


OVERLAPPING = {
    "reading_ahead.WORTH_A_THREAD": 0,
    "beside.WORTH_A_THREAD": 0,
    "stitcher._SLICE_IDENTIFIERS": 16,
    "closure._PIECE_IDENTIFIERS": 5,
    "grouping._LOAD_IDENTIFIERS": 12,
    "grouping._GROUP_IDENTIFIERS": 6,
}


def test_any_order_batches_and_workers_give_the_oracles_views(fresh_database: ClickHouseSettings) -> None:
    """Three workers get whatever is dirty in any order, some of it twice, while facts keep landing."""
    random = Random(7)
    events = History(seed=1, people=30, events=350).make()
    sent = [*events, *random.sample(events, len(events) // 3)]
    random.shuffle(sent)
    pipeline = Pipeline(fresh_database, IDENTITY, workers=3)
    while sent:
        size = random.randrange(20, 160)
        batch, sent = sent[:size], sent[size:]
        pipeline.land(batch)
        random.shuffle(pipeline.dirty)
        now, pipeline.dirty = pipeline.dirty[::2], pipeline.dirty[1::2] + pipeline.dirty[:20]
        pipeline.stitch(now, random.randrange(3))
    pipeline.stitch()
    judge(pipeline, events)


def test_slices_that_overlap_give_the_oracles_views(
    fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice is read while another is made and a third is written, and what was half there comes again."""
    for name, value in OVERLAPPING.items():
        monkeypatch.setattr(f"pipeline.streaming.{name}", value)
    events = History(seed=2, people=20, events=120).make()
    pipeline = Pipeline(fresh_database, IDENTITY)
    for half in (events[::2], events[1::2]):
        pipeline.land(half)
        pipeline.stitch()
    judge(pipeline, events)


def judge(pipeline: Pipeline, events: Sequence[Event]) -> None:
    """Compare what the views say with what the oracle says of the same events."""
    told = differences(expected_dump(events, oracle_rules(IDENTITY)), judged_part(pipeline.dump()))
    assert not told, "\n".join(told)
