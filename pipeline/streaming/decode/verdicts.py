"""
What a decoded event must mean to be landed, judged for whole columns at once.

The rule it owns: the same verdicts as `pipeline.contracts` gives one event at a time, plus those that need the
record's coordinates (its topic, its receipt). Receipt is the earlier of the envelope's `received_at` and Kafka's time
of the record, never now, so that a replay judges alike. Whether an identifier identifies anybody is judged later,
where the settings are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from pipeline.contracts.currencies import CURRENCIES
from pipeline.contracts.kinds import KINDS, REFERENCE_KINDS
from pipeline.contracts.meaning import check_statement
from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.times import EARLIEST_MS, LATEST_MS, MAX_AHEAD_MS
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.types import STATEMENT_TYPES, touchpoint_types
from pipeline.streaming.decode.events import BODY_COLUMNS, FOR_VERDICTS, fields_in, gather_envelopes
from pipeline.streaming.decode.values import Decoded, Rejection

_UNSTORABLE = "times lie between the years 1900 and 2299"


@dataclass(frozen=True, slots=True)
class Judged:
    """
    Events that may be landed, as columns, and the rest.

    Attributes:
        envelopes: Flat columns of the envelope and `family`, sorted by `row`; channel, direction and received_at are
            as they are stored.
        bodies: `row`, `type` and the flat columns of the body, by family; sorted by row.
        rejections: Those of decoding and those made here.
    """

    envelopes: pl.DataFrame
    bodies: dict[str, pl.DataFrame]
    rejections: list[Rejection]


@dataclass(frozen=True, slots=True)
class _Rule:
    reason: Reason
    pointer: str
    detail: str
    is_broken: pl.Expr


def judge(decoded: Decoded, places: pl.DataFrame) -> Judged:
    """
    Judge decoded events.

    Args:
        decoded: Decoded values, at least one of them good.
        places: One line per row of the batch, in their order: family (of the topic), timestamp (Kafka's, epoch
            milliseconds; null: none).

    Returns:
        The good and the bad; every row of `decoded` is in one of them.
    """
    envelopes = gather_envelopes(decoded.families, places)
    problems: dict[int, tuple[str, Problem]] = {}
    for line, problem in _broken(envelopes):
        problems.setdefault(line["row"], (line["family"], problem))
    for row, problem in _bad_statements(decoded.families.get("accounts")):
        problems.setdefault(row, ("accounts", problem))
    rejections = [Rejection(row, problem, family) for row, (family, problem) in sorted(problems.items())]
    bad = pl.Series([rejection.row for rejection in rejections], dtype=pl.UInt32).implode()
    is_good = ~pl.col("row").is_in(bad) if problems else pl.lit(value=True)
    bodies = {
        family: frame.filter(is_good).select("row", "type", BODY_COLUMNS) for family, frame in decoded.families.items()
    }
    return Judged(envelopes.filter(is_good).drop(FOR_VERDICTS), bodies, [*decoded.rejections, *rejections])


def _broken(envelopes: pl.DataFrame) -> Iterator[tuple[dict[str, Any], Problem]]:
    """Yield broken rules with the lines that break them, rule by rule in the order in which they are asked."""
    rules = _rules()
    is_any = envelopes.select(rule.is_broken.any().alias(str(number)) for number, rule in enumerate(rules)).row(0)
    for rule, is_found in zip(rules, is_any, strict=True):
        if is_found:
            for line in envelopes.filter(rule.is_broken).iter_rows(named=True):
                yield line, _problem(rule, line)


@cache
def _rules() -> tuple[_Rule, ...]:
    col = pl.col
    invalid = Reason.INVALID_VALUE
    has_currency = col("amount.currency").is_in(pl.Series(sorted(CURRENCIES)).implode())
    unnamed = (col("identities").list.len() == 0) & pl.all_horizontal(
        col(f"refs.{kind}").fill_null("") == "" for kind in REFERENCE_KINDS
    )
    withdraws = (col("withdraws") != "") & ~col("type").is_in(STATEMENT_TYPES)
    is_elsewhere = (col("owner") != col("family")) | col("family").ne_missing(col("topic_family"))
    is_ahead = col("occurred_at") > col("receipt") + MAX_AHEAD_MS
    return (
        _Rule(
            Reason.UNKNOWN_TYPE, "/type", "no such type; what has none yet is custom.tracked", col("owner").is_null()
        ),
        _Rule(Reason.WRONG_TOPIC, "/type", "", is_elsewhere),
        *(_Rule(invalid, f"/{name}", "must not be empty", col(name) == "") for name in ("id", "source")),
        _Rule(invalid, "/revision", "must not be negative", col("revision") < 0),
        _Rule(invalid, "/amount/currency", "not a currency code of ISO 4217, as EUR", ~has_currency),
        *(
            _Rule(invalid, f"/{name}", _UNSTORABLE, ~col(name).is_between(EARLIEST_MS, LATEST_MS))
            for name in ("occurred_at", "sent_at", "received_at")
        ),
        _Rule(invalid, "/body", _UNSTORABLE, col("bad_body_time")),
        _Rule(Reason.UNKNOWN_FIELD, "/body", "the type has no such field", (col("present") & ~col("allowed")) != 0),
        _Rule(Reason.MISSING_FIELD, "/body", "this field is required", (col("required") & ~col("present")) != 0),
        _Rule(Reason.BAD_STATEMENT, "/withdraws", "only statements about identity can be withdrawn", withdraws),
        _Rule(Reason.NO_IDENTIFIER, "/identities", "names nobody: give an identity, or an id in refs", unnamed),
        _Rule(Reason.FUTURE_TIME, "/occurred_at", "more than 24 hours after its receipt", is_ahead),
    )


def _problem(rule: _Rule, line: Mapping[str, Any]) -> Problem:
    """Say what is wrong with one event, naming the field where the rule is about several."""
    if rule.reason is Reason.WRONG_TOPIC:
        return Problem(rule.reason, rule.pointer, f"{line['type']} belongs to {topic_of_family(line['owner'])}")
    bits = 0
    if rule.reason is Reason.UNKNOWN_FIELD:
        bits = line["present"] & ~line["allowed"]
    elif rule.reason is Reason.MISSING_FIELD:
        bits = line["required"] & ~line["present"]
    names = fields_in(line["family"], bits)
    return Problem(rule.reason, rule.pointer + (f"/{names[0]}" if names else ""), rule.detail)


def _bad_statements(accounts: pl.DataFrame | None) -> Iterator[tuple[int, Problem]]:
    """Ask the contract about each statement about identity: they are few, and the rules are its own."""
    if accounts is None:
        return
    stated = accounts.filter(pl.col("type").is_in(STATEMENT_TYPES))
    for line in stated.select("row", "type", "withdraws", "body.a", "body.b").iter_rows(named=True):
        body = {name: _with_kind(line[f"body.{name}"]) for name in ("a", "b")}
        event = {"withdraws": line["withdraws"], "body": body}
        for problem in check_statement(touchpoint_types()[line["type"]], event):
            yield line["row"], problem
            break


def _with_kind(side: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return {"kind": KINDS[side["kind"]], "value": side["value"]} if side else None
