"""
Who the events of a batch are about: keys of their identifiers, their subjects, the links between them.

The rule it owns: the subject of an event is its lowest (rank, ident_key), and it is joined to each other identifier of
the event; touchpoints of type `identity.*` join nobody. Values are looked up once per distinct value; past that there
are only numbers: `order` is an identifier's place among those of the batch by (rank, ident_key).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from pipeline.contracts.kinds import KIND_RANK, KINDS, REFERENCE_KINDS
from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.types import STATEMENT_TYPES
from pipeline.identity.keys import KeyRing

_Numbers = npt.NDArray[np.int64]
_KIND_NAMES = pl.lit(pl.Series(KINDS, dtype=pl.String))
_ORDER_BITS = 32
_ORDER_MASK = 0xFFFFFFFF
_NOBODY = Problem(Reason.NO_IDENTIFIER, "/identities", "none of its identifiers identifies anybody")


@dataclass(frozen=True, slots=True)
class Identifiers:
    """
    The identifiers of a batch.

    Attributes:
        known: kind (rank), ident_key, one line per distinct identifier, in the order of (rank, ident_key).
        rows: Row of every (event, identifier) pair; sorted by row, then order.
        orders: Line in `known` of every pair; the first of each row is its subject.
    """

    known: pl.DataFrame
    rows: _Numbers
    orders: _Numbers

    def of_rows(self, rows: pl.Series) -> "Identifiers":
        """Return the identifiers of these rows only; `known` stays as it is."""
        is_kept = np.isin(self.rows, rows.to_numpy())
        return Identifiers(self.known, self.rows[is_kept], self.orders[is_kept])

    def subjects(self) -> pl.DataFrame:
        """Return row, ident_key, kind of every event's subject, and `identities`: all of the event, in order."""
        starts = self._starts()
        everyone = pa.LargeListArray.from_arrays(
            _int64_array(np.append(starts, len(self.rows))),
            self.known[self.orders].select(pl.struct("kind", "ident_key")).to_series().to_arrow(),
        )
        subject = self.known[self.orders[starts]]
        return pl.DataFrame(
            {
                "row": pl.Series(self.rows[starts], dtype=pl.UInt32),
                "ident_key": subject["ident_key"],
                "kind": subject["kind"],
                "identities": pl.from_arrow(everyone),
            }
        )

    def links(self, events: pl.DataFrame) -> pl.DataFrame:
        """
        Return the links of events, each in both directions.

        Args:
            events: row, occurred_at, of those that make links.

        Returns:
            ident_key, kind, neighbour, neighbour_kind, first_seen.
        """
        subjects = self._subject_orders()
        times = pl.DataFrame({"row": pl.Series(self.rows, dtype=pl.UInt32)}).join(
            events, on="row", how="left", maintain_order="left"
        )["occurred_at"]
        pairs = pl.DataFrame({"subject": subjects, "other": self.orders, "occurred_at": times})
        seen = (
            pairs.filter((pl.col("subject") != pl.col("other")) & pl.col("occurred_at").is_not_null())
            .group_by("subject", "other")
            .agg(first_seen=pl.col("occurred_at").min())
        )
        both = pl.concat([seen, seen.select(subject="other", other="subject", first_seen="first_seen")])
        one, other = self.known[both["subject"]], self.known[both["other"]]
        return pl.DataFrame(
            {
                "ident_key": one["ident_key"],
                "kind": one["kind"],
                "neighbour": other["ident_key"],
                "neighbour_kind": other["kind"],
                "first_seen": both["first_seen"],
            }
        )

    def announcements(self) -> pl.DataFrame:
        """Return subject, ident_key: every distinct identifier under each subject that it occurs with."""
        pairs = np.sort(self._subject_orders() << _ORDER_BITS | self.orders)
        pairs = pairs[_is_first(pairs)]
        keys = self.known["ident_key"]
        return pl.DataFrame({"subject": keys[pairs >> _ORDER_BITS], "ident_key": keys[pairs & _ORDER_MASK]})

    def _starts(self) -> _Numbers:
        return np.flatnonzero(_is_first(self.rows))

    def _subject_orders(self) -> _Numbers:
        starts = self._starts()
        return np.repeat(self.orders[starts], np.diff(np.append(starts, len(self.rows))))


