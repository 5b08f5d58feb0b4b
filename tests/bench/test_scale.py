"""What a cluster carries, held to numbers worked out by hand."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench import scale
from bench.costs import Cost, Costs
from bench.scale import COSTS, Cluster, Load, lines, parts, read_costs

# LAND 10 + 5 µs an event; STITCH 100 + 2·50 = 200 µs, and 50 + 1·50 = 100 µs in the warehouse.
MEASURED = Costs("here", Cost(10, 5), Cost(100, 50), Cost(2, 1), 300, 200, 100)
LOAD = Load(events_a_day=86_400_000, peak=2, history=50, coalesced=1)
CLUSTER = Cluster(land=1, stitch=4, partitions=8, shards=1, shard_cores=10, utilisation=0.5)

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
ROWS = re.findall(r"^\| `(--[^`]+)` \| ([\d.]+) · 10⁹ \| ([^|,]+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def carried(load: Load, cluster: Cluster) -> dict[str, float]:
    return {part.name: part.carries for part in parts(MEASURED, load, cluster)}


def test_each_part_carries_what_its_cpu_allows() -> None:
    assert carried(LOAD, CLUSTER) == {
        "STITCH workers": pytest.approx(4 * 500_000 / 200),
        "LAND workers": pytest.approx(500_000 / 10),
        "CPU of the warehouse": pytest.approx(10 * 500_000 / 105),
    }


def test_the_part_that_breaks_first_is_at_the_top() -> None:
    assert parts(MEASURED, LOAD, CLUSTER)[0].name == "STITCH workers"
    assert parts(MEASURED, LOAD, replace(CLUSTER, stitch=100, partitions=100, land=9))[0].name == "CPU of the warehouse"


def test_workers_beyond_the_partitions_carry_nothing() -> None:
    assert carried(LOAD, replace(CLUSTER, stitch=80)) == carried(LOAD, replace(CLUSTER, stitch=8))


def test_events_stitched_together_cost_one_stitch() -> None:
    alone, together = carried(LOAD, CLUSTER), carried(replace(LOAD, coalesced=4), CLUSTER)
    assert together["STITCH workers"] == pytest.approx(4 * alone["STITCH workers"])
    assert together["LAND workers"] == alone["LAND workers"]


def test_the_kept_costs_can_be_computed_with() -> None:
    said = list(lines(read_costs(COSTS), LOAD, CLUSTER))
    assert any(line.startswith("carries") for line in said)


@pytest.mark.parametrize(("options", "carries", "first"), ROWS)
def test_the_page_tells_what_the_command_computes(
    options: str, carries: str, first: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["scale", *options.split()])
    scale.main()
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[-2:])
    assert f"{int(said['carries'].split()[0].replace(',', '')) / 1e9:.2f}" == carries
    assert said["first"].startswith(f"{first.strip()};")


def test_the_page_has_a_table_of_clusters() -> None:
    assert len(ROWS) >= 4
