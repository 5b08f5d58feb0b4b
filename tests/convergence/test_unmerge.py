"""A merge can be undone, and the undoing too: history is restated both ways, in one round."""

from pipeline.config import ClickHouseSettings, IdentitySettings
from tests.convergence.dump import Dump, differences, without_rows
from tests.convergence.expected import expected_dump, judged_part, oracle_rules
from tests.convergence.inprocess import HASH_KEY, Pipeline
from tests.convergence.unmerging import joined_people, unlink, withdrawal

IDENTITY = IdentitySettings.model_validate({"hash_key": HASH_KEY})
STATEMENTS = ("identity.aliased", "identity.unlinked")


def statements_aside(dump: Dump) -> Dump:
    """Leave out the touchpoints that say who is who."""
    return without_rows(dump, "v_touchpoints", "type", STATEMENTS)


def test_unlinking_restates_both_people_in_one_round_and_withdrawing_restores(
    fresh_database: ClickHouseSettings,
) -> None:
    """After a thousand joined touchpoints one unlink parts everything that was counted together."""
    rules = oracle_rules(IDENTITY)
    events = joined_people(1000)
    pipeline = Pipeline(fresh_database, IDENTITY)
    pipeline.land(events)
    pipeline.stitch()
    joined = pipeline.dump()
    assert differences(expected_dump(events, rules), judged_part(joined)) == []
    assert len(joined["v_customers"]) == 1

    pipeline.land([unlink()])
    pipeline.stitch()
    parted = pipeline.dump()
    assert differences(expected_dump([*events, unlink()], rules), judged_part(parted)) == []
    assert len(parted["v_customers"]) == 2
    for view in ("v_visits", "v_journeys", "v_pain_points"):
        assert parted[view] != joined[view]

    pipeline.land([withdrawal()])
    pipeline.stitch()
    assert differences(joined, statements_aside(pipeline.dump())) == []
