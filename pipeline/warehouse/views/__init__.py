"""
Every view of the warehouse: what analysts read, right at once.

One rule: a view needs no FINAL, no setting and no caveat from its reader. It shows the active rules_version only, and
each touchpoint, visit, journey, customer exactly once, whatever has been merged in the background so far.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from pipeline.warehouse.declarations import View
from pipeline.warehouse.views.accounting import accounting_view
from pipeline.warehouse.views.attribution import attribution_view
from pipeline.warehouse.views.chances import chances_view
from pipeline.warehouse.views.comments import comment_words_view, comments_view, theme_definitions_view, words_view
from pipeline.warehouse.views.customers import customers_view, identities_view, ledger_view
from pipeline.warehouse.views.follows import directly_follows_view, transitions_view
from pipeline.warehouse.views.impact import impact_view
from pipeline.warehouse.views.journeys import journeys_view, steps_view, visits_view
from pipeline.warehouse.views.loops import loops_view
from pipeline.warehouse.views.metrics import metric_views
from pipeline.warehouse.views.pain_points import pain_points_view
from pipeline.warehouse.views.paths import paths_view, variants_view
from pipeline.warehouse.views.personas import (
    persona_definitions_view,
    persona_history_view,
    persona_journeys_view,
    personas_view,
    rfm_view,
)
from pipeline.warehouse.views.rejected import rejected_view
from pipeline.warehouse.views.stages import journey_stages_view, stage_drop_off_view, stage_times_view
from pipeline.warehouse.views.touchpoints import touchpoints_view

__all__ = ["core_views", "views"]


@cache
def views() -> Mapping[str, View]:
    """Return every view by name, in the order in which they are created and documented."""
    return MappingProxyType({**core_views(), **{view.name: view for view in metric_views()}})


@cache
def core_views() -> Mapping[str, View]:
    """Return the views that say what happened; those of the metrics are computed from the same tables."""
    declared = (
        touchpoints_view(),
        visits_view(),
        journeys_view(),
        steps_view(),
        pain_points_view(),
        chances_view(),
        impact_view(),
        paths_view(),
        variants_view(),
        transitions_view(),
        directly_follows_view(),
        loops_view(),
        journey_stages_view(),
        stage_times_view(),
        stage_drop_off_view(),
        attribution_view(),
        customers_view(),
        personas_view(),
        persona_history_view(),
        persona_definitions_view(),
        persona_journeys_view(),
        rfm_view(),
        comments_view(),
        comment_words_view(),
        words_view(),
        theme_definitions_view(),
        identities_view(),
        ledger_view(),
        rejected_view(),
        accounting_view(),
    )
    return MappingProxyType({view.name: view for view in declared})
