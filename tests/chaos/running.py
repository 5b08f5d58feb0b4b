"""One seed from start to verdict: the field, the load, the schedule, the wait, the check, the figures."""

import json
import math
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config_kafka import KafkaSettings
from pipeline.streaming.announcing import land_group, stitch_group
from tests.chaos.checker import Evidence, judge, logged
from tests.chaos.counting import Tally, landed, miscounted, tally_of
from tests.chaos.field import Field, clock_library, new_field
from tests.chaos.gathering import IDENTITY, Witness, accounting_of, evidence_of, witness
from tests.chaos.ground import NODES, REGISTRY, Layout, worker_names
from tests.chaos.ledger import read_ledger
from tests.chaos.limits import Limits, passed
from tests.chaos.nemesis import Nemesis
from tests.chaos.playing import HIT_WITHIN_S, Moment, Say, play
from tests.chaos.rebalances import Generation, generations
from tests.chaos.schedule import NETWORK, REST_S, Fault, has_registry, scheduled
from tests.chaos.sending import POISON_SHARE, Load
from tests.chaos.watching import (
    Samples,
    arrived,
    as_told,
    computed,
    held,
    look_at_worker,
    peaks,
    port_opened,
    recovery_of,
    watching,
)
from tests.convergence.expected import oracle_rules
from tests.convergence.orders import DUPLICATES
from tests.registry.servers import is_there

START_S, SETTLE_S = 240.0, 400.0
# Workers balance their books every 30 s.
BALANCED_WITHIN_S = 75.0
EVENTS_PER_PERSON = 25
GROUPS = {"land": land_group(KafkaSettings()), "stitch": stitch_group(KafkaSettings(), 1)}


@dataclass(frozen=True)
class Plan:
    """
    What a run is.

    Attributes:
        seed: Of load and schedule.
        rate: Records a second.
        land: Landing workers.
        stitch: Stitching workers.
        nodes: Brokers, 1 or 3.
        faults: These instead of the deck's.
        rest_s: From the end of one fault to about the next.
        keep: Where logs and ledger are left; None: nowhere.
        limits: What recoveries must keep; None: they are told and not judged.
    """

    seed: int
    rate: float
    land: int = 1
    stitch: int = 1
    nodes: int = 1
    faults: Sequence[str] = ()
    rest_s: float = REST_S
    keep: Path | None = None
    limits: Limits | None = None

    @property
    def workers(self) -> list[str]:
        """Names of the workers."""
        return worker_names(self.land, self.stitch)

    @property
    def brokers(self) -> Sequence[str]:
        """Names of the brokers."""
        return NODES[: self.nodes]

    @property
    def asks_registry(self) -> bool:
        """Whether there is to be a schema registry."""
        return any(REGISTRY in fault for fault in self.faults) if self.faults else has_registry(self.seed)


