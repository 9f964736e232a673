"""One plan, measured: how long, how much memory, how many VMs without a target, how many rules broken, how far from the
shortest schedule; and the same of placement alone, where everybody may move if that makes room."""

import platform
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.planning.arrays import Grouped, a_problem
from benchmarks.planning.drawing import a_world
from benchmarks.planning.judging import broken
from benchmarks.planning.objects import a_goal, a_snapshot
from benchmarks.planning.world import Size, World
from drover.facts.index import index
from drover.facts.snapshot import Snapshot
from drover.garbage import collect_seldom, keep_what_is_there
from drover.planning.placing.portfolio import place
from drover.planning.placing.pricing import bound
from drover.planning.proposal import Assignment
from drover.planning.proposing import propose
from drover.planning.timing import bounds
from drover.planning.timing.moves import Job, Limits
from drover.planning.timing.order import fastest
from drover.planning.timing.timetable import Scene, forecasts, pace

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one fleet: `seconds` of each of the proposals made from scratch, `peak` MiB while the first was made, above an
    interpreter that has loaded nothing; `snapshot` MiB of those are the fleet itself."""

    movers: int
    seconds: tuple[float, ...]
    snapshot: int
    peak: int
    unplaced: int
    extra: int
    """Moves of VMs that would not have to leave."""
    short: int
    """How many VMs are proven to have no place unless others move."""
    broken: Counter[str]
    ratios: tuple[float, ...]
    """The makespan over its lower bound, for each of the limits in GRID."""


GRID = tuple(Limits(total, out, into) for total in (5, 20, 50, 100) for out in (1, 2, 4) for into in (2, 4))


def measure(size: Size, seed: int, times: int, bare: int) -> Measured:
    """Draw the fleet and plan it so many times; `bare` are the MiB of an interpreter that has loaded nothing. To be run
    in a process of its own, or the peak is somebody else's."""
    world = a_world(size, seed)
    snapshot = a_snapshot(world)
    goal = a_goal(world, snapshot, may_move=size.displaced > 0)
    # As the operator does.
    collect_seldom()
    keep_what_is_there()
    held = resident("VmRSS")
    reset_peak()
    seconds, proposal, peak = [], None, held
    for _ in range(times):
        began = time.perf_counter()
        proposal = propose([goal], snapshot, {}, {})[goal.plan.uid]
        seconds.append(time.perf_counter() - began)
        peak = max(peak, resident("VmHWM"))
    assert proposal is not None
    wrong = broken(world, {uid: each.target for uid, each in proposal.assignments.items()})
    unplaced, extra = len(proposal.refused), sum(each.extra for each in proposal.assignments.values())
    ratios = tuple(_ratios(list(proposal.assignments.values()), snapshot))
    return Measured(
        len(goal.vmis),
        tuple(seconds),
        held - bare,
        peak - bare,
        unplaced,
        extra,
        _short(world, snapshot),
        wrong,
        ratios,
    )


def _short(world: World, snapshot: Snapshot) -> int:
    """What the certificate says of the plan that moves nobody else."""
    goal = a_goal(world, snapshot)
    found = propose([goal], snapshot, {}, {})[goal.plan.uid].shortfall
    return found.vms if found is not None else 0


def _ratios(planned: Sequence[Assignment], snapshot: Snapshot) -> Iterator[float]:
    """With the targets as they were chosen for the limits of the goal; the bound is of whatever targets."""
    relations = index(snapshot)
    scene = Scene(snapshot, relations, pace(snapshot, relations))
    seen = forecasts([relations.vmis_by_uid[each.vm] for each in planned], scene)
    jobs = [
        Job(each.vm, each.source, each.target, forecast.seconds.p50)
        for each, forecast in zip(planned, seen, strict=True)
    ]
    for limits in GRID if jobs else ():
        yield fastest(jobs, limits).makespan / bounds.makespan(jobs, limits).seconds


@dataclass(frozen=True, slots=True)
class Placed:
    """Of one fleet, by placement on arrays: `longer` is the lower bound of the makespan with these targets over that
    with any."""

    seconds: tuple[float, ...]
    unplaced: int
    extra: int
    longer: float
    broken: Counter[str]


def measure_placement(size: Size, seed: int, times: int) -> Placed:
    """Draw the fleet, make arrays of it, place so many times."""
    world = a_world(size, seed)
    problem = a_problem(world, a_snapshot(world))
    seconds, found = [], None
    for _ in range(times):
        began = time.perf_counter()
        found = place(problem, lambda: Grouped(world))
        seconds.append(time.perf_counter() - began)
    assert found is not None
    wrong = broken(world, {world.guests[vm].name: world.hosts[node].name for vm, node in found.targets.items()})
    least = bound(problem, np.zeros(len(problem.free)))
    return Placed(tuple(seconds), len(found.unplaced), len(found.extra), found.bottleneck / least, wrong)


def resident(what: str) -> int:
    """MiB of this process: "VmRSS" now, "VmHWM" at most; 0 where there is no /proc."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{what}:")), 0)


def reset_peak() -> None:
    if CLEAR.exists():
        CLEAR.write_text(RESET_PEAK)


def machine() -> str:
    """What the figures were measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    cores = sum(line.startswith("processor") for line in lines)
    return f"{name}, {cores} cores, Python {platform.python_version()}"
