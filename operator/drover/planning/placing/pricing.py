"""What a placement is worth, by what a user would mind most."""

import numpy as np

from drover.planning.placing.ground import NOWHERE, Ground
from drover.planning.placing.problem import Floats, Problem

Price = tuple[int, int, float, float]
"""VMs without a target, extra moves, how much longer the busiest target makes the whole, how uneven nodes are."""
PERFECT = (0, 1.0)
"""What no other placement that leaves as few can be better than, but in how even the nodes are: and the first that is
tried is even."""


def price(ground: Ground, unplaced: list[int], least: float) -> Price:
    """What is minded most comes first. A bottleneck that is a hundredth longer than the `least` is none."""
    longer = bound(ground.sized.problem, ground.inbound) / max(least, 1e-9)
    return len(unplaced), len(extra(ground)), round(longer, 2), spread(ground)


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


def extra(ground: Ground) -> tuple[int, ...]:
    """The residents that move."""
    residents = np.array(sorted(ground.sized.problem.residents), dtype=np.int64)
    moved = ground.where[residents] != ground.sized.problem.at[residents]
    return tuple(residents[moved].tolist())


def spread(ground: Ground) -> float:
    """The standard deviation of what is left of the scarcest resource, over the nodes that anybody may use."""
    used = ground.sized.problem.allowed.any(axis=0)
    offered = ground.sized.problem.whole[:, ground.sized.columns].T > 0
    left = np.where(offered, ground.free * ground.sized.scale, 1.0).min(axis=0, initial=1.0)[used]
    return float(left.std()) if left.size else 0.0


def targets(ground: Ground) -> dict[int, int]:
    """Where each goes that does, in the order in which they got these targets."""
    problem = ground.sized.problem
    moved = [vm for vm in problem.movers if ground.where[vm] != NOWHERE] + [*extra(ground)]
    last = {vm: n for n, (vm, _) in enumerate(ground.log)}
    return {vm: int(ground.where[vm]) for vm in sorted(moved, key=lambda vm: last[vm])}