def run(plan: Plan, say: Say) -> dict[str, Any]:
    """
    Run one seed and return its result, ready for JSON.

    `clean`: no count is wrong; `hit_nothing`: faults that showed nothing; `passed`: limits that were not kept.
    """
    began = time.monotonic()
    clocks = clock_library() if has_clocks(plan) else ""
    layout = Layout.planned(plan.land, plan.stitch, plan.nodes, clocks, has_registry=plan.asks_registry and is_there())
    planned = scheduled(plan.seed, layout, list(plan.faults), plan.rest_s)
    schedule = [fault for fault in planned if layout.registry or REGISTRY not in fault.target]
    whole_s = schedule[-1].ends_s + plan.rest_s
    load = _load(plan, whole_s, bool(layout.registry))
    folder = Path(tempfile.mkdtemp(prefix="throughline-chaos-"))
    say(f"seed {plan.seed}: {plan.rate:g} records a second for {whole_s:.0f} s, {len(schedule)} faults")
    with new_field(folder, load, plan.rate, layout) as field:
        field.await_ready(START_S)
        field.start_load()
        with watching(field) as samples:
            nemesis = Nemesis(field)
            moments = play(nemesis, schedule, say)
            samples.strangers += [(begin - samples.origin, end - samples.origin) for begin, end in nemesis.strangers]
            time.sleep(plan.rest_s)
            field.finish_load(SETTLE_S)
            settled = time.monotonic()
            field.await_ready(START_S)
            field.throughline("wait", "--timeout", str(SETTLE_S))
            say(f"  everything visible {time.monotonic() - settled:.1f} s after the last record")
        dealt = generations(field.run["kafka"])
        figures = _figures(plan, samples, schedule, moments, dealt)
        for told in figures:
            say("  " + _line(told))
        accounting = accounting_of(field.throughline("status", "--json"))
        seen, account = witness(field.run, field.worker_url, accounting), read_ledger(field.ledger)
        tally = tally_at_rest(field, samples, seen, load, dealt)
        if plan.keep:
            keep_logs(field, plan.keep / f"seed-{plan.seed}")
            (plan.keep / f"seed-{plan.seed}" / "samples.json").write_text(json.dumps(asdict(samples)))
    say(f"  checking {len(seen.log):,} records against the ledger, a calm run and the oracle")
    evidence = evidence_of(seen, load.attempts, account, tally)
    verdict = judge(evidence, oracle_rules(IDENTITY).naming)
    slow = [] if plan.limits is None else passed(figures, plan.limits)
    for line in (*verdict.told, *slow):
        say(f"  {line}")
    skipped = [str(fault) for fault in planned if fault not in schedule or not is_possible(fault, field)]
    return {
        "seed": plan.seed,
        "clean": verdict.is_clean,
        "seconds": round(time.monotonic() - began),
        **{kind: number for kind, number in asdict(verdict).items() if kind != "told"},
        **counts_of(evidence),
        "counters": counters_of(tally),
        "brokers": plan.nodes,
        "workers": plan.land + plan.stitch,
        "not_done": skipped,
        "hit_nothing": [told["fault"] for told in figures if told["struck"] == 0],
        "passed": slow,
        "faults": figures,
    }


def _figures(
    plan: Plan, samples: Samples, schedule: Sequence[Fault], moments: Sequence[Moment], dealt: Sequence[Generation]
) -> list[dict[str, Any]]:
    ends = [*(moment.began for moment in moments[1:]), math.inf]
    figures = [figure(samples, *each, plan.rate) for each in zip(schedule, moments, ends, strict=True)]
    count_rebalances(figures, dealt, samples.began_at)
    return figures


