"""
Playing a schedule: begins and ends each fault at its time, and sees that it hits something.

A fault of the network needs somebody to hit: after a broker was killed there may be no connection for half a minute.
So a reset waits for a connection, and what lasts goes on until a piece or a connection ran into it. Everything behind
moves by as much. What found nobody even so is told: it showed nothing.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tests.chaos.nemesis import Nemesis
from tests.chaos.schedule import NETWORK, Fault

# Longer than a broker takes to be back on a busy machine.
HIT_WITHIN_S = 45.0
_LOOK_S = 0.1
Say = Callable[[str], None]


@dataclass(frozen=True)
class Moment:
    """
    What is known of a fault when it is over.

    Attributes:
        began: When it really began, in seconds since the first record.
        over: When it was really over.
        machine_load: How busy the machine was then.
        struck: What it hit on the network: pieces that came late or never, connections that were reset or refused.
    """

    began: float
    over: float
    machine_load: float
    struck: int


def play(nemesis: Nemesis, schedule: Sequence[Fault], say: Say, hit_within_s: float = HIT_WITHIN_S) -> list[Moment]:
    """
    Play a schedule from now on.

    Args:
        nemesis: Who hurts.
        schedule: What, and when.
        say: Who is told.
        hit_within_s: How long a fault of the network may wait for somebody to hit.

    Returns:
        When each fault really began and was over.
    """
    began, late, moments = time.monotonic(), 0.0, []

    def sleep_until(second: float) -> None:
        time.sleep(max(0.0, began + late + second - time.monotonic()))

    for fault in schedule:
        sleep_until(fault.at_s)
        is_network = fault.word in NETWORK
        if is_network and fault.word == "reset":
            late += waited(partial(nemesis.is_connected, fault.target), hit_within_s)
        really, before = time.monotonic() - began, nemesis.struck(fault.target) if is_network else 0
        say(f"  {really:6.1f} s  {fault}" + (f" for {fault.lasts_s:g} s" if fault.lasts_s else ""))
        nemesis.begin(fault.word, fault.target)
        sleep_until(fault.ends_s)
        if is_network:
            late += waited(partial(nemesis.has_struck, fault.target, before), hit_within_s)
        nemesis.end(fault.word, fault.target)
        struck = nemesis.struck(fault.target) - before if is_network else 0
        moments.append(Moment(really, time.monotonic() - began, os.getloadavg()[0], struck))
    nemesis.heal()
    return moments


def waited(is_so: Callable[[], bool], most_s: float) -> float:
    """Wait until something is so, and return for how long; nothing where it is so at once."""
    began = time.monotonic()
    if is_so():
        return 0.0
    while time.monotonic() - began < most_s and not is_so():
        time.sleep(_LOOK_S)
    return time.monotonic() - began
