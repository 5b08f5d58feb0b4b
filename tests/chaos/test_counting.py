"""What counters of processes that die and come again say together, and what of it nobody can know."""

from tests.chaos.counting import Scrape, keep_ends, landed, tally_of

RECEIVED = landed("received")
# Asked at whole seconds; ten records are committed in each.
COMMITTED = [(float(at), 10.0 * at) for at in range(21)]


def scrape(asked: float, started: float, received: float) -> Scrape:
    return Scrape(asked, started, {RECEIVED: received, "throughline_parked_records": received})


def test_one_life_each_is_exact() -> None:
    said = {"land-1": [scrape(1, 0, 10), scrape(20, 0, 150)], "land-2": [scrape(20, 0, 50)]}
    tally = tally_of(said, COMMITTED, [], dealt=0)
    assert (tally.counted, tally.unseen, tally.is_exact) == ({RECEIVED: 200}, 0, True)
    assert tally.resting["land-1"][RECEIVED] == 150


def test_lives_are_summed_and_lack_what_was_committed_between_their_words() -> None:
    said = {"land-1": [scrape(1, 0, 10), scrape(9.5, 0, 90), scrape(12.2, 11, 5), scrape(20, 11, 100)]}
    tally = tally_of(said, COMMITTED, [], dealt=0)
    assert tally.counted == {RECEIVED: 190}
    # Committed by 8, which was surely answered before 9.5, and by 13.
    assert tally.unseen == 50
    assert not tally.is_exact


def test_strangers_land_unasked_and_a_group_that_is_dealt_anew_may_land_twice() -> None:
    said = {"land-1": [scrape(20, 0, 200)]}
    assert tally_of(said, COMMITTED, [(5.0, 7.0)], dealt=0).unseen == 30
    assert not tally_of(said, COMMITTED, [(5.0, 7.0)], dealt=0).is_exact
    assert not tally_of(said, COMMITTED, [], dealt=1).is_exact


def test_a_stitching_worker_that_dies_hides_no_landed_record() -> None:
    said = {"land-1": [scrape(20, 0, 200)], "stitch-1": [scrape(5, 0, 0), scrape(6, 5.5, 0)]}
    tally = tally_of(said, COMMITTED, [], dealt=0)
    assert tally.is_exact
    assert tally.unseen == 0


def test_of_each_life_the_first_and_the_last_word_are_kept() -> None:
    said: list[Scrape] = []
    words = [scrape(1, 0, 1), scrape(2, 0, 2), scrape(3, 0, 3), scrape(4, 3.5, 1), scrape(5, 3.5, 2), scrape(6, 3.5, 3)]
    for word in words:
        keep_ends(said, word)
    assert said == [words[0], words[2], words[3], words[5]]
