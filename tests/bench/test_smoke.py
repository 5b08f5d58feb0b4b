"""The comparison runs from end to end: a small one, with one peer, on the embedded broker."""

import json
import subprocess
import sys

import pytest

from bench.contestants import EMBEDDED, PEERS
from bench.run import ROOT, revision

SMALL = ["--events", "20000", "--customers", "2000", "--rounds", "1", "--seconds", "0", "--partitions", "4"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_small_comparison_ends_with_a_line_of_json() -> None:
    command = [sys.executable, "-m", "bench", *SMALL, "--only", "ours", "faust", "quix"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    assert said["is_whole"]
    assert said["revision"] == revision()
    assert said["landed_events_per_second"] > 0
    assert said["stitched_events_per_second"] > 0
    assert said["most_in_a_batch"] < 20_000 / 2, "few events come in smaller batches, which is told"
    assert said["ratio"]["faust"] > 0
    assert "--broker kafka" in said["absent"]["quix"], "who cannot run is named with the reason"


def test_a_kept_line_names_the_commit_that_it_was_measured_of() -> None:
    head = subprocess.run(("git", "rev-parse", "HEAD"), cwd=ROOT, capture_output=True, text=True, check=False).stdout
    commit = revision().removesuffix("-dirty")
    assert head.startswith(commit)
    assert bool(commit) == bool(head), "a checkout without git has no name, and is measured all the same"


def test_who_is_slow_gets_a_share_of_the_events() -> None:
    assert all(0 < peer.percent <= 100 for peer in PEERS.values())


def test_the_embedded_broker_has_peers() -> None:
    assert [name for name, peer in PEERS.items() if EMBEDDED in peer.brokers] == ["faust", "bytewax", "plain"]
