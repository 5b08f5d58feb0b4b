"""
Which journeys a batch changed: the difference of two snapshots of the same customers, ready to publish.

A journey that vanished (its touchpoints moved to another customer or joined an earlier journey) becomes a tombstone.
Readers keep the change of the greatest version, so the order of publication does not matter.
"""

import polars as pl

_COMPARED = ("customer_uid", "journey_id", "started_at", "ended_at", "touchpoints", "visits", "orders", "pain_points")
_NO_LIST = pl.lit([], pl.List(pl.String))


def journey_changes(before: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """
    Compare the journeys of the rows that are being written with those that were there.

    Args:
        before: Journeys as `StitchStore.journeys` returns them.
        rows: New rows of `stitched`, with `version` and `rules_version`.

    Returns:
        journey_id, customer_uid, version, rules_version, started_at, ended_at, touchpoints, visits, orders,
        pain_points, channels, path, gone; one row per journey that is new, differs or vanished.
    """
    version, rules_version = rows["version"].first(), rows["rules_version"].first()
    was = before.filter(pl.col("journey_id").is_not_null()).select(*_COMPARED)
    after = _journeys(rows)
    changed = after.join(was, on=list(_COMPARED), how="anti")
    described = changed.join(_paths(rows, changed), on=["customer_uid", "index"], how="left").drop("index")
    gone = was.join(after, on="journey_id", how="anti").with_columns(path=_NO_LIST, channels=_NO_LIST)
    both = [
        described.with_columns(gone=pl.lit(value=False)),
        gone.select(described.columns).with_columns(gone=pl.lit(value=True)),
    ]
    return pl.concat(both, how="vertical_relaxed").with_columns(
        version=pl.lit(version, rows.schema["version"]), rules_version=pl.lit(rules_version, pl.UInt32)
    )


def _journeys(rows: pl.DataFrame) -> pl.DataFrame:
    """Unnest the journeys of anchors' rows: the compared columns and the 1-based `index` within the customer."""
    nested = {
        "journey_id": "journey_id",
        "started_at": "journey_started_at",
        "ended_at": "journey_ended_at",
        "touchpoints": "journey_touchpoints",
        "visits": "journey_visits",
        "orders": "journey_orders",
    }
    pains = (
        # Only what is looked at: a filter of whole rows copies every list in them.
        rows.select("customer_uid", "version", index="pain_journey", due_at="pain_due_at")
        .filter(pl.col("index").list.len() > 0)
        .explode("index", "due_at")
        # An absence counts from when it is due; a snapshot knows of those that were due by its version.
        .filter((pl.col("due_at") <= pl.col("version")).fill_null(value=True))
        .group_by("customer_uid", "index")
        .agg(pain_points=pl.len().cast(pl.UInt32))
    )
    anchors = rows.select("customer_uid", **nested).filter(pl.col("journey_id").list.len() > 0)
    index = pl.int_ranges(1, pl.col("journey_id").list.len() + 1, dtype=pl.UInt32)
    return (
        anchors.with_columns(index=index)
        .explode(*nested, "index")
        .join(pains, on=["customer_uid", "index"], how="left")
        .with_columns(pl.col("pain_points").fill_null(0))
        .select(*_COMPARED, "index")
    )


def _paths(rows: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    """Return the types in order without repeats, and the distinct channels, of the journeys of changed customers."""
    steps = (
        rows.select("customer_uid", index="step_journey", type="step_type", channel="step_channel")
        .filter(pl.col("index").list.len() > 0)
        .join(changed.select("customer_uid").unique(), on="customer_uid", how="semi")
        .explode("index", "type", "channel")
    )
    # Steps of a journey stand together: what repeats the one before is left out before they are grouped.
    here = [pl.col(name) for name in ("type", "index", "customer_uid")]
    turns = steps.filter(pl.any_horizontal([(one != one.shift()).fill_null(value=True) for one in here]))
    paths = turns.group_by("customer_uid", "index").agg(path="type")
    channels = steps.select("customer_uid", "index", "channel").unique()
    return paths.join(
        channels.group_by("customer_uid", "index").agg(channels=pl.col("channel").sort()),
        on=["customer_uid", "index"],
    )
