"""The real LAND and STITCH over the real warehouse say what the oracle says, in whatever order and batches."""

from random import Random

from pipeline.config import ClickHouseSettings, IdentitySettings
from tests.convergence.dump import differences
from tests.convergence.expected import expected_dump, judged_part, oracle_rules
from tests.convergence.history import PHONE_REGION, History
from tests.convergence.inprocess import HASH_KEY, Pipeline

IDENTITY = IdentitySettings.model_validate({"hash_key": HASH_KEY, "phone_region": PHONE_REGION})


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
    found = judged_part(pipeline.dump())
    told = differences(expected_dump(events, oracle_rules(IDENTITY)), found)
    assert not told, "\n".join(told)
