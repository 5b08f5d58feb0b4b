"""
When waiting chunks become a batch: pure, with the time handed in.

Under load chunks pile up while a batch is at work, so the next one is as large as the limit allows and starts at
once: throughput rises with the load. When little comes, the first chunk waits up to `linger` for company, so that a
trickle over many partitions costs one INSERT instead of many.

Small batches cost nearly as much as larger ones, whatever is in them. Work that is handed on at once (what is landed is
stitched next, by the same processors) may therefore draw breath after each batch for as long as that one took: half
of the time then gathers what comes, and others have the processor. A backlog is worked off without.

Some work costs less the longer it is put off, because what comes twice is done once (the same customers are stitched
again by every batch that names them). Such work rests while its news is old when it comes: then whoever brings it is
working through a backlog, most of which names the same customers again, and nobody sees anything in time before that
backlog has come through. After a long batch it rests three times as long as that batch was too long. While the news is
young it never rests: whoever brings it keeps up, so the processors have the time, and people wait for the result.
The first old news after fresh news goes at once, unless the batch before was long: something stood still for a moment,
and the sooner results move again the better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

# Batches up to this long need no rest: news is fresh, and little comes twice within it.
SHORT_BATCH = timedelta(seconds=2)
# A backlog of events lands in half a minute, and whoever stitches meanwhile does it all again: so mostly rest.
REST_SHARE = 3
# Longest rest after a long batch.
LONGEST_REST = timedelta(seconds=10)
# Longest breath after a batch: whoever waits for its result waits so much longer, at most.
LONGEST_BREATH = timedelta(milliseconds=400)
# Whoever brings news that was received longer ago than this has a backlog; who kept up brings it within seconds.
OLD_NEWS = timedelta(seconds=5)
# How far apart landed batches of a backlog come until two of them have been seen.
USUAL_GAP = timedelta(seconds=2.5)
# Old news that nothing follows for this long has no backlog behind it, however seldom news came before.
LONGEST_QUIET = timedelta(seconds=10)
# Nothing new for this long, or for twice as long as it took last: what waits is all there is, and resting would gain
# nothing.
QUIET = timedelta(seconds=2)
# The same where whoever brought the newest said that there is no more: what it brought with it is on its way in other
# partitions.
QUIET_AFTER_LAST = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class LastBatch:
    """
    The batch before.

    Attributes:
        took: How long it took, without what it waited for a broker that was away.
        since: How long ago it ended, and what it waited: that was rest.
        age: How old the newest of its news was when it came; None: not known.
    """

    took: timedelta
    since: timedelta
    age: timedelta | None = None

    @property
    def was_fresh(self) -> bool:
        """Whether whoever brought its news had kept up until then."""
        return self.age is not None and self.age <= OLD_NEWS


@dataclass(frozen=True, slots=True)
class News:
    """
    What waits.

    Attributes:
        waited: How long the first of it has been waiting.
        quiet_for: How long ago the newest of it came.
        gap: How long the newest had been waited for; zero until that is known.
        age: How old the newest was when it came.
        is_last: Whether whoever brought the newest had no more then.
    """

    waited: timedelta
    quiet_for: timedelta = timedelta(0)
    gap: timedelta = timedelta(0)
    age: timedelta = timedelta(0)
    is_last: bool = False

    def ends_after(self, usual_gap: timedelta) -> timedelta:
        """Return for how long nothing new has to come until what waits counts as all there is."""
        return QUIET_AFTER_LAST if self.is_last else max(QUIET, 2 * (self.gap or usual_gap))


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """
    The rule of batching.

    Attributes:
        max_size: Most records (or keys) in one batch; a single chunk may be larger and is then a batch of its own.
        linger: How long the first chunk waits for others.
        max_rest: Longest rest; zero for work that gains nothing from being put off.
        max_breath: Longest breath; zero for work whose result people see at once.
    """

    max_size: int
    linger: timedelta
    max_rest: timedelta = timedelta(0)
    max_breath: timedelta = timedelta(0)

    def patience(self, waiting_size: int, news: News, last: LastBatch | None = None) -> timedelta:
        """
        Tell how much longer to wait for company; zero means: go.

        Args:
            waiting_size: Size of all that waits.
            news: What waits.
            last: The batch before; None for the first one.
        """
        if waiting_size >= self.max_size:
            return timedelta(0)
        if news.age > OLD_NEWS:
            pause = self._rest(news, last)
        else:
            pause = min(last.took, self.max_breath) - last.since if last else timedelta(0)
        return max(timedelta(0), self.linger - news.waited, pause)

    def _rest(self, news: News, last: LastBatch | None) -> timedelta:
        """Tell how much longer to rest while news is old."""
        rest = timedelta(0)
        if last:
            rest = min(REST_SHARE * (last.took - SHORT_BATCH), LONGEST_REST, self.max_rest) - last.since
            rest = min(rest, news.ends_after(timedelta(0)) - news.quiet_for)
        if not (last and last.was_fresh):
            quiet = min(news.ends_after(USUAL_GAP), LONGEST_QUIET)
            rest = max(rest, min(self.max_rest - news.waited, quiet - news.quiet_for))
        return rest

    def take(self, sizes: Sequence[int]) -> int:
        """Tell how many of the waiting chunks, in their order, make one batch: at least one of those there are."""
        total = 0
        for taken, size in enumerate(sizes):
            total += size
            if taken and total > self.max_size:
                return taken
        return len(sizes)


@dataclass(frozen=True, slots=True)
class SweepPolicy:
    """
    When to look for lost announcements: soon after the start, then every `interval` if idle, at the latest every fifth.

    Under load nearly everything that a sweep would find is announced already and waits in the queue. That holds at the
    start above all: what has landed while nobody stitched is announced in records that are only on their way here.
    """

    interval: timedelta
    overdue: int = 5
    settling: timedelta = timedelta(seconds=2)

    def is_due(self, since_last: timedelta | None, since_turn: timedelta, *, is_idle: bool) -> bool:
        """
        Decide.

        Args:
            since_last: How long ago a sweep ended that found no more; None: none has.
            since_turn: For how long it has been this worker's turn to sweep.
            is_idle: Whether no announcement waits.
        """
        since, interval = (since_turn, self.settling) if since_last is None else (since_last, self.interval)
        return since >= (interval if is_idle else self.interval * self.overdue)
