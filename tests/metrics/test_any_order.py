"""Every view of the metrics is the same rows, digit by digit, in whatever order and batches the touchpoints came."""

from random import Random

from pipeline.warehouse.views.metrics.views import metric_views
from tests.convergence.history import History
from tests.metrics.conftest import Told

TABLES = ("touchpoints", "touchpoint_contents", "identity_links", "identity_statements", "stitched", "landed")


def test_any_order_gives_the_same_metrics(told: Told) -> None:
    events = History(seed=5, people=12, events=160).make()
    random = Random(5)
    seen = []
    for batches in (1, 3):
        random.shuffle(events)
        for number in range(batches):
            # The second time half of everything comes twice.
            told.shop.land(*events[number::batches], *(events[::2] if number else ()))
            told.shop.stitch()
        seen.append(
            {
                view.name: sorted(map(repr, told.shop.rows(f"SELECT toString(tuple(*)) FROM {view.name}")))
                for view in metric_views()
            }
        )
        for table in TABLES:
            told.shop.query(f"TRUNCATE TABLE {table}")
    for name, rows in seen[0].items():
        assert rows == seen[1][name], name
    # It is no test of nothing: most metrics have rows.
    assert sum(bool(rows) for rows in seen[0].values()) > len(seen[0]) / 2
