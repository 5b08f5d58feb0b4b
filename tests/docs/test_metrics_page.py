"""The page of the metrics says of each what it is split by, and why not by the rest."""

from pathlib import Path

import pytest

from pipeline.warehouse.views.metrics.declaration import Metric
from pipeline.warehouse.views.metrics.views import metrics

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
ASKED_FOR = ("channel", "stage", "campaign", "product", "persona")


@pytest.mark.parametrize("metric", metrics(), ids=lambda metric: metric.name)
def test_the_page_says_what_a_metric_is_split_by(metric: Metric) -> None:
    part = PAGE.split(f"\n## {metric.name}\n")[1].split("\n## ")[0]
    assert metric.definition in part
    names = ", ".join(f"`{name}`" for name in (*metric.dimensions, *metric.persona_dimensions))
    assert f"- Split by: {names}{'' if metric.is_whole else '; no `all`'}.\n" in part
    # Whatever somebody may look for and not find has its reason beside it.
    (not_by,) = [line for line in part.split("\n") if line.startswith("- Not by ")] or [""]
    split = {each for name in metric.all_dimensions for each in name.split(", ")}
    assert {name for name in ASKED_FOR if name not in split} == {name for name in ASKED_FOR if f"{name}:" in not_by}
