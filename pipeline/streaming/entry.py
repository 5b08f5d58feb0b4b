"""
Whether a worker may begin: its settings beside those that are recorded in the warehouse.

One rule: no two settings may write under one name. A stitch worker whose rules are not those recorded for its version
would mix two answers in one set of results; a land worker with another hash key would split every customer. Both are
refused before they read anything.
"""

import logging

from clickhouse_connect.driver.client import Client

from pipeline.config import Settings
from pipeline.warehouse.landing_settings import REPLAY, enter_landing
from pipeline.warehouse.rules import RulesBook, RulesVersion
from pipeline.warehouse.rules_document import RulesUnreadable, differences, document_of, settings_of

logger = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818 - says what happened
    """This worker must not begin; the text says why and what to do."""


def enter_land(client: Client, settings: Settings) -> Settings:
    """
    Let a landing worker begin.

    Raises:
        Refused: If its identifiers would not be those of the facts that are there.
    """
    if faults := enter_landing(client, settings.identity):
        raise Refused(f"{'; '.join(faults)}. Set it back, or: {REPLAY}")
    return settings


def enter_stitch(client: Client, settings: Settings, *, recorded: bool) -> Settings:
    """
    Let a stitching worker begin.

    Args:
        client: Connection to the warehouse.
        settings: Settings of the worker.
        recorded: Take the rules that are recorded for its version instead of those of the settings.

    Returns:
        The settings to work with.

    Raises:
        Refused: If its version does not live, or the settings are not those that its version was recorded with.
    """
    version = _version_of(client, settings)
    if version.document is None:
        RulesBook(client).record(version.number, settings)
        version = _version_of(client, settings)
    document = version.document or {}
    if not recorded:
        if different := differences(document, document_of(settings)):
            raise Refused(_mixed(version.number, "; ".join(map(str, different))))
        return settings
    try:
        chosen = settings_of(document, settings)
    except RulesUnreadable as error:
        raise Refused(f"the rules of version {version.number} were {error}") from error
    different = differences(document, document_of(chosen))
    if any(not difference.is_program for difference in different):
        raise Refused(_mixed(version.number, "; ".join(map(str, different))))
    if different:
        logger.warning(
            "rules version %s was recorded by a program with other rules (%s); what is stitched from now on follows "
            "those of this program: `throughline restitch` makes all results alike",
            version.number,
            "; ".join(map(str, different)),
        )
    return chosen


def _version_of(client: Client, settings: Settings) -> RulesVersion:
    number = settings.stitching.rules_version
    versions = {version.number: version for version in RulesBook(client).versions()}
    version = versions.get(number)
    if version is None or not version.is_live:
        live = (
            ", ".join(str(one.number) for one in versions.values() if one.is_live) or "none: run `throughline migrate`"
        )
        why = "was dropped" if version else "is not recorded"
        raise Refused(
            f"rules version {number} {why}; recorded and alive: {live}. Set THROUGHLINE_STITCHING__RULES_VERSION to "
            "one of them; `throughline rules start` records a new one"
        )
    return version


def _mixed(number: int, different: str) -> str:
    return (
        f"the settings are not those that rules version {number} was recorded with ({different}): its results would be "
        "a mix of two rules. Set them back, or record a new version with `throughline rules start` and run its workers "
        "with THROUGHLINE_STITCHING__RULES_VERSION; `worker stitch --recorded` takes the recorded rules"
    )