def identify(envelopes: pl.DataFrame, keyring: KeyRing) -> tuple[Identifiers, dict[int, Problem]]:
    """
    Find the identifiers of events.

    Args:
        envelopes: Flat columns of the envelope.
        keyring: Normalises and hashes.

    Returns:
        The identifiers, and a problem for each row of which none identifies anybody.
    """
    sent = envelopes.select("row", "identities").explode("identities", empty_as_null=False).unnest("identities")
    given = [sent.select("row", "kind", "value")]
    for kind in REFERENCE_KINDS:
        column = pl.col(f"refs.{kind}")
        referred = envelopes.filter(column.is_not_null())
        given.append(referred.select("row", pl.lit(KIND_RANK[kind], pl.Int64).alias("kind"), column.alias("value")))
    distinct = pl.concat(given).group_by("kind", "value").agg("row")
    named = distinct.select(_KIND_NAMES.gather(pl.col("kind")).alias("kind"), "value")
    keyed = distinct.select("kind", "row", keyring.keys_of(named)).drop_nulls("ident_key")
    known, orders = _in_order(keyed.select("kind", "ident_key"))
    paired = keyed["row"].explode(empty_as_null=False).to_numpy().astype(np.int64)
    pairs = np.sort(paired << _ORDER_BITS | np.repeat(orders, keyed["row"].list.len().to_numpy()))
    pairs = pairs[_is_first(pairs)]
    identifiers = Identifiers(known, pairs >> _ORDER_BITS, pairs & _ORDER_MASK)
    rows = envelopes["row"].to_numpy()
    has_anybody = np.zeros(int(rows.max(initial=0)) + 1, dtype=np.bool_)
    has_anybody[identifiers.rows] = True
    return identifiers, {int(row): _NOBODY for row in rows[~has_anybody[rows]]}


def _in_order(keyed: pl.DataFrame) -> tuple[pl.DataFrame, _Numbers]:
    """Return the distinct (kind, ident_key) in order, and for each given one its line there."""
    # Numbers sort ten times as fast as bytes. Kind and the first 60 bits decide; where they do not, bytes do.
    halves = np.frombuffer(b"".join(keyed["ident_key"].to_list()), dtype=">u8").reshape(-1, 2)
    leading = keyed["kind"].to_numpy().astype(np.uint64) << 60 | halves[:, 0].astype(np.uint64) >> 4
    order = np.argsort(leading)
    is_new = _is_first(leading[order])
    first = order[is_new]
    orders = np.empty(len(leading), dtype=np.int64)
    orders[order] = np.cumsum(is_new) - 1
    if (halves == halves[first][orders]).all():
        return keyed[first], orders
    known = keyed.unique().sort("kind", "ident_key")
    numbered = keyed.join(known.with_row_index("order"), on=["kind", "ident_key"], how="left", maintain_order="left")
    return known, numbered["order"].to_numpy().astype(np.int64)


def _int64_array(numbers: _Numbers) -> "pa.Int64Array":
    """Return numbers as Arrow has them; by `pa.array` that would load pandas first, 50 MB of a worker."""
    data = pa.py_buffer(np.ascontiguousarray(numbers, np.int64).data)
    return cast("pa.Int64Array", pa.Array.from_buffers(pa.int64(), len(numbers), [None, data]))


def _is_first(sorted_numbers: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Say which sorted numbers differ from the one before."""
    is_first = np.ones(len(sorted_numbers), dtype=np.bool_)
    np.not_equal(sorted_numbers[1:], sorted_numbers[:-1], out=is_first[1:])
    return is_first


def statement_sides(accounts: pl.DataFrame, keyring: KeyRing) -> tuple[pl.DataFrame, dict[int, Problem]]:
    """
    Find the two identifiers of every statement about identity.

    Args:
        accounts: Body columns of the family `accounts`, with row and type.
        keyring: Normalises and hashes.

    Returns:
        row, type, a, a_kind, b, b_kind, one line per statement, and a problem for each that says nothing.
    """
    lines: list[tuple[int, str, bytes, int, bytes, int]] = []
    problems: dict[int, Problem] = {}
    stated = [] if accounts.is_empty() else accounts.filter(pl.col("type").is_in(STATEMENT_TYPES)).rows(named=True)
    for row, type_name, a, b in ((line["row"], line["type"], line["body.a"], line["body.b"]) for line in stated):
        keys = {name: _key_of(side, keyring) for name, side in (("a", a), ("b", b))}
        unknown = next((name for name, key in keys.items() if key is None), None)
        if unknown is not None:
            detail = "identifies nobody"
            problems[row] = Problem(Reason.BAD_STATEMENT, f"/body/{unknown}/value", detail)
        elif keys["a"] == keys["b"]:
            problems[row] = Problem(Reason.BAD_STATEMENT, "/body/b", "the same identifier as a: this says nothing")
        elif keys["a"] is not None and keys["b"] is not None:
            lines.append((row, type_name, keys["a"], a["kind"], keys["b"], b["kind"]))
    schema = {
        "row": pl.UInt32,
        "type": pl.String,
        "a": pl.Binary,
        "a_kind": pl.Int8,
        "b": pl.Binary,
        "b_kind": pl.Int8,
    }
    return pl.DataFrame(lines, schema=schema, orient="row"), problems


def _key_of(side: Mapping[str, Any], keyring: KeyRing) -> bytes | None:
    return keyring.key_of(KINDS[side["kind"]], side["value"])
