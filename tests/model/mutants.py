"""
Protocols that are wrong in one point each: the model must catch every one of them, or it proves nothing.

The rule owned here: a mutant is a patch of the real code or of the statements of its stores, and what happens to its
schedules is what brings that fault to light, with the sweep where it is about the sweep, and without where the sweep
would heal it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

import polars as pl

from pipeline.streaming import closure, stitcher
from pipeline.streaming.landing import Landing
from pipeline.streaming.transport.ledger import AckLedger
from tests.model.hands import Hands
from tests.model.happenings import Happenings
from tests.model.script import Turn
from tests.model.tables import StitchedRow
from tests.model.warehouse import Answer, Warehouse
from tests.model.worlds import CROWD, HUBS, MEETING, MIXED, MOVE, PEOPLE

RACING: Final = Happenings(stall=0.04, rebalance=0.03, stick=0.5, commit=0.8, has_sweep=False)
FAULTY: Final = replace(RACING, crash=0.02, unavailable=0.05)
LOSSY: Final = Happenings(stall=0.04, rebalance=0.03, crash=0.01, lose=0.7, sweep=0.04, stick=0.5)
QUIET: Final = Happenings(stick=0.8, has_sweep=False)


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    One fault.

    Attributes:
        name: What is wrong.
        shape: Of the worlds that show it.
        happenings: That show it.
        hands: Statements that are wrong; the right ones if None.
        warehouse: Reads that are wrong; the right ones if None.
        patching: Opens the patch of the real code.
        commits_first: Whether the loop is wrong.
        group: How many identifiers are written together; None: as the world says.
        script: How its schedules begin, where chance alone would hardly ever show it.
        known: From which schedule on `make test` looks for one that shows it; `make model` begins with the first.
    """

    name: str
    shape: str
    happenings: Happenings
    hands: type[Hands] = Hands
    warehouse: type[Warehouse] = Warehouse
    patching: Callable[[], AbstractContextManager[Any]] = nullcontext
    commits_first: bool = False
    group: int | None = None
    script: Sequence[Turn] = ()
    known: int = 0


class _VersionAfterRead(Hands):
    """The version is registered when the rows are written."""

    def register_version(self, _worker: str) -> Answer:
        return self._marked(0)

    def insert_stitched(self, rows: Sequence[StitchedRow]) -> Answer:
        mark = rows[0].version
        if not self.stamps[mark]:
            self.stamps[mark] = self.world.warehouse.next_version(self._now())
            self.world.warehouse.register(self.stamps[mark])
            self.world.step("insert_stitched")
        return super().insert_stitched(rows)


class _BareClock(Hands):
    """The version is what the clock shows."""

    def register_version(self, _worker: str) -> Answer:
        version = self._now()
        self.world.step("register_version: insert")
        self.world.warehouse.register(version)
        return self._marked(version)


class _NoSweep(Hands):
    """Nobody looks for lost announcements."""

    def stale_identifiers(self, _limit: int, _since_us: int) -> Answer:
        return ()


class _SweepFromLanding(Warehouse):
    """The sweep compares with the stamp before the INSERT, as if that took no time."""

    def _known_at(self, landed_at: int, margin_us: int) -> int:  # noqa: ARG002 - the point of the mutant
        return landed_at


class _NoMargin(Warehouse):
    """A landing that never completed is taken to have been done at once."""

    def _known_at(self, landed_at: int, margin_us: int) -> int:  # noqa: ARG002 - the point of the mutant
        return super()._known_at(landed_at, 0)


class _CrossedByStamps(Warehouse):
    """The link that crossed the cap is told by when landings began, as if they completed in the same order."""

    def _crossed_at(self, landed: Collection[int], cap: int, margin_us: int) -> int:
        times = sorted(landed)
        return self._known_at(times[cap] if cap < len(times) else 0, margin_us)


class _SweepOfAllRules(Warehouse):
    """A row of any rules_version makes an identifier fresh."""

    def _versions(self, rules_version: int) -> dict[bytes, int]:
        versions = (rules_version, 3 - rules_version)
        both = [super(_SweepOfAllRules, self)._versions(version) for version in versions]
        return {key: max(one.get(key, 0) for one in both) for key in both[0] | both[1]}


