"""
Actors that take turns: threads of which exactly one runs, handing on a baton at every primitive step.

The real code is synchronous, so a worker can be suspended in the middle of it only with its stack: hence threads. The
rule owned here: whoever has the baton asks the director who goes next, so a run is a function of the director's
choices and of nothing else. A crash is an exception at a step: nothing after it happens.
"""

import threading
from collections.abc import Callable
from typing import Final

_STEP_TIMEOUT_S: Final = 120.0


class Crash(BaseException):
    """The worker's process is gone; nothing of the real code may catch it."""


class Actor:
    """Somebody who does steps, and what may be asked about it between them."""

    def __init__(self, name: str, body: Callable[[], None]) -> None:
        self.name = name
        self.body = body
        self.at = "starts"
        self.is_ready: Callable[[], bool] = lambda: True
        self.is_doomed = False
        self.is_done = False
        self.stalled_until = 0
        self.turn = threading.Semaphore(0)
        self.thread: threading.Thread | None = None


class Stage:
    """
    Runs actors one at a time.

    Args:
        direct: Called at every step; says who goes next, None to give the baton back to whoever called `play`.
    """

    def __init__(self, direct: Callable[[], Actor | None]) -> None:
        self._direct = direct
        self._done = threading.Semaphore(0)
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self.failure: BaseException | None = None
        self._choices = 0
        self._owner = threading.current_thread()

    def enter(self, actor: Actor) -> None:
        """Let an actor take part from now on."""
        self.actors.append(actor)

    def step(self, what: str, is_ready: Callable[[], bool] | None = None) -> None:
        """
        Announce the next primitive step of the current actor and wait for its turn.

        Args:
            what: What it is about to do.
            is_ready: Whether it makes sense to go on; asked before every choice.

        Raises:
            Crash: If this actor is to end here.
        """
        actor = self.current
        if actor is None:
            if threading.current_thread() is self._owner:
                return
            # A run that was given up: whoever is still on its way must not go on for ever.
            raise Crash
        actor.at = what
        actor.is_ready = is_ready or (lambda: True)
        following = self._choice()
        if following is not actor:
            self._hand_to(following)
            actor.turn.acquire()
            self.current = actor
        if actor.is_doomed:
            raise Crash

    def play(self) -> None:
        """Let the actors act until the director says that it is enough."""
        following = self._choice()
        if following is not None:
            self._hand_to(following)
            choices = self._choices
            # On a busy machine a whole schedule may take minutes; one step may not.
            while not self._done.acquire(timeout=_STEP_TIMEOUT_S):
                if self._choices == choices:
                    raise RuntimeError("the actors do not hand the baton back")
                choices = self._choices
        self.current = None
        if self.failure is not None:
            raise self.failure

    def end(self) -> None:
        """End every actor where it stands."""
        self._direct = lambda: None
        for actor in self.actors:
            self.finish(actor)

    def finish(self, actor: Actor) -> None:
        """End one actor where it stands; called by whoever called `play`."""
        actor.is_doomed = True
        if actor.thread is None or actor.is_done:
            actor.is_done = True
            return
        direct, self._direct = self._direct, lambda: None
        self._hand_to(actor)
        self._done.acquire(timeout=_STEP_TIMEOUT_S)
        self._direct = direct
        self.current = None

    def _choice(self) -> Actor | None:
        self._choices += 1
        if self.failure is not None:
            return None
        doomed = next((one for one in self.actors if one.is_doomed and not one.is_done and one.thread), None)
        return doomed or self._direct()

    def _hand_to(self, actor: Actor | None) -> None:
        if actor is None:
            self._done.release()
        elif actor.thread is None:
            actor.thread = threading.Thread(target=self._live, args=(actor,), name=actor.name, daemon=True)
            actor.thread.start()
        else:
            actor.turn.release()

    def _live(self, actor: Actor) -> None:
        self.current = actor
        try:
            actor.body()
        except Crash:
            pass
        except BaseException as error:  # noqa: BLE001 - told to whoever called `play`
            self.failure = error
        actor.is_done = True
        try:
            following = self._choice()
        except BaseException as error:  # noqa: BLE001 - as above
            self.failure = error
            following = None
        self._hand_to(following)
