"""One greedy placement: in some order, each VM onto the node that some score likes best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drover.planning.placing.ground import NOWHERE, Ground, Sized, share_left
from drover.planning.placing.problem import Floats, Mask, Problem

REPULSION, REFUSAL = 0.05, 2.0
"""What a target's inbound work, as a part of what it can take without making the whole longer, weighs against the share
of a node that is left: as long as it makes nothing longer, and as far as it does."""


@dataclass(frozen=True, slots=True)
class Style:
    """`scarce_first`: those that fit on the fewest nodes first, then the largest; else the largest at once.
    `tight`: fill up nodes, so that large holes stay; else keep them evenly full."""

    scarce_first: bool
    tight: bool


STYLES = tuple(Style(scarce_first, tight) for tight in (False, True) for scarce_first in (True, False))


def order(sized: Sized, style: Style) -> list[int]:
    """The movers in the order of their choice, those that others follow first, and who can only go where they go right
    behind them; VMs of a kind follow each other."""
    movers = np.array(sized.problem.movers, dtype=np.int64)
    share, homes = dominant(sized)[movers], sized.homes[movers]
    first = homes if style.scarce_first else np.zeros_like(homes)
    follows = _follows(sized.problem)[movers]
    result: list[int] = movers[np.lexsort((movers, sized.kind[movers], -share, first, follows))].tolist()
    return _bundled(result, sized.problem.bundles)


def _follows(problem: Problem) -> NDArray[np.int64]:
    """int64[V]: those that others follow in the order in which they follow each other, then all the rest."""
    result = np.full(len(problem.at), len(problem.at), dtype=np.int64)
    for vm, depth in problem.anchors.items():
        result[vm] = depth
    return result


def _bundled(vms: list[int], bundles: Mapping[int, Sequence[int]]) -> list[int]:
    bound = {vm for bundle in bundles.values() for vm in bundle}
    return [one for vm in vms if vm not in bound for one in (vm, *bundles.get(vm, ()))]


def dominant(sized: Sized) -> Floats:
    """float64[V]: the largest share that each VM asks of the largest node (Ghodsi et al., DRF, NSDI 2011)."""
    largest = 1.0 / sized.scale.min(axis=1, initial=1.0)
    result: Floats = (sized.demand / largest).max(axis=1, initial=0.0)
    return result


def pack(ground: Ground, style: Style, budget: float) -> list[int]:
    """Place the movers; those that found no node. `budget` is the inbound work a node can take without making the whole
    longer."""
    unplaced, kind, scores = [], -1, np.zeros(0)
    sign = -1.0 if style.tight else 1.0
    numbers = ground.sized.kind
    for vm in order(ground.sized, style):
        if numbers[vm] != kind:
            kind = int(numbers[vm])
            scores = _scores(ground, vm, sign, budget)
        best = _best(ground, vm, scores)
        if best is None:
            unplaced.append(vm)
            continue
        ground.go(vm, best)
        scores[best] = _score(ground, vm, best, sign, budget)
    return unplaced


def _scores(ground: Ground, vm: int, sign: float, budget: float) -> Floats:
    """float64[nodes], for all VMs of the kind: minus infinity where they may not be or do not fit."""
    problem, left = ground.sized.problem, ground.left(vm)
    fits = problem.allowed[problem.row[vm]] & (left >= 0)
    part = ground.inbound / budget
    result: Floats = np.where(fits, sign * left - REPULSION * part - REFUSAL * np.maximum(part - 1, 0), -np.inf)
    return result


def _score(ground: Ground, vm: int, node: int, sign: float, budget: float) -> float:
    """The same for one node, after it took one of the kind."""
    need, free, scale = ground.sized.demand[vm].tolist(), ground.free[:, node].tolist(), ground.sized.scale[:, node]
    lefts = [(f - n) * s for n, f, s in zip(need, free, scale.tolist(), strict=True) if n > 0]
    left = min(lefts, default=1.0)
    part = float(ground.inbound[node]) / budget
    return sign * left - REPULSION * part - REFUSAL * max(part - 1, 0) if left >= 0 else -np.inf


def _best(ground: Ground, vm: int, scores: Floats) -> int | None:
    problem, related = ground.sized.problem, ground.relations.mask(vm)
    mine = scores.copy() if related is None else np.where(related, scores, -np.inf)
    if problem.at[vm] != NOWHERE:
        mine[problem.at[vm]] = -np.inf
    if vm in problem.barred:
        mine[list(problem.barred[vm])] = -np.inf
    best = int(_preferred(ground, vm, mine).argmax())
    return best if mine[best] > -np.inf else None


def _preferred(ground: Ground, vm: int, scores: Floats) -> Floats:
    """The scores of the nodes that are better for others: where there is room for those who can only go there as well,
    and where it does no harm; of all nodes where none are."""
    for good in (_roomy(ground, vm), ground.relations.kind(vm)):
        if good is not None and (scores[good] > -np.inf).any():
            scores = np.where(good, scores, -np.inf)
    return scores


def _roomy(ground: Ground, vm: int) -> Mask | None:
    """bool[nodes]: where all of the VM's bundle fit together and may be; None: it has none."""
    problem = ground.sized.problem
    if vm not in problem.bundles:
        return None
    whole = [vm, *problem.bundles[vm]]
    left = share_left(ground.sized.demand[whole].sum(axis=0), ground.free, ground.sized.scale)
    result: Mask = problem.allowed[problem.row[whole]].all(axis=0) & (left >= 0)
    return result
