"""What was said about identity holds until it is withdrawn, whatever arrived first."""

from datetime import UTC, datetime

import polars as pl

from pipeline.identity.statements import ALIAS, UNLINK, statements_that_hold

ANNA, BERT, CARA = (bytes([number]) * 16 for number in (1, 2, 0xF0))


def at(day: int) -> datetime:
    return datetime(2026, 3, day, tzinfo=UTC)


def said(*rows: tuple[bytes, bytes, int, str, str, str, int], uid: int = 0, version: int = 0) -> pl.DataFrame:
    """Return (a, b, statement, source, event_id, withdraws, day) as stored: in both directions."""
    stored = [
        {
            "a": one,
            "b": other,
            "statement": statement,
            "source": source,
            "event_id": event_id,
            "withdraws": withdraws,
            "occurred_at": at(day),
            "event_uid": f"{uid or number}".encode(),
            "content_version": bytes([version]),
        }
        for number, (a, b, statement, source, event_id, withdraws, day) in enumerate(rows, 1)
        for one, other in ((a, b), (b, a))
    ]
    return pl.DataFrame(stored, schema_overrides={"statement": pl.Int8})


def test_the_earliest_standing_statement_of_a_pair_dates_it() -> None:
    found = statements_that_hold(
        said(
            (CARA, ANNA, ALIAS, "crm", "1", "", 9),
            (ANNA, CARA, ALIAS, "crm", "2", "", 4),
            (ANNA, BERT, UNLINK, "crm", "3", "", 5),
        )
    )
    assert found.aliases.rows() == [(ANNA, CARA, at(4))]
    assert found.unlinks.rows() == [(ANNA, BERT)]


def test_a_withdrawal_takes_back_only_its_own_source_type_and_pair() -> None:
    alias = (ANNA, BERT, ALIAS, "crm", "1", "", 4)
    standing = [(ANNA, BERT, at(4))]
    assert statements_that_hold(said(alias, (BERT, ANNA, ALIAS, "crm", "2", "1", 1))).aliases.is_empty()
    for other in (
        (ANNA, BERT, ALIAS, "shop", "2", "1", 5),
        (ANNA, BERT, UNLINK, "crm", "2", "1", 5),
        (ANNA, CARA, ALIAS, "crm", "2", "1", 5),
        (ANNA, BERT, ALIAS, "crm", "2", "7", 5),
    ):
        found = statements_that_hold(said(alias, other))
        assert found.aliases.rows() == standing
        assert found.unlinks.is_empty()


def test_a_withdrawal_cannot_be_withdrawn_but_a_new_id_says_it_again() -> None:
    rows = [(ANNA, BERT, ALIAS, "crm", "1", "", 4), (ANNA, BERT, ALIAS, "crm", "2", "1", 5)]
    assert statements_that_hold(said(*rows, (ANNA, BERT, ALIAS, "crm", "3", "2", 6))).aliases.is_empty()
    again = statements_that_hold(said(*rows, (ANNA, BERT, ALIAS, "crm", "4", "", 6)))
    assert again.aliases.rows() == [(ANNA, BERT, at(6))]


def test_of_several_contents_the_greatest_counts() -> None:
    old = said((ANNA, BERT, ALIAS, "crm", "1", "", 4), uid=1, version=1)
    corrected = said((ANNA, CARA, ALIAS, "crm", "1", "", 4), uid=1, version=2)
    assert statements_that_hold(pl.concat([corrected, old])).aliases.rows() == [(ANNA, CARA, at(4))]


def test_a_correction_may_turn_an_alias_into_an_unlink_or_into_its_own_withdrawal() -> None:
    old = said((ANNA, BERT, ALIAS, "crm", "1", "", 4), uid=1, version=1)
    turned = statements_that_hold(pl.concat([said((ANNA, BERT, UNLINK, "crm", "1", "", 4), uid=1, version=2), old]))
    assert turned.aliases.is_empty()
    assert turned.unlinks.rows() == [(ANNA, BERT)]
    taken_back = said((ANNA, BERT, ALIAS, "crm", "1", "1", 4), uid=1, version=2)
    assert statements_that_hold(pl.concat([old, taken_back])).aliases.is_empty()
    # The statement is the greater content: then the withdrawal was never said.
    early = said((ANNA, BERT, ALIAS, "crm", "1", "1", 4), uid=1, version=0)
    assert statements_that_hold(pl.concat([early, old])).aliases.rows() == [(ANNA, BERT, at(4))]


def test_one_withdrawal_takes_back_all_statements_of_its_id() -> None:
    rows = [(ANNA, BERT, ALIAS, "crm", "1", "", 4), (BERT, ANNA, ALIAS, "crm", "1", "", 6)]
    assert statements_that_hold(said(*rows)).aliases.rows() == [(ANNA, BERT, at(4))]
    assert statements_that_hold(said(*rows, (ANNA, BERT, ALIAS, "crm", "2", "1", 5))).aliases.is_empty()


def test_nothing_said() -> None:
    found = statements_that_hold(said((ANNA, BERT, ALIAS, "crm", "1", "", 4)).clear())
    assert found.aliases.is_empty()
    assert found.unlinks.is_empty()
