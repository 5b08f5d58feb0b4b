"""Facts that are read in stretches and handed out by group: the same as facts that are read together."""

import polars as pl
import pytest

from pipeline.warehouse.external import in_table_order
from tests.warehouse import rows
from tests.warehouse.conftest import Shop


def key(number: int) -> bytes:
    """Return a key of whose halves only the second has the order of the numbers."""
    return (999 - number).to_bytes(8, "big") + number.to_bytes(8, "big")


def test_facts_come_apart_by_group_as_they_are(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for module_constant in ("_FIRST_STRETCH", "_STRETCH_FACTS"):
        monkeypatch.setattr(f"pipeline.warehouse.results.{module_constant}", 7)
    shop.land(
        *(
            rows.touchpoint(
                number, ident_key=key(number), type="order.placed", order_id=f"o-{number}" if number % 2 else ""
            )
            for number in range(40)
        ),
        *(
            rows.touchpoint(100 + number, ident_key=key(number), type="support.call_ended", body='{"wait_s":3.5}')
            for number in range(0, 40, 2)
        ),
    )
    groups = pl.DataFrame({"ident_key": [key(number) for number in range(45)], "group": [n % 4 for n in range(45)]})
    groups = groups.filter(pl.col("group") != 2)
    apart = shop.results.facts_apart(groups)
    assert apart.height == 30 + 10
    for group in (0, 1, 3):
        together = shop.results.facts(groups.filter(pl.col("group") == group)["ident_key"])
        assert together.height
        assert apart.take(group).sort("event_uid").equals(together.sort("event_uid"))
    assert apart.take(2).is_empty()
    assert apart.take(1).is_empty()


def test_keys_are_put_in_the_order_of_the_table(shop: Shop) -> None:
    shop.land(*(rows.touchpoint(number, ident_key=key(number * 7 % 20)) for number in range(20)))
    stored = shop.client.query_arrow("SELECT ident_key FROM touchpoints FINAL ORDER BY ident_key")
    keys = pl.Series("ident_key", [key(number) for number in range(20)], pl.Binary)
    ordered = in_table_order(keys.shuffle(seed=3))
    assert ordered.to_list() == [bytes(value.as_py().bytes) for value in stored.column("ident_key")]
    assert in_table_order(keys.clear()).is_empty()
