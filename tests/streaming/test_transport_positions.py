"""Lost records are told from records that were never there."""

from pipeline.streaming.transport.positions import Covered, ReadPositions


def test_reads_follow_each_other() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.restart("p", 7)
    assert positions.advance("p", 7, 10) == Covered(7, 9, 0)
    assert positions.advance("p", 10, 11) == Covered(10, 10, 0)


def test_a_log_that_now_begins_later_is_a_loss() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.restart("p", 7)
    positions.advance("p", 7, 10)
    assert positions.advance("p", 25, 30) == Covered(25, 29, 15)
    assert positions.advance("p", 30, 31) == Covered(30, 30, 0)


def test_a_first_read_that_finds_the_beginning_gone_is_a_loss() -> None:
    positions: ReadPositions[str] = ReadPositions()
    assert positions.advance("p", 12, 20) == Covered(12, 19, 12)


def test_a_read_that_gets_nowhere_changes_nothing() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.restart("p", 0)
    assert positions.advance("p", 5, 5) is None
    assert positions.advance("p", 8, 9) == Covered(8, 8, 8)


def test_a_log_that_starts_anew_is_read_from_where_it_starts() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.restart("p", 500)
    assert positions.advance("p", 0, 4) == Covered(0, 3, 0)


def test_a_seek_forgives_what_it_skips() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.advance("p", 3, 4)
    positions.restart("p", 10)
    assert positions.advance("p", 10, 12) == Covered(10, 11, 0)


def test_partitions_do_not_know_of_each_other() -> None:
    positions: ReadPositions[tuple[str, int]] = ReadPositions()
    positions.restart(("t", 0), 5)
    positions.restart(("t", 1), 9)
    assert positions.advance(("t", 1), 9, 10) == Covered(9, 9, 0)
    assert positions.advance(("t", 0), 5, 6) == Covered(5, 5, 0)
