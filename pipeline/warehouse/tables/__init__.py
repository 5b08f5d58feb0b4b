"""
Every table of the warehouse, declared as data.

One rule: tables are declared here and nowhere else; the DDL, the Arrow schemas of the INSERTs, the reference page and
the comparison with the live database are made from these. They only grow: a column that was published is not renamed.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.warehouse.declarations import Table
from pipeline.warehouse.tables.analysis import PERSONA_RULES, THEME_RULES
from pipeline.warehouse.tables.bookkeeping import (
    ACTIVE_RULES,
    KAFKA_OFFSETS,
    LANDED,
    LANDING_SETTINGS,
    OPENING_HOURS,
    PARKED,
    REJECTED,
    REPAIRS,
    RULES,
    RULES_PROGRESS,
    SCHEMA_MIGRATIONS,
    STITCH_VERSIONS,
)
from pipeline.warehouse.tables.facts import (
    IDENTITY_LINKS,
    IDENTITY_STATEMENTS,
    TOUCHPOINT_CONTENTS,
    TOUCHPOINTS,
)
from pipeline.warehouse.tables.results import IDENTITY_LEDGER, STITCHED

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            SCHEMA_MIGRATIONS,
            TOUCHPOINTS,
            TOUCHPOINT_CONTENTS,
            IDENTITY_LINKS,
            IDENTITY_STATEMENTS,
            LANDED,
            REJECTED,
            REPAIRS,
            PARKED,
            KAFKA_OFFSETS,
            STITCH_VERSIONS,
            LANDING_SETTINGS,
            RULES,
            RULES_PROGRESS,
            OPENING_HOURS,
            ACTIVE_RULES,
            PERSONA_RULES,
            THEME_RULES,
            IDENTITY_LEDGER,
            STITCHED,
        )
    }
)

__all__ = [
    "ACTIVE_RULES",
    "IDENTITY_LEDGER",
    "IDENTITY_LINKS",
    "IDENTITY_STATEMENTS",
    "KAFKA_OFFSETS",
    "LANDED",
    "LANDING_SETTINGS",
    "OPENING_HOURS",
    "PARKED",
    "PERSONA_RULES",
    "REJECTED",
    "REPAIRS",
    "RULES",
    "RULES_PROGRESS",
    "SCHEMA_MIGRATIONS",
    "STITCHED",
    "STITCH_VERSIONS",
    "TABLES",
    "THEME_RULES",
    "TOUCHPOINTS",
    "TOUCHPOINT_CONTENTS",
]
