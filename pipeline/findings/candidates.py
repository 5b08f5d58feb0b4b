"""
Candidates: stretches of days of one kind and segment in which more hurt than around them, before it is known whom.

The rule owned here: precision first. A stretch is a candidate when chance would show one like it, anywhere in all that
is looked at, in one of a hundred such reports; when it is strong enough to matter; and when neither the day of the week
nor days that differ anyway explain it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import exp
from typing import Final

import numpy as np
import polars as pl

from pipeline.findings.dating import dated
from pipeline.findings.intervals import newcombe
from pipeline.findings.rules import IncidentRules
from pipeline.findings.scan import (
    Series,
    Stretches,
    chosen,
    counted,
    deflated,
    dispersion,
    least_log_p,
    log_p,
    stretches,
    tarone_log_level,
)

COUNTS: Final = {
    "kind": pl.String(),
    "segment": pl.String(),
    "value": pl.String(),
    "day": pl.Date(),
    "cases": pl.Int64(),
    "hits": pl.Int64(),
}
"""Cases and hits by kind, segment, value and day; segment and value are empty for all cases together."""

Name = tuple[str, str, str]

_MOST_OF_A_SERIES: Final = 20
_WEEKDAY_LOG_P: Final = float(np.log(0.001))
_LATEST_END: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A stretch of one series that stands out, before it is known whom it hit.

    Attributes:
        kind: Kind of the pain point.
        segment: What it was told apart by; empty: by nothing.
        value: Which part.
        first_day: Its first day, counted from 1970-01-01.
        end_day: The day after its last.
        next_day: First day with cases after it; None: there is none yet.
        cases: Cases within.
        hits: Hits within.
        baseline_cases: Cases of the days around it.
        baseline_hits: Hits of the days around it.
        log_p: Logarithm of its p-value, corrected for everything that was looked at.
    """

    kind: str
    segment: str
    value: str
    first_day: int
    end_day: int
    next_day: int | None
    cases: int
    hits: int
    baseline_cases: int
    baseline_hits: int
    log_p: float

    @property
    def excess(self) -> float:
        """Hits beyond those that the rate around it would have brought."""
        return self.hits - self.cases * self.baseline_hits / self.baseline_cases

    @property
    def weight(self) -> float:
        """
        The excess times the square of what the rates differ by at least: how much it explains, and how purely.

        Of several stretches that hold the same customers, the segment and kind that is at fault has the greatest. The
        least difference is that of the interval: of two as pure the one wins that is better known.
        """
        low, _ = newcombe(self.hits, self.cases, self.baseline_hits, self.baseline_cases)
        return self.excess * max(low, 0.0) ** 2

    @property
    def from_at(self) -> datetime:
        """Midnight before its first day."""
        return _midnight(self.first_day)

    @property
    def until_at(self) -> datetime:
        """Midnight after its last day."""
        return _midnight(self.end_day)

    @property
    def last_day(self) -> date:
        """Its last day."""
        return (self.until_at - timedelta(days=1)).date()

    @property
    def p_value(self) -> float:
        """Its p-value, corrected for everything that was looked at."""
        return exp(self.log_p)

    @property
    def ended_at(self) -> datetime | None:
        """
        When it was over, as far as the cases tell: half way to the next day with any, at most a day; None: not yet.

        Between its last day and the next with cases nothing tells whether it went on.
        """
        if self.next_day is None:
            return None
        return self.until_at + min((_midnight(self.next_day) - self.until_at) / 2, _LATEST_END)


def find_candidates(counts: pl.DataFrame, rules: IncidentRules) -> list[Candidate]:
    """
    Find the stretches of days that stand out, in all series together.

    Args:
        counts: `COUNTS`, in any order.
        rules: What an incident is at least.

    Returns:
        Candidates, the least likely by chance first.
    """
    of_kinds: dict[str, dict[Name, Series]] = {}
    for name, each in _series(counts):
        of_kinds.setdefault(name[0], {})[name] = each
    found: list[Candidate] = []
    for series in of_kinds.values():
        # Every kind has the same part of the risk, so that one of many segments does not drown one of few cases.
        level = rules.level / len(of_kinds)
        log_level = tarone_log_level([least_log_p(stretches(each, rules)) for each in series.values()], level)
        correction = float(np.log(rules.level)) - log_level
        found += [
            replace(candidate, log_p=min(0.0, candidate.log_p + correction))
            for name, each in series.items()
            for candidate in _of_series(name, each, log_level, rules)
        ]
    return sorted(found, key=order_of)


def _series(counts: pl.DataFrame) -> Iterator[tuple[Name, Series]]:
    days = counts.with_columns(pl.col("day").cast(pl.Int32).cast(pl.Int64))
    for name, rows in sorted(days.group_by("kind", "segment", "value")):
        day = rows["day"].to_numpy()
        first = int(day.min())
        cases, hits = (np.zeros(int(day.max()) - first + 1, dtype=np.int64) for _ in range(2))
        np.add.at(cases, day - first, rows["cases"].to_numpy())
        np.add.at(hits, day - first, rows["hits"].to_numpy())
        kind, segment, value = (str(part) for part in name)
        yield (kind, segment, value), Series(first, cases, hits)


