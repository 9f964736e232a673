"""In which order VMs that wait for each other's room can move; where they wait in a circle, some step aside.

A target must have room before its VM's source is free again, so a swap between two full nodes needs a third: a hop to
a parking node, and from there on (the bypass migration of Hermenier et al., Entropy, VEE 2009).
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from drover.planning.placing.circles import circles
from drover.planning.placing.room import Amounts, waits
from drover.planning.placing.yard import Mask, Yard

MOST_PARKED = 8
"""VMs that step aside together to let one pass."""
MOST_HOPS = 3
"""How often one VM may step aside."""

Aside = list[tuple[int, int]]
"""VMs that step aside, and where to."""
Option = tuple[float, int, Aside]
"""What it costs to let a VM pass, the VM, and who steps aside."""


@dataclass(frozen=True, slots=True)
class Step:
    """One migration of the VM with the index `vm`. It may start once the steps with the indices `after` have ended."""

    vm: int
    source: int
    target: int
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sequenced:
    """Steps in an order in which they can be made one by one, or together as `after` allows; both are legal. A VM that
    steps aside has several. `stuck` are the VMs that do not come to their targets."""

    steps: tuple[Step, ...]
    stuck: tuple[int, ...]


def sequence(
    source: Sequence[int],
    target: Sequence[int],
    demand: Amounts,
    free: Amounts,
    may_be: Mask,
    row: Sequence[int],
    cost: Sequence[int],
) -> Sequenced:
    """A legal order for moves of VMs, with as little migrated twice as a greedy search finds.

    Over VMs: `source`, `target` (equal: it need not move, but may step aside), `demand` int64[VMs, resources], `cost`
    of one migration (bytes), `row` its row in `may_be`, bool[classes, nodes]: where it may be. `free` is
    int64[nodes, resources] before the first move.
    """
    yard = Yard(list(source), target, demand, free.copy(), may_be, row, cost)
    yard.run(range(len(free)))
    while yard.pending and _let_one_pass(yard):
        pass
    return Sequenced(_steps(yard, demand, free), tuple(sorted(yard.pending)))


def _steps(yard: Yard, demand: Amounts, free: Amounts) -> tuple[Step, ...]:
    vms = [vm for vm, _, _ in yard.steps]
    room = waits([s for _, s, _ in yard.steps], [t for _, _, t in yard.steps], demand[vms], free)
    last: dict[int, int] = {}
    result = []
    for n, ((vm, source, target), after) in enumerate(zip(yard.steps, room, strict=True)):
        before = {last[vm]} if vm in last else set()
        result.append(Step(vm, source, target, tuple(sorted({*after, *before}))))
        last[vm] = n
    return tuple(result)


def _let_one_pass(yard: Yard) -> bool:
    """Nobody has room: let some step aside, so that one comes to its target. Whether that was possible."""
    for settled in (False, True):
        for moves in _circles(yard):
            found = _cheapest(yard, moves, settled)
            if found is not None:
                _pass(yard, *found)
                return True
    return False


def _cheapest(yard: Yard, moves: list[int], settled: bool) -> tuple[int, Aside] | None:
    """The move that costs least to let pass, and who steps aside for it."""
    gains = np.array([max(1, yard.cost[vm]) for vm in moves], dtype=np.float64)
    bounds = (yard.lacks(moves) * yard.price).max(axis=1, initial=0.0) / gains if moves else gains
    best: Option | None = None
    for n in np.argsort(bounds, kind="stable").tolist():
        if best is not None and bounds[n] >= best[0]:
            break
        best = _option(yard, moves[n], settled, best)
    return best[1:] if best is not None else None


def _pass(yard: Yard, vm: int, aside: Aside) -> None:
    target = yard.target[vm]
    for other, parking in aside:
        yard.go(other, parking)
    yard.run([yard.go(vm, target), target])


def _circles(yard: Yard) -> list[list[int]]:
    """The pending moves within each circle, those that wait for no other circle first; then all that are in none."""
    edges: dict[int, list[int]] = defaultdict(list)
    for vm in sorted(yard.pending):
        edges[yard.at[vm]].append(yard.target[vm])
    found = [set(circle) for circle in circles(edges)]
    inside = [[vm for vm in sorted(yard.pending) if {yard.at[vm], yard.target[vm]} <= each] for each in found]
    return [*inside, sorted(yard.pending.difference(*inside))]


def _option(yard: Yard, vm: int, settled: bool, best: Option | None) -> Option | None:
    """What it costs to let this VM pass, and who steps aside where to, if that is better than the best so far.
    `settled`: also VMs that have come to stay, who have to come back."""
    residents = [other for other in yard.here[yard.target[vm]] if yard.hops[other] < MOST_HOPS]
    residents = [other for other in residents if settled or other in yard.pending]
    if not residents:
        return best
    gain = max(1, yard.cost[vm])
    for order in _orders(yard, residents, yard.lacks([vm])[0]):
        aside = _aside(yard, vm, order, best[0] * gain if best is not None else math.inf)
        if aside is not None:
            best = _cost(yard, aside) / gain, vm, aside
    return best


def _cost(yard: Yard, aside: Aside) -> int:
    """A VM that has come to stay makes two more migrations, any other makes one."""
    return sum(yard.cost[vm] * (1 if vm in yard.pending else 2) for vm, _ in aside)


def _orders(yard: Yard, residents: list[int], lack: Amounts) -> Iterator[list[int]]:
    """Who is asked to step aside first: the cheapest that is enough alone; the costliest, so that few do; the
    cheapest. Those who would be too many are not asked."""
    ordered = sorted(residents, key=lambda other: (yard.cost[other], other))
    helps = yard.demand[ordered][:, lack > 0]
    needed = lack[lack > 0]
    yield [ordered[n] for n in np.flatnonzero((helps >= needed).all(axis=1)).tolist()]
    for order, amounts in ((ordered[::-1], helps[::-1]), (ordered, helps)):
        enough = (np.cumsum(amounts[:MOST_PARKED], axis=0) >= needed).all(axis=1)
        yield order if enough.any() else []


def _aside(yard: Yard, vm: int, order: list[int], most: float) -> Aside | None:
    """The first in the order that make enough room together, without those who turn out not to be needed; None if they
    cost as much as `most`."""
    target = yard.target[vm]
    lack, free, chosen = yard.lacks([vm])[0], yard.free, Aside()
    for other in order:
        if len(chosen) == MOST_PARKED:
            break
        parking = yard.parking(other, target, free)
        if parking is None:
            continue
        free = free.copy() if free is yard.free else free
        free[parking] -= yard.demand[other]
        chosen.append((other, parking))
        lack = lack - yard.demand[other]
        if (lack <= 0).all():
            needed = _needed(yard, vm, chosen)
            return needed if _cost(yard, needed) < most else None
    return None


def _needed(yard: Yard, vm: int, chosen: Aside) -> Aside:
    lack, result = yard.lacks([vm])[0], list(chosen)
    for each in sorted(chosen, key=lambda each: (-yard.cost[each[0]], each)):
        rest = [other for other in result if other != each]
        if rest and (yard.demand[[other for other, _ in rest]].sum(axis=0) >= lack).all():
            result = rest
    return result
