"""
How the rows of a metric become a value with its 95 % interval.

The rule owned here: every formula stands once. Sums are sums of integers and so exact; where an interval cannot be
told (one case has no spread) it is NULL rather than a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Z: Final = "1.959963984540054"
"""Two-sided 95 % quantile of the normal distribution."""
WILSON_SOURCE: Final = "interval: Wilson, Journal of the American Statistical Association 22, 1927"
"""Where the interval of a share comes from, as the source of a metric says it."""
STUDENT_SOURCE: Final = "interval: Student, Biometrika 6, 1908"
"""Where the interval of a mean comes from, as the source of a metric says it."""

# Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom; beyond, Abramowitz and Stegun 26.7.5.
_STUDENT: Final = (
    12.7062047, 4.3026527, 3.1824463, 2.7764451, 2.5705818, 2.4469119, 2.3646243, 2.3060041, 2.2621572, 2.2281389,
    2.2009852, 2.1788128, 2.1603687, 2.1447867, 2.1314495, 2.1199053, 2.1098156, 2.1009220, 2.0930241, 2.0859634,
    2.0796138, 2.0738731, 2.0686576, 2.0638986, 2.0595386, 2.0555294, 2.0518305, 2.0484071, 2.0452296, 2.0422725,
)  # fmt: skip


@dataclass(frozen=True)
class Statistic:
    """
    One way to sum up rows.

    Args:
        label: Sort of the statistic.
        aggregates: What is summed per group, `expression AS name`.
        merged: How several groups become one, where it is not by sums: `{}` stands for what each has.
        results: (statistic, n, value, low, high) for each row that comes of a group.
    """

    label: str
    aggregates: Mapping[str, str]
    results: tuple[tuple[str, str, str, str, str], ...]
    merged: Mapping[str, str] = field(default_factory=dict)

    def merge(self, groups: str) -> str:
        """Return what is summed over several groups, each of them a row of the table of that name."""
        each = ((name, self.merged.get(name, "sum({})").format(f"{groups}.{name}")) for name in self.aggregates)
        return ", ".join(f"{expression} AS {name}" for name, expression in each)


def wilson(hits: str, cases: str) -> tuple[str, str]:
    """Return both ends of Wilson's score interval of a share."""
    centre = f"({hits} + {Z} * {Z} / 2) / ({cases} + {Z} * {Z})"
    spread = f"{Z} * sqrt({hits} * ({cases} - {hits}) / {cases} + {Z} * {Z} / 4) / ({cases} + {Z} * {Z})"
    # Of none and of all the near end is the share itself, which fractions would miss by a last digit.
    low = f"if({hits} = 0, 0., greatest(0., {centre} - {spread}))"
    high = f"if({hits} = {cases}, 1., least(1., {centre} + {spread}))"
    return _if_any(cases, low), _if_any(cases, high)


def share() -> Statistic:
    """Share of the cases that hit, with Wilson's score interval."""
    low, high = wilson("hits", "cases")
    value = _if_any("cases", "hits / cases")
    return Statistic(
        "share", {"hits": "sum(hit)", "cases": "sum(base)"}, (("share", "toUInt64(cases)", value, low, high),)
    )


def mean(scale: int) -> Statistic:
    """Mean of `hit / scale`, with Student's interval."""
    average = f"total / cases / {scale}"
    # n·Σx² − (Σx)² in whole numbers: no digits are lost, in whatever order they were added.
    spread = f"sqrt(toFloat64(toInt128(cases) * squares - total * total) / cases / (cases - 1)) / {scale}"
    degrees = "toUInt64(cases - 1)"
    table = ", ".join(str(value) for value in _STUDENT)
    far = f"{Z} + {_g(1)} / (cases - 1) + {_g(2)} / ((cases - 1) * (cases - 1))"
    student = f"if({degrees} <= 30, [{table}][{degrees}], {far})"
    half = f"{student} * {spread} / sqrt(cases)"
    low, high = (f"if(cases > 1, {average} {sign} {half}, NULL)" for sign in "-+")
    aggregates = {"cases": "toInt64(count())", "total": "sum(toInt128(hit))", "squares": "sum(toInt128(hit) * hit)"}
    return Statistic("mean", aggregates, (("mean", "toUInt64(cases)", average, low, high),))


def net() -> Statistic:
    """100 × (share of hits 1 − share of hits −1), with the adjusted Wald interval for two shares of one sample."""
    plus, minus = "(ups + 0.75) / (cases + 3)", "(downs + 0.75) / (cases + 3)"
    half = f"{Z} * sqrt(({plus} + {minus} - ({plus} - {minus}) * ({plus} - {minus})) / (cases + 3))"
    low = f"greatest(-100, 100 * ({plus} - {minus} - {half}))"
    high = f"least(100, 100 * ({plus} - {minus} + {half}))"
    aggregates = {
        "cases": "toInt64(count())",
        "ups": "toInt64(countIf(hit = 1))",
        "downs": "toInt64(countIf(hit = -1))",
    }
    return Statistic("net", aggregates, (("net", "toUInt64(cases)", "100 * (ups - downs) / cases", low, high),))


def rate(per: int) -> Statistic:
    """Hits per so many of the base, with Byar's interval of a count; NULL where the base is nothing."""

    def byar(count: str, sign: str) -> str:
        return f"{count} * pow(1 - 1 / (9 * {count}) {sign} {Z} / (3 * sqrt({count})), 3)"

    low = f"if(cases > 0, if(hits > 0, {per} * {byar('hits', '-')} / cases, 0), NULL)"
    high = _if_any("cases", f"{per} * {byar('(hits + 1)', '+')} / cases")
    value = _if_any("cases", f"{per} * hits / cases")
    return Statistic(
        "rate", {"hits": "sum(hit)", "cases": "sum(base)"}, (("rate", "toUInt64(cases)", value, low, high),)
    )


def quantiles(scale: int, *per_mille: int) -> Statistic:
    """Nearest-rank quantiles of `hit / scale`, each between two order statistics; NULL where these would not exist."""
    results = []
    for mille in per_mille:
        at, half = f"cases * {mille} / 1000", f"{Z} * sqrt(cases * {mille * (1000 - mille)}) / 1000"
        first, last = f"toInt64(ceil({at} - {half}))", f"toInt64(ceil({at} + {half}))"
        results.append(
            (
                f"p{mille // 10}",
                "toUInt64(cases)",
                f"sorted[intDiv(cases * {mille} + 999, 1000)] / {scale}",
                f"if({first} >= 1, sorted[{first}] / {scale}, NULL)",
                f"if({last} <= cases, sorted[{last}] / {scale}, NULL)",
            )
        )
    aggregates = {"cases": "toInt64(count())", "sorted": "arraySort(groupArray(hit))"}
    return Statistic("quantiles", aggregates, tuple(results), {"sorted": "arraySort(groupArrayArray({}))"})


def _if_any(cases: str, expression: str) -> str:
    return f"if({cases} > 0, {expression}, NULL)"


def _g(number: int) -> str:
    """Return the terms of the expansion of Student's quantile around the normal one."""
    z = float(Z)
    terms = {1: (z**3 + z) / 4, 2: (5 * z**5 + 16 * z**3 + 3 * z) / 96}
    return repr(terms[number])
