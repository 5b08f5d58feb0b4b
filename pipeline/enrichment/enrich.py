"""
Everything that can be derived from a touchpoint alone, for a whole batch of them.

Touchpoints that say the same of where they come from are worked on once, for pages and programs repeat. The result
depends on nothing but the row: the same touchpoint is enriched alike today and in a replay.
"""

from urllib.parse import unquote_plus

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.contracts.kinds import INTERACTIVE_CHANNELS
from pipeline.enrichment.channel_groups import CLICK_IDS, channel_group
from pipeline.enrichment.user_agents import LONGEST_USER_AGENT, read_user_agent

UTM_FIELDS: tuple[str, ...] = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
"""Fields that are read from the url where the envelope has none."""

_AUTHORITY = r"^[a-zA-Z][a-zA-Z0-9+.\-]*://([^/?#]*)"
_CLICK_ID = rf"[?&]({'|'.join(CLICK_IDS)})=[^&#]"
_LONGEST_VALUE = 1_024


def enrich(frame: pl.DataFrame) -> pl.DataFrame:
    """
    Add what a batch of touchpoints tells between the lines.

    Args:
        frame: At least `url, referrer, user_agent, utm_source, utm_medium, utm_campaign, channel` as text; null and
            empty are the same. `utm_term` and `utm_content` are filled too where they are there.

    Returns:
        The frame in its order, with `user_agent_family, device_class, is_bot, referrer_domain, channel_group` added and
        the utm columns filled from the url's query; absent text is empty. `channel_group` is empty where a touchpoint
        is no interaction and names no origin either (a delivery has no channel group).
    """
    utm: list[str] = [name for name in UTM_FIELDS if name in frame.columns]
    read = frame.select(pl.col("url", "referrer", "user_agent", "channel", *utm).fill_null(""))
    distinct, places = _distinct(read)
    work = _with_utm(distinct, utm)
    work = work.with_columns(
        referrer_domain=_host("referrer"),
        _own=_host("url"),
        _click=pl.when(pl.col("url").str.contains("clid=|braid="))
        .then(pl.col("url").str.extract(_CLICK_ID))
        .otherwise(None)
        .fill_null(""),
    )
    enriched = _with_channel_group(_with_user_agent(work)).drop("_own", "_click")
    return frame.with_columns(enriched[places])


def _distinct(frame: pl.DataFrame) -> tuple[pl.DataFrame, npt.NDArray[np.uint32]]:
    """Return the distinct lines of a frame of texts, and for each of its lines the place of the equal one."""
    # Columns without text, which are most, need not be compared.
    used = [column.name for column in frame if column.str.len_bytes().max()]
    if not used:
        return frame.head(1), np.zeros(frame.height, dtype=np.uint32)
    lines = pl.int_range(pl.len(), dtype=pl.UInt32).alias("_line")
    equal = frame.select(*used, lines).group_by(used).agg("_line")["_line"]
    places = np.empty(frame.height, dtype=np.uint32)
    places[equal.explode().to_numpy()] = np.repeat(np.arange(len(equal), dtype=np.uint32), equal.list.len().to_numpy())
    return frame[equal.list.first()], places


def _host(column: str) -> pl.Expr:
    """Return the host of addresses, without user, port, `www.` and the root's dot; empty where there is none."""
    authority = pl.col(column).str.extract(_AUTHORITY).fill_null("").str.to_lowercase()
    host = authority.str.replace(r"^.*@", "").str.replace(r":\d*$", "")
    return host.str.strip_chars_end(".").str.strip_prefix("www.")


def _with_utm(frame: pl.DataFrame, utm: list[str]) -> pl.DataFrame:
    """Fill empty utm columns from the query of the url; few urls have any, so only those are looked at."""
    row = pl.int_range(pl.len(), dtype=pl.UInt32).alias("_row")
    tagged = frame.select(row, "url", *utm).filter(pl.col("url").str.contains("utm_", literal=True))
    if tagged.is_empty():
        return frame
    for name in utm:
        found = tagged.select(pl.col("url").str.extract(rf"[?&]{name}=([^&#]*)").fill_null(""))
        values = _decoded(found.to_series())
        tagged = tagged.with_columns(pl.when(pl.col(name) == "").then(values).otherwise(pl.col(name)).alias(name))
    rows = tagged["_row"]
    return frame.with_columns(frame[name].scatter(rows, tagged[name]) for name in utm)


def _decoded(values: pl.Series) -> pl.Series:
    """Undo the percent encoding of a query's values, once per distinct one."""
    encoded = values.unique().to_list()
    plain = [unquote_plus(value, errors="replace")[:_LONGEST_VALUE] for value in encoded]
    return values.replace_strict(encoded, plain, return_dtype=pl.String)


def _with_user_agent(frame: pl.DataFrame) -> pl.DataFrame:
    texts = frame["user_agent"].unique()
    agents = [read_user_agent(text[:LONGEST_USER_AGENT]) for text in texts.to_list()]
    known = pl.DataFrame(
        {
            "user_agent": texts,
            "user_agent_family": [agent.family for agent in agents],
            "device_class": [agent.device_class for agent in agents],
            "is_bot": [agent.is_bot for agent in agents],
        },
        schema_overrides={"user_agent_family": pl.String, "device_class": pl.String, "is_bot": pl.Boolean},
    )
    return frame.join(known, on="user_agent", how="left", maintain_order="left")


def _with_channel_group(frame: pl.DataFrame) -> pl.DataFrame:
    """Judge every distinct origin once; a referrer of the own site (or a part of it) is no origin."""
    referrer, own = pl.col("referrer_domain"), pl.col("_own")
    is_own = (
        (referrer == own)
        | ((own != "") & referrer.str.ends_with(pl.concat_str(pl.lit("."), own)))
        | ((referrer != "") & own.str.ends_with(pl.concat_str(pl.lit("."), referrer)))
    )
    frame = frame.with_columns(_referrer=pl.when(is_own).then(pl.lit("")).otherwise(referrer))
    origin = ["utm_source", "utm_medium", "utm_campaign", "_referrer", "_click"]
    distinct = frame.select(origin).unique()
    groups = [channel_group(*row) for row in distinct.iter_rows()]
    known = distinct.with_columns(pl.Series("channel_group", groups, pl.String))
    has_origin = pl.any_horizontal(pl.col("url", "referrer", *origin) != "")
    return (
        frame.join(known, on=origin, how="left", maintain_order="left")
        .with_columns(
            channel_group=pl.when(has_origin | pl.col("channel").is_in(INTERACTIVE_CHANNELS))
            .then(pl.col("channel_group"))
            .otherwise(pl.lit(""))
        )
        .drop("_referrer")
    )
