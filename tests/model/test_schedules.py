"""Schedules of the model, and the gate: a protocol that is wrong in one point is caught."""

from random import Random

import pytest

from tests.model.broker import Broker, Consumer, Group, Stored
from tests.model.mutants import MUTANTS, Mutant
from tests.model.schedules import SEEDS_PER_WORLD, run_mutant, run_schedules
from tests.model.stage import Actor, Crash, Stage

SCHEDULES = 500


# Some seconds; handing on the baton a hundred thousand times takes minutes where nobody gets a turn at once.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, SCHEDULES, SEEDS_PER_WORLD))
def test_every_schedule_converges(first: int) -> None:
    """World by world: what is computed once serves all schedules of a world, and no other."""
    seeds = range(first, first + SEEDS_PER_WORLD)
    diverged = [verdict for verdict in run_schedules(seeds) if verdict.diverged is not None]
    assert not diverged, f"make model SEED={diverged[0].seed}: {diverged[0].diverged}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    """From a seed on that showed the fault when it was written down; `make model` looks from the first."""
    seeds = range(mutant.known, mutant.known + 60)
    assert any(verdict.diverged is not None for verdict in run_mutant(mutant, seeds))


def test_a_seed_is_a_schedule() -> None:
    told: list[list[str]] = [[], []]
    for lines in told:
        list(run_schedules([7], lines.append))
    assert told[0] == told[1]
    assert len(told[0]) > 50


def test_one_actor_runs_at_a_time_and_a_doomed_one_does_nothing_more() -> None:
    random, done = Random(1), list[str]()
    stage: Stage

    def body(name: str) -> None:
        for number in range(3):
            stage.step(f"{name}{number}")
            done.append(f"{name}{number}")

    def direct() -> Actor | None:
        able = [actor for actor in stage.actors if not actor.is_done]
        if len(done) == 3:
            stage.actors[1].is_doomed = True
        return random.choice(able) if able else None

    stage = Stage(direct)
    for name in ("a", "b"):
        stage.enter(Actor(name, lambda name=name: body(name)))  # type: ignore[misc]
    stage.play()
    assert [one for one in done if one.startswith("a")] == ["a0", "a1", "a2"]
    assert len(done) < 6
    assert all(actor.is_done for actor in stage.actors)
    assert issubclass(Crash, BaseException)
    assert not issubclass(Crash, Exception)


def test_what_is_not_committed_is_read_again_by_whoever_holds_the_partition() -> None:
    broker = Broker({("t", 0): [Stored(offset, 0, None, b"") for offset in range(4)]})
    broker.ends["t", 0] = 4
    broker.groups["g"] = Group(("t",))
    broker.assign("g", ["one"], Random(0))
    one, other = Consumer(broker, "g", "one"), Consumer(broker, "g", "other")
    (first,) = one.poll(Random(0), 2)
    one.finish([first])
    one.commit()
    (second,) = one.poll(Random(0), 1)
    broker.assign("g", ["other"], Random(0))
    one.finish([second])
    one.commit()
    assert broker.groups["g"].committed["t", 0] == first.last_offset + 1
    (again,) = other.poll(Random(0), 4)
    assert again.first_offset == first.last_offset + 1