def _of_series(name: Name, series: Series, log_level: float, rules: IncidentRules) -> Iterator[Candidate]:
    """Find one stretch after the other: what was found is taken out, so that it hides no other."""
    left = Series(series.first_day, series.cases.copy(), series.hits.copy())
    for _ in range(_MOST_OF_A_SERIES):
        best = _best(left, log_level, rules)
        if best is None:
            return
        start, end = int(best.start[0]), int(best.end[0])
        inner_start, inner_end = dated(left, start, end, rules)
        likeliest = counted(left, inner_start, inner_end, rules)
        # Days that alone would be no incident do not date one.
        if log_p(likeliest)[0] <= log_level:
            best = likeliest
        else:
            inner_start, inner_end = start, end
        later = np.flatnonzero(series.cases[inner_end:])
        yield Candidate(
            *name,
            first_day=series.first_day + inner_start,
            end_day=series.first_day + inner_end,
            next_day=series.first_day + inner_end + int(later[0]) if len(later) else None,
            cases=int(best.n[0]),
            hits=int(best.k[0]),
            baseline_cases=int(best.outside_n[0]),
            baseline_hits=int(best.outside_k[0]),
            log_p=float(log_p(best)[0]),
        )
        taken = slice(min(start, inner_start), max(end, inner_end))
        left.cases[taken] = 0
        left.hits[taken] = 0


def _best(series: Series, log_level: float, rules: IncidentRules) -> Stretches | None:
    """Return the stretch that chance explains least, if it is an incident; of equal ones the shortest, the earliest."""
    among = stretches(series, rules)
    among = chosen(among, (among.k >= rules.least_hits) & _is_strong(among, rules))
    logs = log_p(among)
    order = np.lexsort((among.start, among.end - among.start, logs))
    for index in order[logs[order] <= log_level][: 10 * _MOST_OF_A_SERIES]:
        one = chosen(among, np.array([index]))
        if _holds(series, one, log_level, rules):
            return one
    return None


def _is_strong(among: Stretches, rules: IncidentRules) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell where the odds ratio is large enough; half a case is added to each cell (Haldane, Annals of Eugenics 20)."""
    odds = (among.k + 0.5) / (among.n - among.k + 0.5)
    around = (among.outside_k + 0.5) / (among.outside_n - among.outside_k + 0.5)
    return np.asarray(odds >= rules.least_odds_ratio * around)


def _holds(series: Series, one: Stretches, log_level: float, rules: IncidentRules) -> bool:
    """Tell whether it still stands out where days differ more than chance lets them, and among days of its weekdays."""
    start, end = int(one.start[0]), int(one.end[0])
    factor = dispersion(series, start, end, rules)
    if factor > 1 and log_p(deflated(one, factor))[0] > log_level:
        return False
    if end - start >= 7:
        return True
    day = np.arange(len(series.cases))
    weekdays = {(start + offset) % 7 for offset in range(end - start)}
    same = (day >= start - rules.baseline_days) & (day < end + rules.baseline_days) & ((day < start) | (day >= end))
    same &= np.isin(day % 7, list(weekdays))
    n, k = int(series.cases[same].sum()), int(series.hits[same].sum())
    if n < rules.least_baseline_cases:
        return True
    against = replace(one, outside_n=np.array([n]), outside_k=np.array([k]))
    return bool(_is_strong(against, rules)[0] and log_p(against)[0] <= _WEEKDAY_LOG_P)


def stands_out_without(candidate: Candidate, explained: int, rules: IncidentRules) -> bool:
    """
    Tell whether a candidate would be one if so many of its hits had not happened.

    Their cases are taken out with them; those that did not hit stay, which speaks against it.
    """
    left = replace(candidate, cases=candidate.cases - explained, hits=candidate.hits - explained)
    if left.cases < rules.least_cases or left.hits < rules.least_hits:
        return False
    whole, rest = _as_stretch(candidate), _as_stretch(left)
    corrected = candidate.log_p + log_p(rest)[0] - log_p(whole)[0]
    return bool(_is_strong(rest, rules)[0] and corrected <= np.log(rules.level))


def _as_stretch(one: Candidate) -> Stretches:
    days = (one.first_day, one.end_day, one.cases, one.hits, one.baseline_cases, one.baseline_hits)
    return Stretches(*(np.array([number], dtype=np.int64) for number in days))


def order_of(candidate: Candidate) -> tuple[object, ...]:
    """Return what orders candidates: the least likely by chance first, then the earliest."""
    return (candidate.log_p, candidate.first_day, candidate.kind, candidate.segment, candidate.value)


def _midnight(day: int) -> datetime:
    return _EPOCH + timedelta(days=day)


def with_causes(counts: pl.DataFrame, causes: pl.DataFrame) -> pl.DataFrame:
    """
    Give causes, which are known of hits only, the base of all cases of their kind on the same days.

    Args:
        counts: `COUNTS`; the series of all cases (empty segment) are among them.
        causes: kind, segment, value, day, hits.

    Returns:
        `COUNTS` with the series of the causes.
    """
    everything = counts.filter(pl.col("segment") == "").select("kind", "day", "cases")
    named = causes.select("kind", "segment", "value").unique()
    made = (
        named.join(everything, on="kind")
        .join(causes, on=["kind", "segment", "value", "day"], how="left")
        .with_columns(pl.col("hits").fill_null(0))
    )
    columns: Mapping[str, pl.DataType] = COUNTS
    return pl.concat([frame.select(pl.col(n).cast(t) for n, t in columns.items()) for frame in (counts, made)])
