"""Statements about identity over the real warehouse: a correction may name people whom the block would not reach."""

from itertools import permutations

import pytest

from pipeline.config import ClickHouseSettings, IdentitySettings
from tests.convergence.dump import differences
from tests.convergence.expected import expected_dump, judged_part, oracle_rules
from tests.convergence.history import DAY_MS, START_MS, Event
from tests.convergence.inprocess import HASH_KEY, Pipeline

IDENTITY = IdentitySettings.model_validate({"hash_key": HASH_KEY})


def seen(number: int, customer: str) -> Event:
    """Make a page view of somebody."""
    return {
        "id": f"v{number}",
        "type": "web.page_viewed",
        "source": "web",
        "occurred_at": START_MS + number,
        "identities": [{"kind": "customer_id", "value": customer}],
    }


def said(kind: str, a: str, b: str, revision: int, **more: str) -> Event:
    """Make one content of one and the same statement."""
    sides = {side: {"kind": "customer_id", "value": value} for side, value in (("a", a), ("b", b))}
    return {
        "id": "s",
        "type": f"identity.{kind}",
        "source": "crm",
        "occurred_at": START_MS + DAY_MS,
        "identities": [{"kind": "other", "value": "crm"}],
        "revision": revision,
        "body": sides,
        **more,
    }


PEOPLE = [seen(number, name) for number, name in enumerate(("anna", "bert", "cara", "dora"))]
FIRST = said("aliased", "anna", "bert", 0)
CORRECTIONS = {
    "another pair": said("aliased", "cara", "dora", 1),
    "another side": said("aliased", "anna", "cara", 1),
    "an unlink": said("unlinked", "anna", "bert", 1),
    "an unlink of others": said("unlinked", "cara", "dora", 1),
    "its own withdrawal": said("aliased", "anna", "bert", 1, withdraws="s"),
}


@pytest.mark.parametrize("correction", CORRECTIONS.values(), ids=CORRECTIONS)
def test_the_greatest_content_alone_counts_whatever_came_first(
    correction: Event, fresh_database: ClickHouseSettings
) -> None:
    """Nothing but the statement's identifiers is dirty, so the corrected people have to be found through it."""
    expected = expected_dump([*PEOPLE, FIRST, correction], oracle_rules(IDENTITY))
    for order in permutations((FIRST, correction)):
        pipeline = Pipeline(fresh_database, IDENTITY)
        pipeline.forget()
        for batch in (PEOPLE, [order[0]], [order[1]]):
            pipeline.land(batch)
            pipeline.stitch()
        told = differences(expected, judged_part(pipeline.dump()))
        assert not told, "\n".join(told)