class _Forgotten(Hands):
    """A crossing hub's neighbours are not dirty."""

    def overlooked_neighbours(self, _hubs: Sequence[tuple[bytes, int, int, bool]]) -> Answer:
        return ()


class _OwnRow(Hands):
    """A hub whose row says that it is shared has told its neighbours."""

    def overlooked_neighbours(self, hubs: Sequence[tuple[bytes, int, int, bool]]) -> Answer:
        rows = self.world.warehouse.winners(self.owner.reader.rules_version)
        return super().overlooked_neighbours([hub for hub in hubs if hub[0] not in rows or not rows[hub[0]].shared])


class _NotEmptied(Hands):
    """The row of an identifier that is no anchor any more keeps its story."""

    def insert_stitched(self, rows: Sequence[StitchedRow]) -> Answer:
        before = self.world.warehouse.winners(self.owner.reader.rules_version)
        kept = []
        for row in rows:
            old = before.get(row.ident_key)
            if old is not None and old.is_anchor and not row.is_anchor:
                kept.append(replace(row, is_anchor=True, content=old.content))
            else:
                kept.append(row)
        return super().insert_stitched(kept)


class _NamesRemembered(Hands):
    """Whom statements name is read once and then remembered, whatever was stated since."""

    def named(self, limit: int) -> Answer:
        names: dict[str, Answer] = vars(self.world).setdefault("names_remembered", {})
        return names.setdefault(self.owner.worker, super().named(limit))


@contextmanager
def _announcing_first() -> Iterator[None]:
    land = Landing.land

    def announcing(self: Landing, chunks: Any) -> Any:
        kept: list[tuple[str, tuple[Any, ...]]] = []
        store = self._store
        self._store = _Late(kept)
        try:
            outcome = land(self, chunks)
        finally:
            self._store = store
        for method, arguments in kept:
            getattr(store, method)(*arguments)
        return outcome

    with patch.object(Landing, "land", announcing):
        yield


class _Late:
    """A store that is told everything only after the announcement."""

    def __init__(self, kept: list[tuple[str, tuple[Any, ...]]]) -> None:
        self._kept = kept

    def landing_stamp(self) -> Any:
        from pipeline.warehouse.facts import from_micros

        self._kept.append(("landing_stamp", ()))
        return from_micros(len([1 for method, _ in self._kept if method == "landing_stamp"]))

    def __getattr__(self, method: str) -> Callable[..., None]:
        return lambda *arguments: self._kept.append((method, arguments))


@contextmanager
def _dirty_only() -> Iterator[None]:
    close = closure.close_blocks

    def closing(dirty: pl.Series, *more: Any) -> Any:
        whole = close(dirty, *more)
        return replace(whole, identifiers=whole.identifiers.filter(pl.col("ident_key").is_in(dirty.implode())))

    with patch.object(stitcher, "close_blocks", closing):
        yield


@contextmanager
def _hubs_met_rewritten() -> Iterator[None]:
    close = closure.close_blocks
    explored: list[Any] = []

    class Noted(closure._Explored):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            explored.append(self)

    def closing(*arguments: Any) -> Any:
        whole = close(*arguments)
        found = explored.pop()
        shared = found.described(found.known.filter("shared")["number"])
        met = shared.join(whole.identifiers, on="ident_key", how="anti")
        return replace(whole, identifiers=pl.concat([whole.identifiers, met.select(whole.identifiers.columns)]))

    with patch.object(closure, "_Explored", Noted), patch.object(stitcher, "close_blocks", closing):
        yield


@contextmanager
def _aliases_not_walked() -> Iterator[None]:
    stated = closure._stated
    with patch.object(closure, "_stated", lambda *arguments: stated(*arguments).clear()):
        yield


@contextmanager
def _dirty_first() -> Iterator[None]:
    loads: Any = vars(stitcher)["loads_of"]

    def reversed_loads(*arguments: Any) -> Iterator[pl.DataFrame]:
        for load in reversed(list(loads(*arguments))):
            yield load.reverse()

    with patch.object(stitcher, "loads_of", reversed_loads):
        yield


