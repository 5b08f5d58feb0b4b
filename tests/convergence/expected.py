"""The oracle's dump under the product's settings."""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.config import IdentitySettings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from tests.convergence.dump import Dump, canonical
from tests.oracle.identity import Caps
from tests.oracle.naming import Naming
from tests.oracle.pains import Thresholds
from tests.oracle.views import OracleRules, order_free_views

# The sentence that tells a pain point is prose; the oracle does not write it a second time.
NOT_JUDGED = {"v_pain_points": ("detail",)}
# Runs are held against each other in these alone.
UNTOLD = ("v_comments", "v_words", "v_pain_chances", "v_impact_strata")


def oracle_rules(
    identity: IdentitySettings, stitching: StitchingSettings | None = None, pain_points: PainPointSettings | None = None
) -> OracleRules:
    """Return the oracle's rules for these settings, as of now."""
    stitching = stitching or StitchingSettings()
    pain_points = pain_points or PainPointSettings()
    return OracleRules(
        naming=Naming(identity.hash_key.get_secret_value().encode(), identity.blocklist, identity.phone_region),
        caps=Caps(**{name: getattr(identity, name) for name in Caps.__dataclass_fields__}),
        visit_gap_ms=round(stitching.visit_gap.total_seconds() * 1000),
        journey_gap_ms=round(stitching.journey_gap.total_seconds() * 1000),
        thresholds=Thresholds.of(pain_points),
        now_ms=time.time_ns() // 1_000_000,
    )


def expected_dump(events: Iterable[Mapping[str, Any]], rules: OracleRules) -> Dump:
    """Return what the views must hold after these touchpoints, in whatever order they came."""
    return {view: canonical(rows, NOT_JUDGED.get(view, ())) for view, rows in order_free_views(events, rules).items()}


def judged_part(dump: Dump) -> Dump:
    """Return the part of a dump that the oracle judges."""
    return {
        view: canonical((json.loads(line) for line in lines), NOT_JUDGED[view]) if view in NOT_JUDGED else lines
        for view, lines in dump.items()
        if view not in UNTOLD
    }
