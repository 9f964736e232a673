"""The best of several placements: each greedy, each repaired, judged by what a user would mind most."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drover.planning.placing.backtracking import backtrack
from drover.planning.placing.ejection import repair
from drover.planning.placing.ground import NOWHERE, Ground, Sized, sized
from drover.planning.placing.packing import STYLES, pack
from drover.planning.placing.problem import Floats, Problem, Relations
from drover.planning.placing.room import waits

Price = tuple[int, int, float, float]
"""VMs without a target, extra moves, how much longer the busiest target makes the whole, how uneven nodes are."""
PERFECT = (0, 1.0)
"""What no other placement that leaves as few can be better than, but in how even the nodes are: and the first that is
tried is even."""


@dataclass(frozen=True, slots=True)
class Placement:
    """`targets` by VM, extra moves of residents among them, in an order in which each is allowed once all before it
    have ended; `after`: the VMs that a VM waits for, because it comes to room they leave. `bottleneck` is a lower bound
    of the time (or bytes) all moves take with these targets."""

    targets: dict[int, int]
    extra: tuple[int, ...]
    unplaced: tuple[int, ...]
    after: dict[int, tuple[int, ...]]
    bottleneck: float
    spread: float
    standing: bool
    """Whether the relations have everybody where he goes, each having been allowed to in this order: it need not be
    asked and done again."""


def place(
    problem: Problem,
    relations: Callable[[], Relations],
    proven: Callable[[], int] = lambda: 0,
    *,
    exhaustive: bool = True,
) -> Placement:
    """Targets for the movers: as many as possible, with as few extra moves as possible; then so that no target is the
    bottleneck, then evenly full. `relations` gives a fresh view of who is where for each attempt; `proven` says how
    many cannot have one: it is asked when somebody has none, and if these are as many, no other attempt is made.
    `exhaustive`: a few movers are tried everywhere, residents staying where they are."""
    ready = sized(problem)
    least = bound(problem, np.zeros(len(problem.free)))
    budget = max(least * problem.lanes.per_target, 1e-9)
    best: tuple[Price, Ground, list[int]] | None = None
    left: int | None = None
    for style in STYLES:
        ground = Ground(ready, relations())
        worth = best[0][:2] if best is not None else None
        unplaced = _repaired(ground, pack(ground, style, budget), worth)
        if alone := _forsaken(ground):
            unplaced = _repaired(ground, [*unplaced, *alone], worth)
            unplaced += _forsaken(ground)
        price = _price(ground, unplaced, least)
        best = (price, ground, unplaced) if best is None or price < best[0] else best
        left = (proven() if best[2] else 0) if left is None else left
        if best[0][:3] == (left, *PERFECT):
            break
    assert best is not None
    hope = exhaustive and len(best[2]) > (left or 0)
    found = _backtracked(ready, relations, len(best[2])) or _deepened(best[1], best[2], relations) if hope else None
    # Whoever was placed and then sent elsewhere has not been asked about in the order of the targets.
    standing = not hope and best[1] is ground and len(ground.log) == len(ready.problem.movers) - len(best[2])
    return _placement(*(found or best[1:]), standing=standing)


def _backtracked(ready: Sized, relations: Callable[[], Relations], worth: int) -> tuple[Ground, list[int]] | None:
    """A placement that leaves out fewer, where trying everything finds one."""
    found = backtrack(Ground(ready, relations()), worth)
    if found is None:
        return None
    ground = Ground(ready, relations())
    for vm, node in found:
        ground.go(vm, node)
    return ground, sorted({*ready.problem.movers} - {vm for vm, _ in found})


def _deepened(
    ground: Ground, unplaced: list[int], relations: Callable[[], Relations]
) -> tuple[Ground, list[int]] | None:
    """The same placement with places for more, where a longer search finds any."""
    again = Ground(ground.sized, relations())
    for vm, node in _targets(ground).items():
        again.go(vm, node)
    rest = repair(again, unplaced, None, deep=True)
    return (again, rest) if len(rest) < len(unplaced) and not _forsaken(again) else None


def _repaired(ground: Ground, unplaced: list[int], worth: tuple[int, int] | None) -> list[int]:
    """Again as long as it helps somebody: who follows others has nowhere to go before they have a place."""
    while True:
        rest = repair(ground, unplaced, worth)
        if not rest or len(rest) == len(unplaced):
            return rest
        unplaced = rest


def _forsaken(ground: Ground) -> list[int]:
    """Those whom the ones they follow have left since, and in turn those who follow them; they have no place now."""
    result: list[int] = []
    movers = sorted(ground.sized.problem.movers)
    while found := [vm for vm in movers if ground.where[vm] != NOWHERE and not ground.relations.content(vm)]:
        for vm in found:
            ground.go(vm, NOWHERE)
        result += found
    return result


def bound(problem: Problem, inbound: Floats) -> float:
    """No schedule is shorter: the work in all lanes, out of the busiest source, into the busiest target, of one VM."""
    movers, lanes = list(problem.movers), problem.lanes
    work = problem.work[movers]
    known = problem.at[movers] != NOWHERE
    out = np.bincount(problem.at[movers][known], work[known]) if movers else np.zeros(1)
    return float(
        max(
            work.sum() / lanes.total,
            out.max(initial=0.0) / lanes.per_source,
            inbound.max(initial=0.0) / lanes.per_target,
            work.max(initial=0.0),
        )
    )


def _price(ground: Ground, unplaced: list[int], least: float) -> Price:
    """What is minded most comes first. A bottleneck that is a hundredth longer is none."""
    longer = bound(ground.sized.problem, ground.inbound) / max(least, 1e-9)
    return len(unplaced), len(_extra(ground)), round(longer, 2), _spread(ground)


def _extra(ground: Ground) -> tuple[int, ...]:
    residents = np.array(sorted(ground.sized.problem.residents), dtype=np.int64)
    moved = ground.where[residents] != ground.sized.problem.at[residents]
    return tuple(residents[moved].tolist())


def _spread(ground: Ground) -> float:
    """The standard deviation of what is left of the scarcest resource, over the nodes that anybody may use."""
    used = ground.sized.problem.allowed.any(axis=0)
    offered = ground.sized.problem.whole[:, ground.sized.columns].T > 0
    left = np.where(offered, ground.free * ground.sized.scale, 1.0).min(axis=0, initial=1.0)[used]
    return float(left.std()) if left.size else 0.0


def _placement(ground: Ground, unplaced: list[int], *, standing: bool) -> Placement:
    problem, extra, targets = ground.sized.problem, _extra(ground), _targets(ground)
    return Placement(
        targets=targets,
        extra=extra,
        unplaced=tuple(sorted(unplaced)),
        after=_after(ground, targets, extra),
        bottleneck=bound(problem, ground.inbound),
        spread=_spread(ground),
        standing=standing,
    )


def _targets(ground: Ground) -> dict[int, int]:
    """Where each goes that does, in the order in which they got these targets."""
    problem = ground.sized.problem
    moved = [vm for vm in problem.movers if ground.where[vm] != NOWHERE] + [*_extra(ground)]
    last = {vm: n for n, (vm, _) in enumerate(ground.log)}
    return {vm: int(ground.where[vm]) for vm in sorted(moved, key=lambda vm: last[vm])}


def _after(ground: Ground, targets: dict[int, int], extra: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Whom each VM waits for, if it does: only where residents leave a node does anybody come to room that is not free.

    In the order of their last `go`, each had room beside all that were placed before it, and later changes of mind only
    took VMs away: so that order is legal, and no VM ever has to step aside.
    """
    problem = ground.sized.problem
    last = {vm: n for n, (vm, _) in enumerate(ground.log)}
    leaving = set(extra)
    vacated = {int(problem.at[vm]) for vm in extra}
    moves = [vm for vm in targets if vm in leaving or targets[vm] in vacated]
    moves.sort(key=lambda vm: last[vm])
    source, target = problem.at[moves].tolist(), [targets[vm] for vm in moves]
    found = waits(source, target, problem.demand[moves], problem.free)
    return {vm: tuple(moves[n] for n in steps) for vm, steps in zip(moves, found, strict=True) if steps}
