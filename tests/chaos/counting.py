"""
The workers' own counters, over all their lives: a counter starts at 0 with its process, and dies with it.

Every worker is asked a few times a second, past the proxies. What a life counted before it was last asked is known;
what it counted after that is not, if it was killed then. But whatever Kafka holds as committed was counted before it
was committed. So a life's last words lack at most what was committed between them and the first word of the next life,
and the sum of all lives is, of every count, at least the truth less that much. It is greater where a batch was landed
and counted and the worker died or lost its partitions before the commit: then it was landed again. Where no landing
life ended and the landing group was not dealt anew there is neither, and the sum is the truth.
"""

import itertools
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.contracts.reasons import Reason
from pipeline.contracts.topics import TOUCHPOINT_TOPICS

EVENTS = 'throughline_events_total{{outcome="{outcome}",stage="{stage}"}}'
REFUSED = 'throughline_rejected_total{{reason="{reason}"}}'
LOST = "throughline_lost_records_total"
ACCOUNTED = "throughline_accounted_records"
UNACCOUNTED = "throughline_unaccounted_events"
PARKED = "throughline_parked_records"
STARTED = "process_start_time_seconds"
_COUNTERS = ("throughline_events_total{", "throughline_rejected_total{", LOST + "{")
_GAUGES = (ACCOUNTED + "{", UNACCOUNTED, PARKED, STARTED)

Values = Mapping[str, float]
Series = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Scrape:
    """What one worker said: when it was asked, when its process had started, and the value of every series."""

    asked: float
    started: float
    values: Values


@dataclass(frozen=True)
class Tally:
    """
    What all lives of all workers counted.

    Attributes:
        counted: Every counter: the last word of each life, summed.
        unseen: Records that a life may have counted after its last word.
        is_exact: Whether no landing life ended and no landing group was dealt anew: nothing is unseen nor landed twice.
        resting: What each worker that lives says at rest, by name.
        is_audited: Whether all of them have balanced their books since the last record; they do so twice a minute.
        is_parking: Whether there is a registry: what was parked and landed later is received and never counted stored.
    """

    counted: Values
    unseen: float
    is_exact: bool
    resting: Mapping[str, Values]
    is_audited: bool = True
    is_parking: bool = False


def read_metrics(address: str, timeout_s: float) -> Values:
    """
    Read the counters and gauges of one worker that are judged.

    Raises:
        OSError: If it does not answer.
    """
    with urllib.request.urlopen(address, timeout=timeout_s) as answer:
        lines = answer.read().decode().splitlines()
    told = [line.rpartition(" ") for line in lines if line.startswith((*_COUNTERS, *_GAUGES))]
    return {series: float(value) for series, _, value in told}


def scrape_of(asked: float, values: Values) -> Scrape:
    """Return what was read as a scrape."""
    return Scrape(asked, values.get(STARTED, 0.0), values)


def keep_ends(said: list[Scrape], scrape: Scrape) -> None:
    """Add what a worker said to what it said before, of which the first and the last word of each life matter."""
    if len(said) > 1 and said[-2].started == said[-1].started == scrape.started:
        said.pop()
    said.append(scrape)


def tally_of(
    scrapes: Mapping[str, Sequence[Scrape]], committed: Series, strangers: Iterable[tuple[float, float]], dealt: int
) -> Tally:
    """
    Sum the lives of all workers (pure).

    Args:
        scrapes: What each worker said, by name, in order of time; the last one at rest.
        committed: Sum of the offsets that the landing group had committed, by when this was asked.
        strangers: From when to when workers landed that nobody asked.
        dealt: How often the landing group was dealt its partitions anew.
    """
    counted: Counter[str] = Counter()
    unseen, ended = 0.0, 0
    for name, said in scrapes.items():
        lives = _lives(said)
        for life in lives:
            counted.update({series: value for series, value in life[-1].values.items() if series.startswith(_COUNTERS)})
        if name.startswith("land"):
            ended += len(lives) - 1
            unseen += sum(
                _committed_between(committed, life[-1].asked, following[0].asked)
                for life, following in itertools.pairwise(lives)
            )
    apart = [*strangers]
    unseen += sum(_committed_between(committed, begin, end) for begin, end in apart)
    resting = {name: said[-1].values for name, said in scrapes.items() if said}
    return Tally(dict(counted), unseen, not ended and not apart and not dealt, resting)


