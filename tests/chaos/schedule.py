"""
The schedule: which fault when, from a seed alone.

All faults there are form a deck. Ten seeds in a row (1 to 10, 11 to 20, …) deal one shuffle of it, so that together
they play every fault. Those among them who have three brokers deal the faults between brokers, and roll them at the
end; two have a schema registry and deal its faults; four deal what was thought of later, behind their own. Times do not
depend on how fast anything recovers: the same seed hurts at the same offsets.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from tests.chaos.ground import NODES, REGISTRY, Layout
from tests.chaos.peers import PEERS

SEEDS_OF_A_DECK = 10
WARM_UP_S = 8.0
REST_S = 9.0
BEYOND_SESSION_S = 13.0
# How long each lasts; what is not named happens in a moment.
LASTS_S = {
    "freeze": BEYOND_SESSION_S,
    "memory": 5.0,
    "hole": BEYOND_SESSION_S,
    "half-open": BEYOND_SESSION_S,
    "delay": 6.0,
    "throttle": 6.0,
    "refuse": 5.0,
    "reset-after": 5.0,
    "full": 6.0,
    "clock-back": 8.0,
    "clock-ahead": 8.0,
    "storm": 16.0,
    "roll": 45.0,
}
_PAUSE_S = {"kill load": 2.0, "kill supervisor": 1.0, "term load": 2.0, "term supervisor": 1.0, "kill registry": 6.0}
NETWORK = ("hole", "half-open", "delay", "throttle", "refuse", "reset", "reset-after")
# The must-hold figures are measured in every seed.
ALWAYS = ("kill land", "kill broker")
ONE_NODE = (
    *(f"kill {target}" for target in ("stitch", "warehouse", "load", "supervisor")),
    *(f"term {target}" for target in ("land", "stitch", "broker", "warehouse")),
    *(f"freeze {target}" for target in ("land", "stitch", "broker", "warehouse")),
    *(f"memory {target}" for target in ("land", "stitch")),
    *(f"{trouble} {role}>broker" for role in ("land", "stitch", "load") for trouble in NETWORK),
    *(f"{trouble} {role}>warehouse" for role in ("land", "stitch") for trouble in NETWORK),
    *(f"full {disk}" for disk in ("warehouse", "kafka", "temp")),
    *(f"clock-{way} {role}" for way in ("back", "ahead") for role in ("land", "stitch")),
    "storm group",
    "partitions topic",
)
# A deck of its own: the schedules of the seeds stay what they were, with one fault more at their end.
LATER = ("memory broker", "memory warehouse", "term load", "term supervisor")
# One broker and its two peers. Half-open: what it asks arrives and it hears nothing, or the other way round.
OF_PEERS = (*(f"{trouble} broker>peers" for trouble in NETWORK), "half-open peers>broker")
THREE_NODE_SEEDS = 3
# A registry that is killed has forgotten everything. It is asked by a connection for each question: none to reset.
OF_REGISTRY = (
    *(f"{word} {REGISTRY}" for word in ("kill", "freeze")),
    *(f"{trouble} land>{REGISTRY}" for trouble in ("hole", "half-open", "delay", "refuse", "reset-after")),
)
REGISTRY_SEEDS = 5
OF_BROKERS = "roll brokers"
ALL = frozenset((*ALWAYS, *ONE_NODE, *LATER, *OF_PEERS, *OF_REGISTRY, OF_BROKERS))


@dataclass(frozen=True)
class Fault:
    """
    One fault.

    Attributes:
        at_s: When it begins, counted from the first record.
        word: What is done.
        target: To whom: a part, a pair, a disk.
        lasts_s: How long.
    """

    at_s: float
    word: str
    target: str
    lasts_s: float

    def __str__(self) -> str:
        """Read as `kill land-1`."""
        return f"{self.word} {self.target}"

    @property
    def ends_s(self) -> float:
        """When it ends."""
        return self.at_s + self.lasts_s


def wrong_in(words: str) -> str:
    """Return what is wrong with a fault that somebody named, as `freeze warehouse:60`; empty if nothing is."""
    name, colon, seconds = words.partition(":")
    # One worker or broker of several may be named: `kill land-2`.
    if re.sub(r"-[1-9]\b", "", name) not in ALL:
        return "is no fault"
    if colon and not re.fullmatch(r"\d+(\.\d+)?", seconds):
        return "has no number of seconds after its colon"
    return ""


def absent_in(words: str, present: Collection[str]) -> list[str]:
    """Return whom a named fault means, as `kill land-3`, that is not among the workers and brokers there are."""
    name = words.partition(":")[0]
    named = re.findall(r"\b[a-z]+-[1-9]\b", name)
    if PEERS in re.split("[ >]", name) and NODES[1] not in present:
        named.append(NODES[1])
    return [name for name in named if name not in present]


def unfit_for(words: str, nodes: int) -> str:
    """Return why a named fault is none with so many brokers; empty if it is one."""
    if words.partition(":")[0] == OF_BROKERS and nodes == 1:
        return f"{OF_BROKERS!r} restarts several brokers in turn, and there is one; give --brokers 3, or `term broker`"
    return ""


def dealt(seed: int, nodes: int) -> list[str]:
    """Return the faults of a seed, as a word and a role."""
    # One deck for all ten, whoever of them has several brokers, or some faults would come twice and others never.
    number, place = divmod(seed - 1, SEEDS_OF_A_DECK)
    own = _shuffled(ONE_NODE, number)[place::SEEDS_OF_A_DECK]
    own += _shuffled(LATER, number)[SEEDS_OF_A_DECK - 1 - place :: SEEDS_OF_A_DECK]
    if has_registry(seed):
        shares = SEEDS_OF_A_DECK // REGISTRY_SEEDS
        own += _shuffled(OF_REGISTRY, number)[seed // REGISTRY_SEEDS % shares :: shares]
    if nodes == 1:
        return [*ALWAYS, *own]
    # Every third seed has three brokers, unless said: of ten in a row these are three or four.
    between = _shuffled(OF_PEERS, number)[seed // THREE_NODE_SEEDS % THREE_NODE_SEEDS :: THREE_NODE_SEEDS]
    return [*ALWAYS, *own, *between, OF_BROKERS]


def has_registry(seed: int) -> bool:
    """Return whether a seed has a schema registry, unless faults are named: two of ten in a row have one."""
    return seed % REGISTRY_SEEDS == 0


def _shuffled(deck: Sequence[str], number: int) -> list[str]:
    cards = [*deck]
    Random(number).shuffle(cards)
    return cards


def scheduled(seed: int, layout: Layout, faults: list[str] | None = None, rest_s: float = REST_S) -> list[Fault]:
    """
    Return the schedule of a seed.

    Args:
        seed: Another number is another schedule.
        layout: Who there is.
        faults: These instead of the deck's, as `freeze warehouse:60` (seconds after the colon).
        rest_s: From the end of one fault to about the next.
    """
    random = Random(seed)
    at_s, schedule = WARM_UP_S, []
    for words in faults or dealt(seed, len(layout.nodes)):
        name, _, seconds = words.partition(":")
        word, _, role = name.partition(" ")
        target = _one_of(role, layout, random)
        lasts_s = float(seconds) if seconds else LASTS_S.get(word, _PAUSE_S.get(name, 0.0))
        fault = Fault(round(at_s + random.uniform(0, 1.5), 2), word, target, lasts_s)
        schedule.append(fault)
        at_s = fault.ends_s + rest_s
    return schedule


def _one_of(role: str, layout: Layout, random: Random) -> str:
    """Name one worker of a role, also as the client of a pair, and one of several brokers, also with its peers."""
    client, way, server = role.partition(">")
    workers = [worker for worker in layout.workers if worker.partition("-")[0] == client]
    nodes = list(layout.nodes) if role == "broker" or PEERS in (client, server) else []
    if client == PEERS:
        return client + way + (random.choice(nodes) if server == "broker" else server)
    return random.choice(workers or (nodes if client == "broker" else []) or [client]) + way + server
