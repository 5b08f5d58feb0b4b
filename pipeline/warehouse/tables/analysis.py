"""
What analysts declare as data: personas, and themes of comments.

One rule: a row is a whole declaration and the newest row holds; a row without names takes the package's own again.
Rows are written by `throughline`, which checks them first.
"""

from pipeline.warehouse.declarations import Table, columns_of
from pipeline.warehouse.tables.types import MICROS

PERSONA_RULES = Table(
    name="persona_rules",
    comment="Declared personas; the newest row holds, one without names means those of the package.",
    engine="MergeTree",
    order_by=("set_at",),
    columns=columns_of(
        [
            ("set_at", MICROS, "When it was declared."),
            ("document", "String", "The declaration as it was given, in TOML; empty: back to those of the package."),
            ("names", "Array(String)", "Personas in their order: stable name; who fits several is the first."),
            ("titles", "Array(String)", "… name for people."),
            ("meanings", "Array(String)", "… what it says."),
            ("words", "Array(String)", "… its conditions for people."),
            ("needed", "Array(UInt8)", "… number of conditions, which must all hold."),
            ("condition_persona", "Array(UInt8)", "Conditions: number of the persona, from 1."),
            ("condition_feature", "Array(UInt8)", "… number of the feature, from 1."),
            ("condition_currency", "Array(String)", "… currency of the bounds; empty: no money."),
            ("condition_least", "Array(Int64)", "… lower bound, included."),
            ("condition_most", "Array(Int64)", "… upper bound, included."),
        ]
    ),
)

THEME_RULES = Table(
    name="theme_rules",
    comment="Declared themes of comments; the newest row holds, one without names means those of the package.",
    engine="MergeTree",
    order_by=("set_at",),
    columns=columns_of(
        [
            ("set_at", MICROS, "When it was declared."),
            ("document", "String", "The declaration as it was given, in TOML; empty: back to those of the package."),
            ("names", "Array(String)", "Themes: stable name."),
            ("titles", "Array(String)", "… name for people."),
            ("patterns", "Array(String)", "… regular expression (RE2) over the words of a comment."),
        ]
    ),
)