def miscounted(tally: Tally, records: Mapping[str, int], refused: Mapping[str, Mapping[str, int]]) -> list[str]:
    """
    Return what is wrong in words (pure).

    Args:
        tally: What the workers counted.
        records: Records in Kafka's log, by topic.
        refused: Poison among them, by topic and reason.
    """
    reasons: Counter[str] = Counter(dict.fromkeys(Reason, 0))
    for found in refused.values():
        reasons.update(found)
    received, rejected = sum(records.values()), reasons.total()
    expected = {
        landed("received"): received,
        landed("stored"): received - rejected,
        landed("rejected"): rejected,
        **{REFUSED.format(reason=reason): number for reason, number in reasons.items()},
    }
    if tally.is_parking:
        del expected[landed("stored")]
    return [
        *_beside(tally, expected),
        *(line for name, values in tally.resting.items() for line in _at_odds(name, values, tally.is_parking)),
        *(_accounted(tally.resting, records, refused) if tally.is_audited else ()),
    ]


def landed(outcome: str) -> str:
    """Return the series of a landing worker for what became of records."""
    return EVENTS.format(outcome=outcome, stage="land")


def _beside(tally: Tally, expected: Mapping[str, int]) -> Iterable[str]:
    for series, number in expected.items():
        found = tally.counted.get(series)
        if found is None:
            yield f"no worker has {series}"
        elif tally.is_exact and found != number:
            yield f"{series} is {found:g} over all workers, counted {number}"
        elif found < number - tally.unseen:
            yield f"{series} is {found:g} over all lives, counted {number} of which {tally.unseen:g} may be unseen"
    yield from (f"{series} is {value:g}" for series, value in tally.counted.items() if LOST in series and value)


def _at_odds(name: str, values: Values, is_parking: bool) -> Iterable[str]:
    """Tell where the counters of one worker contradict each other; at rest, for they are not raised in one moment."""
    outcomes = {
        outcome: values.get(landed(outcome), 0.0) for outcome in ("received", "stored", "rejected", "duplicate")
    }
    by_reason = sum(value for series, value in values.items() if series.startswith("throughline_rejected_total{"))
    parked = outcomes["received"] - outcomes["stored"] - outcomes["rejected"]
    if parked < 0 or (parked and not is_parking):
        yield f"{name} received other than it stored and rejected: {outcomes}"
    if outcomes["rejected"] != by_reason:
        yield f"{name} rejected {outcomes['rejected']:g}, and by reason {by_reason:g}"
    if outcomes["duplicate"]:
        yield f"{name} counts duplicates, which landing does not know of"
    stitched = [values.get(EVENTS.format(outcome=outcome, stage="stitch"), 0.0) for outcome in ("received", "stored")]
    if stitched[0] != stitched[1]:
        yield f"{name} read {stitched[0]:g} facts and stitched {stitched[1]:g}"
    if name.startswith("land") and UNACCOUNTED not in values:
        yield f"{name} does not say {UNACCOUNTED}"
    yield from (f"{name} says {gauge} {values[gauge]:g}" for gauge in (UNACCOUNTED, PARKED) if values.get(gauge))


def _accounted(
    resting: Mapping[str, Values], records: Mapping[str, int], refused: Mapping[str, Mapping[str, int]]
) -> Iterable[str]:
    """Compare the gauges that are made of offsets and landed ranges: no death falsifies them."""
    for topic in TOUCHPOINT_TOPICS:
        poison = sum(refused.get(topic, {}).values())
        states = {"landed": records.get(topic, 0) - poison, "rejected": poison}
        for state, number in {**states, "lost": 0, "in_flight": 0, "unaccounted": 0}.items():
            series = f'{ACCOUNTED}{{state="{state}",topic="{topic}"}}'
            found = sum(values.get(series, 0.0) for values in resting.values())
            if found != number:
                yield f"{series} is {found:g} over all workers, counted {number}"


def _lives(said: Sequence[Scrape]) -> list[list[Scrape]]:
    lives: list[list[Scrape]] = []
    for scrape in said:
        if not lives or lives[-1][-1].started != scrape.started:
            lives.append([])
        lives[-1].append(scrape)
    return lives


def _committed_between(committed: Series, begin: float, end: float) -> float:
    """Return at most how much was committed from one time to another: both samples surely lie outside."""
    before = [value for asked, value in committed if asked <= begin]
    after = next((value for asked, value in committed if asked >= end), committed[-1][1] if committed else 0.0)
    # The last of them may have been answered after the begin.
    return max(0.0, after - (before[-2] if len(before) > 1 else 0.0))