def _load(plan: Plan, whole_s: float, is_framed: bool) -> Load:
    """More than is sent if every fault hits at once: the load is ended, and does not end."""
    events = round(plan.rate * (whole_s + HIT_WITHIN_S) / (1 + DUPLICATES) / (1 + POISON_SHARE))
    return Load(plan.seed, max(20, events // EVENTS_PER_PERSON), events, is_framed)


def counts_of(evidence: Evidence) -> dict[str, int]:
    """Return how much was judged."""
    return {
        "attempted": len(evidence.account.attempted),
        "acknowledged": len(evidence.account.acknowledged),
        "unknown": len(evidence.account.unknown),
        "refused": len(evidence.account.refused),
        "in_log": len(evidence.log),
        "touchpoints": len(evidence.found["v_touchpoints"]),
        "rejected": len(evidence.refusals),
    }


def tally_at_rest(field: Field, samples: Samples, seen: Witness, load: Load, dealt: Sequence[Generation]) -> Tally:
    """Ask every worker once more, until its books are as the checker's or it has balanced them in vain."""
    deadline = time.monotonic() + BALANCED_WITHIN_S
    since = [one for one in dealt if one.group == GROUPS["land"] and one.at >= samples.began_at]
    while True:
        for name, address in zip(field.layout.workers, field.run["metrics"], strict=False):
            look_at_worker(name, address, samples)(time.monotonic() - samples.origin)
        tally = tally_of(samples.scrapes, samples.committed, samples.strangers, len(since))
        tally = replace(tally, is_parking=field.registry is not None)
        if time.monotonic() > deadline or not miscounted(tally, *logged(seen.log, load.attempts)):
            return tally
        time.sleep(BALANCED_WITHIN_S / 20)


def counters_of(tally: Tally) -> dict[str, Any]:
    """Return what the workers' counters came to, for JSON."""
    told = {outcome: round(tally.counted.get(landed(outcome), 0)) for outcome in ("received", "stored", "rejected")}
    return {**told, "unseen_at_most": round(tally.unseen), "is_exact": tally.is_exact}


def count_rebalances(figures: Sequence[dict[str, Any]], dealt: Sequence[Generation], began_at: float) -> None:
    """Add to every fault how often each stage was dealt its partitions anew until the next fault."""
    ends = [*(told["at_s"] for told in figures[1:]), float("inf")]
    for told, end in zip(figures, ends, strict=True):
        groups = Counter(one.group for one in dealt if told["at_s"] <= one.at - began_at < end)
        told["rebalances"] = {stage: groups[group] for stage, group in GROUPS.items()}


def keep_logs(field: Field, where: Path) -> None:
    """Copy what tells how it was: logs of all parts, and the ledger."""
    where.mkdir(parents=True, exist_ok=True)
    for file in (*(field.folder / "logs").iterdir(), field.folder / "ground.log", field.ledger):
        shutil.copy(file, where)


def figure(samples: Samples, fault: Fault, moment: Moment, following: float, rate: float) -> dict[str, Any]:
    """Return what was measured of one fault until the following one began."""
    began, over = moment.began, moment.over
    healed = port_opened(samples, over, following) if fault.target.startswith("broker") else over
    until = min(following, samples.landed[-1][0] if samples.landed else over)
    land, stitch = (recovery_of(samples, stage, (began, healed), until, rate) for stage in ("land", "stitch"))
    first_row_s = (stitch if fault.target.startswith("stitch") else land).first_row_s
    return {
        "at_s": round(began, 2),
        "fault": str(fault),
        "lasts_s": round(over - began, 1),
        "struck": moment.struck if fault.word in NETWORK else None,
        "records_held": held(samples, began, until if land.first_row_s is None else healed + land.first_row_s),
        # The load has a client of its own, which comes back in its own time.
        "arrived_s": arrived(samples, healed, until),
        "land": as_told(land),
        "stitch": as_told(stitch),
        # Of the process that the fault was aimed at, or its successor: a busy machine makes the rest of the wait.
        "cpu_s_at_first_row": None
        if first_row_s is None
        else computed(samples, fault.target.partition(">")[0], healed + first_row_s),
        "machine_load": round(moment.machine_load, 1),
        "rss_peak_mb": peaks(samples, began, following),
        "rss_before_mb": peaks(samples, began - 5, began),
    }


def has_clocks(plan: Plan) -> bool:
    """Return whether a clock may jump; the library for it stays out of runs that need it not, for it slows workers."""
    return not plan.faults or any(fault.startswith("clock") for fault in plan.faults)


def is_possible(fault: Fault, field: Field) -> bool:
    """Return whether this machine can do a fault."""
    if fault.word == "full":
        return bool(field.disks)
    return not fault.word.startswith("clock") or bool(field.layout.clocks)


def _line(told: dict[str, Any]) -> str:
    parts = [f"{told['fault']:28}"]
    for stage in ("land", "stitch"):
        seen = told[stage]
        first, caught = (
            "not before the next fault" if seen[name] is None else f"{seen[name]:g} s"
            for name in ("first_row_s", "caught_up_s")
        )
        rate = f" ({seen['catch_up_rate']:g}× arrival)" if seen["catch_up_rate"] else ""
        parts.append(f"{stage}: first row {first}, caught up {caught}{rate}")
    peak = ", ".join(f"{part} {size}" for part, size in sorted(told["rss_peak_mb"].items()) if part != "load")
    dealt = ", ".join(f"{stage} {number}" for stage, number in told["rebalances"].items())
    parts.append(f"records held {told['records_held']}")
    if told["struck"] is not None:
        parts.append(f"hit {told['struck']}" if told["struck"] else "HIT NOTHING")
    return "; ".join([*parts, f"rebalances: {dealt}", f"MB: {peak}"])
