"""The page of the golden cases names every rule and every metric, and tests that there are."""

import re
from pathlib import Path

from pipeline.stitching.pain import RULES
from pipeline.warehouse.views.metrics.views import metrics

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "golden-cases.md").read_text(encoding="utf-8")


def test_every_rule_and_metric_has_its_cases() -> None:
    first_cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| ")]
    named = [name.strip() for cell in first_cells for name in cell.split(",")]
    assert sorted({"rule", "metric", *(rule.kind for rule in RULES), *(metric.name for metric in metrics())}) == sorted(
        named
    )


def test_every_test_that_is_named_is_there() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    missing = {name for name in re.findall(r"`(test_\w+)`", PAGE) if f"def {name}(" not in sources}
    assert missing == set()
