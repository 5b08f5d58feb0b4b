"""Cases of joining that are easy to get wrong, each told in one test."""

import polars as pl

from pipeline.contracts.kinds import KIND_RANK
from pipeline.identity.cluster import cluster

TIME = pl.Datetime("ms", "UTC")


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def customers(
    kinds: dict[int, str],
    links: list[tuple[int, int, int]],
    aliases: list[tuple[int, int, int]] | None = None,
    unlinks: list[tuple[int, int]] | None = None,
    first_seen: dict[int, int] | None = None,
    shared: tuple[int, ...] = (),
) -> dict[int, int]:
    """Return anchor by identifier; links and aliases are (a, b, first_seen)."""
    identifiers = pl.DataFrame(
        [(key(number), KIND_RANK[kind], number in shared) for number, kind in kinds.items()],
        schema={"ident_key": pl.Binary, "kind": pl.Int8, "shared": pl.Boolean},
        orient="row",
    )
    if first_seen is not None:
        seen = pl.Series("first_seen", [first_seen.get(number) for number in kinds], dtype=pl.Int64).cast(TIME)
        identifiers = identifiers.with_columns(seen)

    def frame(rows: list[tuple[int, int, int]]) -> pl.DataFrame:
        pairs = [(key(a), key(b), at) for a, b, at in rows]
        schema = {"a": pl.Binary, "b": pl.Binary, "first_seen": pl.Int64}
        return pl.DataFrame(pairs, schema=schema, orient="row").with_columns(pl.col("first_seen").cast(TIME))

    apart = pl.DataFrame(
        [(key(a), key(b)) for a, b in unlinks or []], schema={"a": pl.Binary, "b": pl.Binary}, orient="row"
    )
    found = cluster(identifiers, frame(links), frame(aliases or []), apart)
    assert found["ident_key"].is_sorted()
    return {
        int.from_bytes(one, "big"): int.from_bytes(anchor, "big")
        for one, anchor in found.select("ident_key", "customer_uid").iter_rows()
    }


def test_two_accounts_never_share_a_customer_and_the_earlier_link_decides() -> None:
    kinds = {1: "customer_id", 2: "customer_id", 3: "email"}
    assert customers(kinds, [(1, 3, 20), (2, 3, 10)]) == {1: 1, 2: 2, 3: 2}
    assert customers(kinds, [(1, 3, 10), (2, 3, 10)]) == {1: 1, 2: 2, 3: 1}, "a tie goes to the lower stronger key"


def test_links_of_stronger_kinds_join_before_earlier_links_of_weaker_ones() -> None:
    kinds = {1: "customer_id", 2: "customer_id", 3: "email", 4: "cookie_id"}
    # The cookie was with account 2 first, but joins after the e-mail has tied itself to account 1.
    assert customers(kinds, [(1, 3, 30), (3, 4, 10), (2, 4, 20)]) == {1: 1, 2: 2, 3: 1, 4: 1}


def test_an_account_that_joins_a_larger_customer_is_remembered() -> None:
    kinds = {1: "customer_id", 2: "customer_id", 3: "email", 4: "order_id", 5: "device_id", 6: "cookie_id"}
    links = [(3, 4, 0), (3, 5, 1), (1, 5, 2), (3, 6, 3), (2, 6, 4)]
    assert customers(kinds, links) == {1: 1, 2: 2, 3: 1, 4: 1, 5: 1, 6: 1}


def test_of_links_of_one_moment_the_lower_stronger_end_goes_first() -> None:
    kinds = {4: "email", 5: "email", 8: "customer_id", 9: "customer_id"}
    # By the stronger end 4-5 joins first, and 8-5 before 9-4; by the weaker end it would be 9-4.
    assert customers(kinds, [(8, 5, 0), (9, 4, 0), (4, 5, 0)]) == {4: 8, 5: 8, 8: 8, 9: 9}


