"""
From «this link did it» to the touchpoint: causes are noted as links, statements or first touchpoints, found at once.

The facts of a batch hold the touchpoint of nearly every link: it has the link's time and the link's stronger end as
its subject. Only where several touchpoints of one subject share that moment, or none is at hand, is the store asked.
"""

from typing import Any, Final

import polars as pl

from pipeline.identity.causes import Rule, Said, statements_said
from pipeline.streaming.stitch_port import StitchStore

_TIME: Final = pl.Datetime("ms", "UTC")
_FOUND: Final[dict[str, Any]] = {"ident_key": pl.Binary, "cause_event_uid": pl.Binary, "rule": pl.String}
_LINKS: Final[dict[str, Any]] = {
    "ident_key": pl.Binary, "rule": pl.String, "subject": pl.Binary, "other": pl.Binary, "seen": _TIME,
}  # fmt: skip
_FIRSTS: Final[dict[str, Any]] = {"ident_key": pl.Binary, "rule": pl.String, "of": pl.Binary}


class Causes:
    """
    The causes noted so far, one an identifier.

    Args:
        facts: Touchpoints at hand: ident_key, occurred_at, event_uid, type.
        statements: Statements at hand.
        store: Asked for what is not at hand.
    """

    def __init__(self, facts: pl.DataFrame, statements: pl.DataFrame, store: StitchStore) -> None:
        self._facts = facts
        self._statements = statements
        self._store = store
        self._known: list[tuple[bytes, bytes, str]] = []
        self._links: list[pl.DataFrame] = []
        self._firsts: list[pl.DataFrame] = []

    def note(self, key: bytes, rule: Rule, event_uid: bytes) -> None:
        """Note the touchpoint itself."""
        self._known.append((key, event_uid, rule.value))

    def note_links(self, frame: pl.DataFrame) -> None:
        """Note links: ident_key, rule, a (the stronger end), b, seen."""
        self._links.append(frame.select("ident_key", "rule", "seen", subject="a", other="b").select(*_LINKS))

    def note_firsts(self, frame: pl.DataFrame) -> None:
        """Note identifiers whose first touchpoint it was: ident_key, rule, of."""
        self._firsts.append(frame.select(*_FIRSTS))

    def note_aliases(self, frame: pl.DataFrame) -> None:
        """Note aliases in force: ident_key, a, b."""
        if frame.is_empty():
            return
        standing: dict[tuple[bytes, bytes], Said] = {}
        for said in statements_said(self._statements):
            if said.is_alias and said.withdrawn_by is None:
                standing.setdefault((said.a, said.b), said)
        for key, a, b in frame.select("ident_key", "a", "b").iter_rows():
            if (alias := standing.get((min(a, b), max(a, b)))) is not None:
                self.note(key, Rule.ALIASED, alias.event_uid)

    def found(self) -> pl.DataFrame:
        """Find the touchpoints: ident_key, cause_event_uid, rule; those of which nothing is known are left out."""
        firsts = self._found_firsts(pl.concat(self._firsts)) if self._firsts else pl.DataFrame(schema=_FOUND)
        links = self._found_links(pl.concat(self._links)) if self._links else pl.DataFrame(schema=_FOUND)
        known = pl.DataFrame(self._known, schema=_FOUND, orient="row")
        return pl.concat([known, links, firsts]).unique("ident_key", keep="first", maintain_order=True)

    def _found_links(self, wanted: pl.DataFrame) -> pl.DataFrame:
        pairs = wanted.select("subject", "other", "seen").unique()
        moments = pairs.select(ident_key="subject", occurred_at="seen").unique()
        at_hand = (
            self._facts.select("ident_key", pl.col("occurred_at").cast(_TIME), "event_uid", "type")
            .join(moments, on=["ident_key", "occurred_at"], how="semi")
            .filter(~pl.col("type").str.starts_with("identity."))
            .group_by(subject="ident_key", seen="occurred_at")
            .agg(pl.col("event_uid").min(), several=pl.col("event_uid").n_unique() > 1)
        )
        told = pairs.join(at_hand, on=["subject", "seen"], how="left")
        is_clear = (~pl.col("several")).fill_null(value=False)
        clear, unclear = told.filter(is_clear), told.filter(~is_clear)
        events = [clear.select("subject", "other", "seen", "event_uid")]
        if not unclear.is_empty():
            asked = self._store.link_touchpoints(unclear.select("subject", "other", "seen"))
            events.append(
                asked.select("subject", "other", pl.col("occurred_at").cast(_TIME).alias("seen"), "event_uid")
            )
        return wanted.join(pl.concat(events), on=["subject", "other", "seen"]).select(
            "ident_key", cause_event_uid="event_uid", rule="rule"
        )

    def _found_firsts(self, wanted: pl.DataFrame) -> pl.DataFrame:
        own = (
            self._facts.select("ident_key", "occurred_at", "event_uid")
            .join(wanted.select(ident_key="of"), on="ident_key", how="semi")
            .group_by(of="ident_key")
            .agg(cause_event_uid=pl.col("event_uid").sort_by("occurred_at", "event_uid").first())
        )
        told = wanted.join(own, on="of", how="left")
        silent = told.filter(pl.col("cause_event_uid").is_null())
        found = [told.drop_nulls("cause_event_uid").select(*_FOUND)]
        if not silent.is_empty():
            found += [self._named_by_others(silent), self._named_by_statements(silent)]
        return pl.concat(found)

    def _named_by_others(self, silent: pl.DataFrame) -> pl.DataFrame:
        """Find the first touchpoint of identifiers that are no subject but stand on touchpoints of others."""
        links = (
            self._store.links(silent["of"].unique().rename("ident_key"))
            .sort("seen", "neighbour_kind", "neighbour")
            .group_by("ident_key")
            .first()
        )
        stronger = pl.col("neighbour_kind") <= pl.col("kind")
        ends = links.select(
            pl.col("ident_key").alias("of"),
            pl.col("seen").cast(_TIME),
            subject=pl.when(stronger).then("neighbour").otherwise("ident_key"),
            other=pl.when(stronger).then("ident_key").otherwise("neighbour"),
        )
        return self._found_links(silent.select("ident_key", "rule", "of").join(ends, on="of").select(*_LINKS))

    def _named_by_statements(self, silent: pl.DataFrame) -> pl.DataFrame:
        first: dict[bytes, bytes] = {}
        for said in statements_said(self._statements):
            first.setdefault(said.a, said.event_uid)
            first.setdefault(said.b, said.event_uid)
        rows = [
            (key, first[of], rule)
            for key, of, rule in silent.select("ident_key", "of", "rule").iter_rows()
            if of in first
        ]
        return pl.DataFrame(rows, schema=_FOUND, orient="row")
