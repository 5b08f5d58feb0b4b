"""
Who the events of a batch are about: keys of their identifiers, their subjects, the links between them.

The rule it owns: the subject of an event is its lowest (rank, ident_key), and it is joined to each other identifier of
the event; touchpoints of type `identity.*` join nobody. Values are looked up once per distinct value; past that there
are only numbers: `order` is an identifier's place among those of the batch by (rank, ident_key).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from pipeline.contracts.kinds import KIND_RANK, KINDS, REFERENCE_KINDS
from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.types import STATEMENT_TYPES
from pipeline.identity.keys import KeyRing

_Numbers = npt.NDArray[np.int64]
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
            pa.array(np.append(starts, len(self.rows)), pa.int64()),
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
        pairs = pl.DataFrame(
            {
                "row": pl.Series(self.rows, dtype=pl.UInt32),
                "subject": self._subject_orders(),
                "other": self.orders,
            }
        ).filter(pl.col("subject") != pl.col("other"))
        seen = pairs.join(events, on="row").group_by("subject", "other").agg(first_seen=pl.col("occurred_at").min())
        both = pl.concat([seen, seen.select(subject="other", other="subject", first_seen="first_seen")])
        both = both.sort("subject", "other")
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
        pairs = pl.DataFrame({"subject": self._subject_orders(), "other": self.orders}).unique(maintain_order=True)
        keys = self.known["ident_key"]
        return pl.DataFrame({"subject": keys[pairs["subject"]], "ident_key": keys[pairs["other"]]})

    def _starts(self) -> _Numbers:
        is_first = np.ones(len(self.rows), dtype=np.bool_)
        np.not_equal(self.rows[1:], self.rows[:-1], out=is_first[1:])
        return np.flatnonzero(is_first)

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
    named = envelopes.select("row", "identities").explode("identities", empty_as_null=False).unnest("identities")
    given = [named.select("row", "kind", "value")]
    for kind in REFERENCE_KINDS:
        column = pl.col(f"refs.{kind}")
        referred = envelopes.filter(column.is_not_null())
        given.append(referred.select("row", pl.lit(KIND_RANK[kind], pl.Int8).alias("kind"), column.alias("value")))
    pairs = pl.concat(given)
    distinct = pairs.select("kind", "value").unique(maintain_order=True)
    keys = [keyring.key_of(KINDS[kind], value) for kind, value in distinct.iter_rows()]
    keyed = distinct.with_columns(pl.Series("ident_key", keys, dtype=pl.Binary)).drop_nulls("ident_key")
    known = keyed.select("kind", "ident_key").unique().sort("kind", "ident_key")
    numbered = keyed.join(known.with_row_index("order"), on=["kind", "ident_key"])
    placed = pairs.join(numbered.select("kind", "value", "order"), on=["kind", "value"])
    codes = np.unique(placed["row"].to_numpy().astype(np.int64) << 32 | placed["order"].to_numpy())
    identifiers = Identifiers(known, codes >> 32, codes & 0xFFFFFFFF)
    nobody = np.setdiff1d(envelopes["row"].to_numpy(), identifiers.rows)
    return identifiers, {int(row): _NOBODY for row in nobody}


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
    stated = accounts.filter(pl.col("type").is_in(STATEMENT_TYPES)).select("row", "type", "body.a", "body.b")
    for row, type_name, a, b in stated.iter_rows():
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