def test_of_two_identifiers_of_one_kind_the_lower_key_is_the_stronger_end() -> None:
    kinds = {1: "customer_id", 2: "customer_id", 5: "email", 6: "email", 7: "email", 8: "email"}
    before = [(1, 5, 0), (2, 6, 0), (7, 8, 0)]
    assert customers(kinds, [*before, (5, 8, 1), (6, 7, 1)]) == {1: 1, 2: 2, 5: 1, 6: 2, 7: 1, 8: 1}


def test_of_aliases_of_one_moment_the_one_with_the_lower_key_goes_first() -> None:
    kinds = dict.fromkeys((1, 2, 3, 4), "customer_id")
    aliases = [(1, 2, 0), (1, 4, 1), (2, 3, 1)]
    assert customers(kinds, [], aliases, unlinks=[(3, 4)]) == {1: 1, 2: 1, 3: 3, 4: 1}


def test_an_alias_makes_two_accounts_one_and_then_counts_as_one() -> None:
    kinds = {1: "customer_id", 2: "customer_id", 3: "email", 4: "customer_id"}
    assert customers(kinds, [(1, 3, 5), (2, 3, 6), (4, 3, 7)], aliases=[(2, 1, 9)]) == {1: 1, 2: 1, 3: 1, 4: 4}


def test_an_unlink_beats_an_alias_and_links_in_a_roundabout_way() -> None:
    kinds = {1: "customer_id", 2: "customer_id", 3: "email", 4: "cookie_id"}
    assert customers(kinds, [], aliases=[(1, 2, 5)], unlinks=[(2, 1)]) == {1: 1, 2: 2, 3: 3, 4: 4}
    # 4 was seen with the e-mail only, which belongs to account 1: still kept apart from it.
    assert customers(kinds, [(1, 3, 1), (3, 4, 2)], unlinks=[(4, 1)]) == {1: 1, 2: 2, 3: 1, 4: 4}


def test_of_a_chain_of_aliases_the_later_one_yields_to_an_unlink() -> None:
    kinds = {1: "customer_id", 2: "customer_id", 3: "customer_id"}
    assert customers(kinds, [], aliases=[(1, 2, 10), (2, 3, 5)], unlinks=[(1, 3)]) == {1: 1, 2: 2, 3: 2}


def test_the_anchor_is_the_strongest_then_the_earliest_then_the_lowest() -> None:
    kinds = {5: "cookie_id", 6: "email", 7: "email", 8: "cookie_id"}
    assert set(customers(kinds, [(6, 5, 20), (7, 5, 10), (6, 8, 30)]).values()) == {7}
    assert set(customers(kinds, [(6, 5, 10), (7, 5, 10), (6, 8, 30)]).values()) == {6}


def test_first_seen_counts_links_that_are_dead() -> None:
    kinds = {5: "email", 6: "email", 7: "cookie_id"}
    assert set(customers(kinds, [(5, 7, 10), (6, 7, 20)]).values()) == {5}
    assert set(customers(kinds, [(5, 7, 10), (6, 7, 20)], first_seen={6: 3}).values()) == {6}


def test_an_identifier_that_nothing_links_is_its_own_customer() -> None:
    assert customers({9: "cookie_id"}, []) == {9: 9}
    assert customers({}, []) == {}


def test_keys_compare_as_unsigned_numbers() -> None:
    low, high = 2**127 - 1, 2**127 + 1
    assert set(customers({high: "email", low: "email", 1: "cookie_id"}, [(high, 1, 5), (low, 1, 5)]).values()) == {low}


def test_a_shared_identifier_is_a_customer_of_its_own_even_if_its_links_are_handed_in() -> None:
    kinds = {1: "customer_id", 2: "cookie_id", 3: "email"}
    assert customers(kinds, [(1, 2, 5), (2, 3, 6)], shared=(2,)) == {1: 1, 2: 2, 3: 3}
