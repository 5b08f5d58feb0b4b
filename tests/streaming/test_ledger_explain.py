"""Explanations and previews over the real warehouse agree with what the views say, whatever arrived in which order."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import combinations
from random import Random
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from pipeline.cli.customer import key_of
from pipeline.cli.errors import CommandError
from pipeline.cli.explain_facts import Facts, find_facts, open_active
from pipeline.cli.identity_statements import ALIASED, UNLINKED, draft, find_statement
from pipeline.config import ClickHouseSettings, Settings
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.ledger_evidence import gather
from pipeline.streaming.ledger_preview import Portrait, preview
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.migrate import migrate
from pipeline.warehouse.results import StitchStore
from pipeline.warehouse.tables import (
    IDENTITY_LEDGER,
    IDENTITY_LINKS,
    IDENTITY_STATEMENTS,
    LANDED,
    STITCHED,
    TOUCHPOINTS,
)
from tests.embedded.servers import WarehouseServer
from tests.streaming.test_stitcher import IDENTITY, START, Shop, touch

NAMES = [
    *(("customer_id", f"u{n}") for n in range(4)),
    *(("email", f"m{n}@example.com") for n in range(3)),
    ("phone", "+4930123456"),
    *(("order_id", f"o{n}") for n in range(2)),
    *(("cookie_id", f"c{n}") for n in range(4)),
]
Name = tuple[str, str]


@pytest.fixture(scope="module")
def settings(warehouse: WarehouseServer) -> Iterator[Settings]:
    settings = Settings(clickhouse=ClickHouseSettings(url=SecretStr(f"{warehouse.url}/explained")), identity=IDENTITY)
    client = connect(settings.clickhouse)
    migrate(client, settings)
    yield settings
    client.command("DROP DATABASE explained SYNC")
    client.close()


@pytest.fixture
def shop(settings: Settings) -> Shop:
    return empty_shop(settings)


def empty_shop(settings: Settings) -> Shop:
    client = connect(settings.clickhouse)
    for table in (TOUCHPOINTS, IDENTITY_LINKS, IDENTITY_STATEMENTS, LANDED, STITCHED, IDENTITY_LEDGER):
        client.command(f"TRUNCATE TABLE {table.name}")
    made = Shop(None, StitchStore(client, 1, timedelta(seconds=120)), client.query, [])  # type: ignore[arg-type]  # its landing announces to the shop itself
    made.landing = Landing(FactStore(client), made, IDENTITY, Origin("log", 1_048_576))
    return made


def state(number: int, verb: str, a: Name, b: Name, **more: Any) -> dict[str, Any]:
    sides = {"a": {"kind": a[0], "value": a[1]}, "b": {"kind": b[0], "value": b[1]}}
    return touch(number, 9000 + number, {a[0]: a[1]}, type=f"identity.{verb}", body=sides, **more)


def happenings(seed: int) -> list[dict[str, Any]]:
    """Make touchpoints of few people who share much, and statements about them, some taken back."""
    chance = Random(seed)
    events = [touch(n, n, dict(chance.sample(NAMES, chance.choice([1, 2, 2, 3])))) for n in range(14)]
    events += [state(20, "aliased", NAMES[0], NAMES[1]), state(21, "aliased", NAMES[2], NAMES[3])]
    events += [state(22, "unlinked", *chance.sample(NAMES, 2)), state(23, "unlinked", *chance.sample(NAMES, 2))]
    back = chance.choice(events[-4:])
    sides = [(back["body"][side]["kind"], back["body"][side]["value"]) for side in ("a", "b")]
    return [*events, state(24, back["type"].partition(".")[2], sides[0], sides[1], withdraws=back["id"])]


def told(facts: Facts, keys: Mapping[bytes, str]) -> dict[str, Any]:
    return {name: value for name, value in facts.as_json(keys).items() if name != "looked_at"}


def test_explain_says_same_exactly_where_the_view_does_and_the_same_in_any_order(settings: Settings) -> None:
    events = happenings(seed=3)
    answers = []
    pairs = Random(3).sample(list(combinations(NAMES, 2)), 10)
    opened = open_active(settings)
    for order in (events, events[::-1]):
        shop = empty_shop(settings)
        for half in (order[:10], order[10:]):
            shop.land(*half)
            shop.stitch()
        who = dict(shop.rows("SELECT ident_key, customer_uid FROM v_identities"))
        found = []
        for one, other in pairs:
            keys = {key_of(kind, value, IDENTITY): f"{kind}:{value}" for kind, value in (one, other)}
            ends = [who.get(UUID(bytes=key)) for key in keys]
            mine, theirs = keys
            facts = find_facts(mine, theirs, *opened)
            answer = told(facts, keys)
            assert answer["same"] == (ends[0] == ends[1] and ends[0] is not None)
            assert bool(answer["unknown"]) == (None in ends)
            assert [end["customer_uid"] for end in answer["identifiers"]] == [end and str(end) for end in ends]
            found.append(answer)
        answers.append(found)
    assert answers[0] == answers[1]
    assert {answer["same"] for answer in answers[0]} == {True, False}
    assert any(step["obstacles"] for answer in answers[0] for step in answer["chain"])


def test_every_link_of_a_chain_comes_with_the_touchpoint_that_names_both(shop: Shop, settings: Settings) -> None:
    shop.land(
        touch(1, 0, {"cookie_id": "c1", "customer_id": "u1"}),
        touch(2, 5, {"email": "m1@example.com", "customer_id": "u1"}),
        state(3, "aliased", ("customer_id", "u1"), ("customer_id", "u2")),
    )
    keys = {key_of(kind, value, IDENTITY): value for kind, value in (("cookie_id", "c1"), ("customer_id", "u2"))}
    mine, theirs = keys
    chain = find_facts(mine, theirs, *open_active(settings)).as_json(keys)["chain"]
    assert [(step["rule"], step["touchpoint"]["event_id"]) for step in chain] == [("linked", "e1"), ("aliased", "e3")]


def test_the_search_beyond_two_customers_ends_at_its_bound_and_says_so(shop: Shop) -> None:
    """A kiosk lies between them; whoever looks less far has not seen everything."""
    shop.land(*(touch(n, n, {"customer_id": f"u{n}", "cookie_id": "kiosk"}) for n in range(3)))
    one, other = (key_of("customer_id", f"u{n}", IDENTITY) for n in (0, 2))
    found = gather(one, other, shop.store, IDENTITY)
    assert (found.is_whole, key_of("cookie_id", "kiosk", IDENTITY) in found.evidence.customers) == (True, True)
    assert not gather(one, other, shop.store, IDENTITY, most=1).is_whole


def test_a_preview_is_what_happens(shop: Shop, settings: Settings) -> None:
    """Merging, splitting and taking back: the customers afterwards are those that the dry run showed."""
    shop.land(
        touch(1, 0, {"customer_id": "u1", "cookie_id": "c1"}),
        touch(
            2, 50_000, {"customer_id": "u2", "email": "m2@example.com"}, type="order.placed", refs={"order_id": "o1"}
        ),
        touch(3, 50_010, {"email": "m2@example.com", "phone": "+4930123456"}),
    )
    shop.stitch()
    store, active = open_active(settings)
    accounts = ("customer_id", "u1"), ("customer_id", "u2")
    parting = ("customer_id", "u2"), ("phone", "+4930123456")
    merge, split = draft(ALIASED, accounts, active), draft(UNLINKED, parting, active)
    for drafted in (merge, split):
        assert_preview_holds(shop, drafted.statement, drafted.touchpoint, active)
    back = draft(ALIASED, accounts, active, find_statement(merge.touchpoint["id"], "", active, store))
    assert_preview_holds(shop, back.statement, back.touchpoint, active)
    with pytest.raises(CommandError, match="taken back already"):
        find_statement(merge.touchpoint["id"], "", active, store)
    with pytest.raises(CommandError, match="is a withdrawal"):
        find_statement(back.touchpoint["id"], "", active, store)
    again = draft(UNLINKED, parting, active)
    assert not preview(again.statement, store, active).after


def assert_preview_holds(shop: Shop, statement: Any, touchpoint: Mapping[str, Any], active: Settings) -> None:
    expected = preview(statement, shop.store, active)
    assert expected.before != expected.after
    assert customers(shop, expected.before) == [numbers(portrait) for portrait in expected.before]
    # The harness receives everything sixty days after the start; a statement must not come from its future.
    shop.land({**touchpoint, "occurred_at": (START + timedelta(days=59)).isoformat()})
    shop.stitch()
    assert customers(shop, expected.after) == [numbers(portrait) for portrait in expected.after]


def numbers(portrait: Portrait) -> tuple[Any, ...]:
    counts = portrait.touchpoints, portrait.visits, portrait.journeys, portrait.orders, portrait.pain_points
    return UUID(bytes=portrait.customer_uid), len(portrait.identifiers), *counts


def customers(shop: Shop, portraits: tuple[Portrait, ...]) -> list[tuple[Any, ...]]:
    """Return the same numbers of the same customers from the view; one without touchpoints is not in it."""
    counts = "length(identifiers), touchpoints, visits, journeys, orders, pain_points"
    found = {row[0]: row for row in shop.rows(f"SELECT customer_uid, {counts} FROM v_customers")}
    uids = [UUID(bytes=portrait.customer_uid) for portrait in portraits]
    members = dict(shop.rows("SELECT customer_uid, count() FROM v_identities GROUP BY customer_uid"))
    return [found.get(uid, (uid, members[uid], 0, 0, 0, 0, 0)) for uid in uids]
