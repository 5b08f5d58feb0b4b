"""
The real code, run once for every course of answers that the world gives it, and remembered after that.

Landing and stitching a batch are deterministic: what they ask next depends only on their input and on what they were
answered so far. So a course that was seen before need not be computed again, and ten thousand schedules take minutes
instead of a day. The rule owned here: each question is asked anew, at its own step, of the world as it is then; only
the computing between two questions is remembered. As soon as an answer differs from all that came before, the real code
runs again from the start, is given the answers that this batch got, and goes on live; it must ask the same questions.

Stamps are numbers of no meaning to the code in between: it is given marks (1, 2, …) and whoever does the INSERT puts
the real stamps in their places.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.warehouse.apart import FactsApart
from tests.model.frames import SCHEMAS, frame_of, frozen
from tests.model.warehouse import Answer

Perform = Callable[[str, tuple[Any, ...]], Answer]
"""Does one call for real, at a step of its own."""


@dataclass(slots=True)
class Course:
    """A question, and where each answer to it led; or the end, with the result."""

    method: str = ""
    arguments: tuple[Any, ...] = ()
    rows: Any = None
    following: dict[Answer, "Course"] = field(default_factory=dict)
    is_end: bool = False
    result: Any = None


class Questions:
    """
    What the real code is given as its store, announcer or publisher: every call becomes a question.

    Args:
        courses: Where to remember; the first question comes after it.
        given: Answers to give before asking anybody.
        perform: Asks the world.
        insert: Turns the frame of an INSERT into rows; None: the call is none.
    """

    def __init__(
        self,
        start: Course,
        given: list[Answer],
        perform: Perform,
        insert: Callable[[str, tuple[Any, ...]], Any],
    ) -> None:
        self._course = start
        self._given = list(given)
        self._perform = perform
        self._insert = insert

    def ask(self, method: str, arguments: tuple[Any, ...]) -> Answer:
        """Answer one call: from what this batch was answered before, else by asking."""
        course = self._course
        asked = tuple(frozen(argument) for argument in arguments)
        if not course.method:
            course.method, course.arguments = method, asked
            course.rows = self._insert(method, arguments)
        elif (course.method, course.arguments) != (method, asked):
            before = f"{course.method}{course.arguments}"
            raise AssertionError(f"not deterministic: after the same answers it asked {before}, now {method}{asked}")
        answer = self._given.pop(0) if self._given else self._perform(method, self.payload())
        self._course = course.following.setdefault(answer, Course())
        return answer

    def payload(self) -> tuple[Any, ...]:
        """Return what the current question hands over."""
        return payload_of(self._course)

    def end(self, result: Any) -> None:
        """Take note that this was all."""
        self._course.is_end = True
        self._course.result = result


def payload_of(course: Course) -> tuple[Any, ...]:
    """Return rows for an INSERT, the plain arguments for everything else."""
    return course.arguments if course.rows is None else (course.rows,)


class Memory:
    """Courses by what they began with."""

    def __init__(self, insert: Callable[[str, tuple[Any, ...]], Any]) -> None:
        self._insert = insert
        self._starts: dict[Hashable, Course] = {}
        self.remembered = 0
        self.computed = 0

    def run(self, start: Hashable, real: Callable[[Questions], Any], perform: Perform) -> Any:
        """
        Do a batch.

        Args:
            start: Everything that the batch depends on beside the answers.
            real: Runs the real code with these questions for its ports.
            perform: Asks the world.
        """
        course = first = self._starts.setdefault(start, Course())
        answers: list[Answer] = []
        while course.method:
            answer = perform(course.method, payload_of(course))
            answers.append(answer)
            known = course.following.get(answer)
            if known is None:
                break
            course = known
        if course.is_end:
            self.remembered += 1
            return course.result
        self.computed += 1
        questions = Questions(first, answers, perform, self._insert)
        result = real(questions)
        questions.end(result)
        return result


class Port:
    """The real code's view of its questions: frames for reads, marks for stamps, nothing for writes."""

    def __init__(self, questions: Questions) -> None:
        self.questions = questions

    def facts_apart(self, groups: pl.DataFrame) -> FactsApart:
        """Read in two stretches, as what is too much for one read is."""
        apart, keys = FactsApart(groups), groups["ident_key"].sort()
        middle = len(keys) // 2
        for stretch in (keys.head(middle), keys.slice(middle)):
            if len(stretch):
                apart.put(self.facts(stretch).to_arrow(compat_level=pl.CompatLevel.oldest()))
        return apart

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            answer = self.questions.ask(method, arguments)
            return answered(method, answer)

        return call


def answered(method: str, answer: Answer) -> Any:
    """Return an answer in the form that the real code expects of this method."""
    from pipeline.warehouse.facts import from_micros

    if method in ("landing_stamp", "register_version"):
        return from_micros(answer[0])
    if method in ("partitions", "write"):
        return answer[0]
    return frame_of(method, answer) if answer or method in READS else None


READS = frozenset({*SCHEMAS, "overlooked_neighbours", "stale_identifiers", "named"})
