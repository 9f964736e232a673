"""How the planner does on fleets for which a complete plan is known to exist.

    python -m benchmarks.planning [--quick] [--seeds N]

A row is a fleet size and how full it is once so many nodes have been emptied; a figure is the median over the seeds
and, behind the stroke, the worst. `propose` is one plan from scratch, from a Snapshot: p50, p95 and the slowest over
seeds and repetitions. `memory` is the process's peak above a bare interpreter, in brackets what the fleet takes of it.
`extra` counts moves of VMs that would not have to leave, which only the fleets with displaced VMs are allowed, of how
many the certificate proves that they have no place otherwise. `broken` counts rules that the answer breaks, by a judge
that shares no code with the planner. `makespan / bound` is the schedule's length over the lower bound for any targets,
geometric mean and worst over 24 limits (5, 20, 50, 100 migrations at once; 1, 2, 4 out of a node; 2, 4 into one) and
seeds.

The second table is placement alone, as `drover.planning.placing.portfolio` has it, where everybody may move if that
makes room; `extra` counts moves of VMs that would not have to leave, `longer` is the lower bound of the makespan with
the chosen targets over that with any (50 migrations at once, 2 out of a node, 2 into one; memory as work).

The third table: 1,000 VMs on 50 nodes, all of which change places at once.
"""

import argparse
import math
import multiprocessing
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

from benchmarks.planning.measuring import Measured, Placed, machine, measure, measure_placement
from benchmarks.planning.reshuffling import line
from benchmarks.planning.world import Size

QUICK = (Size(1_000, 50, 5, 0.92), Size(1_000, 50, 5, 0.97))
FULL = (
    *QUICK,
    Size(10_000, 500, 50, 0.85),
    Size(10_000, 500, 50, 0.92),
    Size(10_000, 500, 50, 0.97),
    Size(10_000, 500, 50, 0.97, 0.02),
    Size(50_000, 5_000, 500, 0.92),
)
TIMES = 3
HEADER = (
    "VMs / nodes",
    "VMs to move",
    "propose p50 / p95 / max",
    "memory",
    "unplaced",
    "extra of proven",
    "broken",
    "makespan / bound",
)
PLACED = ("VMs / nodes", "place p50 / p95 / max", "unplaced", "extra", "longer", "broken")
RESHUFFLED = ("full reshuffle at", "moves", "hops", "stuck", "sequence")
BARE = "print(next(int(l.split()[1]) // 1024 for l in open('/proc/self/status') if l.startswith('VmRSS:')))"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="How the planner does on fleets that are known to fit.")
    parser.add_argument("--quick", action="store_true", help="the small fleets only")
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args(argv)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, {asked.seeds} seeds")
    _table(HEADER)
    sizes = QUICK if asked.quick else FULL
    for size in sizes:
        _line(row(size, _measured(size, asked.seeds)))
    _table(PLACED)
    for size in sizes:
        _line(placed(size, [measure_placement(size, seed, TIMES) for seed in range(asked.seeds)]))
    _table(RESHUFFLED)
    for util in (0.8, 0.9, 0.95, 0.97):
        _line(line(util, asked.seeds))


def _table(header: Sequence[str]) -> None:
    print()
    _line(header)
    _line(["---"] * len(header))


def _line(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def row(size: Size, measured: Sequence[Measured]) -> list[str]:
    """The cells of one size."""
    return [
        str(size),
        _worst([each.movers for each in measured]),
        _times([each.seconds for each in measured]),
        f"{max(each.peak for each in measured)} MiB ({max(each.snapshot for each in measured)})",
        _worst([each.unplaced for each in measured]),
        f"{_worst([each.extra for each in measured])} of {_worst([each.short for each in measured])}",
        _rules([each.broken for each in measured]),
        _ratio([ratio for each in measured for ratio in each.ratios]),
    ]


def _ratio(ratios: Sequence[float]) -> str:
    return f"{statistics.geometric_mean(ratios):.3f} / {max(ratios):.3f}" if ratios else "-"


def placed(size: Size, measured: Sequence[Placed]) -> list[str]:
    """The cells of one size, of placement alone."""
    return [
        str(size),
        _times([each.seconds for each in measured]),
        _worst([each.unplaced for each in measured]),
        _worst([each.extra for each in measured]),
        f"{max(each.longer for each in measured):.3f}",
        _rules([each.broken for each in measured]),
    ]


def _measured(size: Size, seeds: int) -> list[Measured]:
    """Each seed in a process of its own, so that its peak is its own."""
    bare = int(subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=False).stdout or 0)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        return [pool.submit(measure, size, seed, TIMES, bare).result() for seed in range(seeds)]


def _times(seconds: Sequence[Sequence[float]]) -> str:
    ordered = sorted(second for each in seconds for second in each)
    return f"{_at(ordered, 0.5):.2f} / {_at(ordered, 0.95):.2f} / {ordered[-1]:.2f} s"


def _rules(broken: Sequence[Counter[str]]) -> str:
    rules = ", ".join(sorted(sum(broken, Counter[str]())))
    return _worst([each.total() for each in broken]) + (f" ({rules})" if rules else "")


def _at(ordered: Sequence[float], quantile: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(quantile * len(ordered)) - 1)]


def _worst(values: Sequence[int]) -> str:
    median, worst = statistics.median(values), max(values)
    return f"{median:g} / {worst}" if worst != median else f"{worst}"


if __name__ == "__main__":
    main()
