"""
The facts of a batch, as the warehouse takes them but for the stamps of their landing.

The rule it owns: the same records give the same rows, whatever they are landed with and however often. What it makes
is pure; the frames here still know the `row` of their event, so that a batch can be divided.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from pipeline.enrichment.enrich import enrich
from pipeline.identity.keys import KeyRing, content_versions, event_uids
from pipeline.streaming.decode.values import Rejection
from pipeline.streaming.decode.verdicts import Judged
from pipeline.streaming.landing.bodies import by_type, encode_bodies
from pipeline.streaming.landing.content import canonical_content
from pipeline.streaming.landing.identifiers import Identifiers, identify, statement_sides

TIME: Final = pl.Datetime("ms", "UTC")
_STATEMENT_CODES: Final = {"identity.aliased": 1, "identity.unlinked": 2}
_REFERENCES: Final = (
    "order_id",
    "shipment_id",
    "return_id",
    "ticket_id",
    "conversation_id",
    "subscription_id",
    "survey_id",
    "campaign",
)
_FROM_CONTEXT: Final = ("url", "referrer", "title", "locale")
_UTM: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
_ENRICHED_FROM: Final = ("url", "referrer", "user_agent", *_UTM)
_ENRICHED: Final = (
    *_UTM,
    "user_agent_family",
    "device_class",
    "is_bot",
    "referrer_domain",
    "channel_group",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """
    Facts of events.

    Attributes:
        touchpoints: `row` and the columns of table `touchpoints` but for coordinates and landing.
        statements: `row` and the columns of table `identity_statements` but for landing, both directions.
        identifiers: Who the events are about; links and announcements are made from it.
    """

    touchpoints: pl.DataFrame
    statements: pl.DataFrame
    identifiers: Identifiers

    def of_rows(self, rows: pl.Series) -> "Facts":
        """Return the facts of these rows only."""
        kept = pl.DataFrame({"row": rows})
        return replace(
            self,
            touchpoints=self.touchpoints.join(kept, on="row", how="semi", maintain_order="left"),
            statements=self.statements.join(kept, on="row", how="semi", maintain_order="left"),
            identifiers=self.identifiers.of_rows(rows),
        )

    def links(self) -> pl.DataFrame:
        """Return ident_key, kind, neighbour, neighbour_kind, first_seen: both directions, distinct."""
        joining = self.touchpoints.filter(~pl.col("type").str.starts_with("identity."))
        return self.identifiers.links(joining.select("row", "occurred_at"))

    def announcements(self) -> pl.DataFrame:
        """Return subject, ident_key: all identifiers of the events and of what they state, under their subjects."""
        subjects = self.touchpoints.select("row", subject="ident_key")
        stated = self.statements.join(subjects, on="row").select("subject", ident_key="a")
        own = self.identifiers.announcements()
        return own if stated.is_empty() else pl.concat([own, stated]).unique(maintain_order=True)


def make_facts(judged: Judged, keyring: KeyRing) -> tuple[Facts | None, list[Rejection]]:
    """
    Make the facts of judged events.

    Args:
        judged: Events that passed.
        keyring: Normalises and hashes identifiers.

    Returns:
        The facts (None where no event is left), and a rejection for each event of which no identifier identifies
        anybody, or that states nothing.
    """
    identifiers, problems = identify(judged.envelopes, keyring)
    accounts = judged.bodies.get("accounts", pl.DataFrame())
    sides, bad_sides = statement_sides(accounts, keyring)
    problems |= bad_sides
    envelopes, bodies = judged.envelopes, judged.bodies
    rejections: list[Rejection] = []
    if problems:
        families = dict(envelopes.select("row", "family").iter_rows())
        rejections = [Rejection(row, problem, families[row]) for row, problem in sorted(problems.items())]
        bad = pl.DataFrame({"row": pl.Series(list(problems), dtype=pl.UInt32)})
        envelopes = envelopes.join(bad, on="row", how="anti", maintain_order="left")
        bodies = {family: frame.join(bad, on="row", how="anti") for family, frame in bodies.items()}
        sides = sides.join(bad, on="row", how="anti")
        identifiers = identifiers.of_rows(envelopes["row"])
    if envelopes.is_empty():
        return None, rejections
    touchpoints = _touchpoints(envelopes, bodies, sides, identifiers, keyring.hash_key)
    return Facts(touchpoints, _statements(sides, touchpoints, envelopes), identifiers), rejections


def _touchpoints(
    envelopes: pl.DataFrame,
    bodies: Mapping[str, pl.DataFrame],
    sides: pl.DataFrame,
    identifiers: Identifiers,
    hash_key: bytes,
) -> pl.DataFrame:
    subjects = identifiers.subjects()
    uids = event_uids(
        envelopes.select("source", "occurred_at", event_id="id").with_columns(subject=subjects["ident_key"]), hash_key
    )
    typed = by_type(bodies)
    content = canonical_content(envelopes, typed)
    versions = content_versions(envelopes.select("revision", "received_at").with_columns(content=content), hash_key)
    given = envelopes.select(*(pl.col(f"context.{name}").alias(name) for name in _ENRICHED_FROM), pl.col("channel"))
    enriched = enrich(given).select(_ENRICHED).with_columns(pl.col(pl.String).fill_null(""))
    # Every event has its line in each of these, in the order of rows.
    stored = encode_bodies(typed, sides).sort("row")
    return envelopes.select(_stored_columns()).with_columns(
        subjects["ident_key"], subjects["kind"], subjects["identities"], uids, versions, *enriched, stored["body"]
    )


def _stored_columns() -> list[pl.Expr]:
    """Return `row` and the columns that are stored as they were sent; an absent text is empty."""
    texts = {
        "event_id": "id",
        "session_id": "session_id",
        "currency": "amount.currency",
        **{name: f"refs.{name}" for name in _REFERENCES},
        **{name: f"context.{name}" for name in _FROM_CONTEXT},
    }
    times = ("occurred_at", "received_at", "sent_at")
    return [
        pl.col("row", "type", "source", "channel", "direction", "attributes", "consent"),
        pl.col("revision").cast(pl.UInt32),
        *(pl.col(name).fill_null("").alias(stored) for stored, name in texts.items()),
        *(pl.col(name).cast(TIME) for name in times),
        pl.col("refs.product_ids").fill_null([]).alias("product_ids"),
        pl.col("amount.minor").alias("amount_minor"),
        (pl.col("received_at") - pl.col("sent_at")).alias("clock_skew_ms"),
    ]


def _statements(sides: pl.DataFrame, touchpoints: pl.DataFrame, envelopes: pl.DataFrame) -> pl.DataFrame:
    """Return statements about identity in both directions, so that either end finds them."""
    stated = sides.join(
        touchpoints.select("row", "source", "event_id", "occurred_at", "event_uid", "content_version"), on="row"
    ).join(envelopes.select("row", pl.col("withdraws").fill_null("")), on="row")
    named = stated.with_columns(statement=pl.col("type").replace_strict(_STATEMENT_CODES, return_dtype=pl.Int8))
    turned = named.with_columns(a="b", a_kind="b_kind", b="a", b_kind="a_kind")
    return pl.concat([named, turned]).drop("type").sort("row", "a")