@contextmanager
def _off_by_one() -> Iterator[None]:
    committable = AckLedger.committable

    def one_more(self: AckLedger) -> int | None:
        offset = committable(self)
        return None if offset is None else offset + 1

    with patch.object(AckLedger, "committable", one_more):
        yield


CLOCKS: Final = replace(RACING, clock=0.2, skew_us=3_000_000)
SLOW_LANDING: Final = ("insert_touchpoints", "insert_links")
DYING: Final = replace(RACING, stalls_before=SLOW_LANDING, crashes_before=("insert_landed",), rewind=0.03)
SWEEPING: Final = replace(LOSSY, sweep=0.15)
# Two workers hold versions from before the third person's link: the lesser one reads late and marks the hub as shared,
# the greater one has read early and writes last, over the neighbours whom the hub's row says to be told.
STALE_NEIGHBOURS: Final = (
    Turn("producer", steps=3),
    Turn("land"),
    Turn("stitch-0", before="links"),
    Turn("stitch-1", before="insert_stitched"),
    Turn("producer"),
    Turn("land"),
    Turn("stitch-0"),
)

# One worker has read and is about to write; what lands then is stitched by the other, whose version is the lesser one.
READ_EARLY: Final = (
    Turn("producer", steps=4),
    Turn("land"),
    Turn("stitch-0", before="insert_stitched"),
    Turn("producer"),
    Turn("land"),
    Turn("stitch-1"),
    Turn("stitch-0"),
)

MUTANTS: Final[Sequence[Mutant]] = (
    Mutant("announce before landing", MIXED.name, RACING, patching=_announcing_first, known=22),
    Mutant("version after the read", MIXED.name, QUIET, hands=_VersionAfterRead, script=READ_EARLY),
    Mutant("version from the bare clock", MIXED.name, CLOCKS, hands=_BareClock, known=7),
    Mutant("no sweep", MIXED.name, LOSSY, hands=_NoSweep, known=3),
    Mutant(
        "sweep from the stamp before the INSERT",
        MIXED.name,
        replace(SWEEPING, stalls_before=SLOW_LANDING),
        warehouse=_SweepFromLanding,
        known=59,
    ),
    Mutant("sweep without margin", HUBS.name, DYING, warehouse=_NoMargin, known=68),
    Mutant(
        "a crossing dated by the order of stamps",
        MEETING.name,
        replace(RACING, stalls_before=("insert_links",)),
        warehouse=_CrossedByStamps,
        known=3,
    ),
    Mutant("dirty identifiers only", MIXED.name, QUIET, patching=_dirty_only, known=1),
    Mutant("a crossing hub's neighbours forgotten", HUBS.name, QUIET, hands=_Forgotten, known=10),
    Mutant(
        "the hub's own row as the flag",
        CROWD.name,
        QUIET,
        hands=_OwnRow,
        script=STALE_NEIGHBOURS,
        known=5,
    ),
    Mutant(
        "a hub merely met rewritten",
        HUBS.name,
        replace(QUIET, lose=0.5, has_sweep=True),
        patching=_hubs_met_rewritten,
        known=450,
    ),
    Mutant("aliases not walked", PEOPLE.name, QUIET, patching=_aliases_not_walked, known=20),
    Mutant("whom statements name remembered", PEOPLE.name, QUIET, hands=_NamesRemembered),
    Mutant("commit before write", MIXED.name, replace(FAULTY, crash=0.04), commits_first=True, known=2),
    Mutant("offset off by one", MIXED.name, RACING, patching=_off_by_one, known=0),
    Mutant("other rows not emptied", MIXED.name, QUIET, hands=_NotEmptied, known=42),
    Mutant(
        "dirty rows before the rest of their block",
        MOVE.name,
        replace(SWEEPING, lose=1.0, crashes_before=("insert_stitched",)),
        patching=_dirty_first,
        group=1,
        known=433,
    ),
    Mutant(
        "sweep of all rules_versions together",
        MIXED.name,
        replace(LOSSY, changes_rules=True),
        warehouse=_SweepOfAllRules,
        known=2,
    ),
)
