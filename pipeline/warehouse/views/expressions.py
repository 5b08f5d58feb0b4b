"""SQL that several views share."""

from pipeline.contracts.kinds import ANY_STAGE
from pipeline.contracts.types import touchpoint_types
from pipeline.warehouse.ddl import quote_text

ACTIVE_RULES = "(SELECT argMax(rules_version, tuple(activated_at, rules_version)) FROM {db}.active_rules)"
"""The rules_version that was activated last."""

JOURNEY_GAP_MS = (
    "(SELECT argMin(journey_gap_ms, tuple(settings = '', recorded_at)) FROM {db}.rules "
    f"WHERE rules_version = {ACTIVE_RULES})"
)
"""The longest silence within a journey under the active rules."""

# The anchor's ident_key is the customer's uid: filters on customer_uid become lookups in the primary key.
ANCHORS = f"s.rules_version = {ACTIVE_RULES} AND s.is_anchor"
"""Condition on `stitched AS s` for the rows that carry a customer."""

ABSENT_UUID = "toUUID('00000000-0000-0000-0000-000000000000')"


SEEN_TYPES = "(SELECT groupUniqArrayArray(step_type) FROM {db}.stitched)"
"""Every type that a step ever had; its place there is its number, for numbers group and compare quicker than texts."""


def type_numbers(types: str) -> str:
    """Return the numbers of an array of types, from 1."""
    return f"arrayMap(x -> transform(x, {SEEN_TYPES}, arrayEnumerate({SEEN_TYPES}), 0), {types})"


def moved(column: str, places: int = 1) -> str:
    """Return an array of numbers in which every place holds what stood so many places before, or 0."""
    return f"arrayResize(arrayConcat(arrayWithConstant({places}, 0), {column}), length({column}))"


def number_of(uuid: str) -> str:
    """Return a UUID, given as UInt128, as the number that its text is, or back: ClickHouse keeps the halves swapped."""
    return f"bitOr(bitShiftLeft({uuid}, 64), bitShiftRight({uuid}, 64))"


# Added to times, so that none is below 0.
_AHEAD = 2**62


def rank_of(milliseconds: str, number: str) -> str:
    """Return what orders touchpoints as one number: time above, event_uid (`number_of`) below."""
    return f"bitShiftLeft(toUInt256(toUInt64({milliseconds} + {_AHEAD})), 128) + {number}"


def milliseconds_of(rank: str) -> str:
    """Return the time of a rank."""
    return f"reinterpretAsInt64(toUInt64(bitShiftRight({rank}, 128)) - {_AHEAD})"


def null_if_empty(expression: str) -> str:
    """Return the text, or NULL where it is empty."""
    return f"nullIf({expression}, '')"


def stage_of(expression: str) -> str:
    """Return the stage of a type as the table of types has it; a type that it does not know has none."""
    types = [row for row in touchpoint_types().values() if row.stage != ANY_STAGE]
    names = ", ".join(quote_text(row.name) for row in types)
    stages = ", ".join(quote_text(row.stage) for row in types)
    return f"transform(toString({expression}), [{names}], [{stages}], {quote_text(ANY_STAGE)})"


def money_map(expression: str) -> str:
    """Return amounts by currency as a Map."""
    return f"mapFromArrays(tupleElement({expression}, 1), tupleElement({expression}, 2))"


def due_pain_points(journey: str | None = None) -> str:
    """Count the pain points of a row of `stitched AS s` that count by now, of one journey or of all."""
    condition = "isNull(d) OR d <= now64(3, 'UTC')"
    if journey is None:
        return f"toUInt32(arrayCount(d -> {condition}, s.pain_due_at))"
    return f"toUInt32(arrayCount((d, p) -> p = {journey} AND ({condition}), s.pain_due_at, s.pain_journey))"
