"""Lost records are told from records that were never there."""

from pipeline.streaming.transport.positions import Covered, ReadPositions


def test_reads_follow_each_other() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.restart("p", 7)
    assert positions.advance("p", 7, 10, has_records=True) == Covered(7, 9, 0)
    assert positions.advance("p", 10, 11, has_records=True) == Covered(10, 10, 0)


def test_a_log_that_now_begins_later_is_a_loss() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.restart("p", 7)
    positions.advance("p", 7, 10, has_records=True)
    assert positions.advance("p", 25, 30, has_records=True) == Covered(25, 29, 15)
    assert positions.advance("p", 30, 31, has_records=True) == Covered(30, 30, 0)


def test_a_first_read_that_finds_the_beginning_gone_is_a_loss() -> None:
    positions: ReadPositions[str] = ReadPositions()
    assert positions.advance("p", 12, 20, has_records=True) == Covered(12, 19, 12)


def test_offsets_without_records_belong_to_the_next_chunk() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.restart("p", 0)
    assert positions.advance("p", 0, 3, has_records=False) is None
    assert positions.advance("p", 3, 5, has_records=True) == Covered(0, 4, 0)


def test_losses_add_up_until_a_chunk_can_tell_them() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.restart("p", 0)
    assert positions.advance("p", 5, 6, has_records=False) is None
    assert positions.advance("p", 8, 9, has_records=True) == Covered(8, 8, 7)


def test_a_log_that_starts_anew_is_read_from_where_it_starts() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.restart("p", 500)
    assert positions.advance("p", 0, 4, has_records=True) == Covered(0, 3, 0)


def test_a_seek_forgives_what_it_skips() -> None:
    positions: ReadPositions[str] = ReadPositions()
    positions.advance("p", 3, 4, has_records=False)
    positions.restart("p", 10)
    assert positions.advance("p", 10, 12, has_records=True) == Covered(10, 11, 0)


def test_partitions_do_not_know_of_each_other() -> None:
    positions: ReadPositions[tuple[str, int]] = ReadPositions()
    positions.restart(("t", 0), 5)
    positions.restart(("t", 1), 9)
    assert positions.advance(("t", 1), 9, 10, has_records=True) == Covered(9, 9, 0)
    assert positions.advance(("t", 0), 5, 6, has_records=True) == Covered(5, 5, 0)
