"""The best of several placements: each greedy, each repaired, judged by what a user would mind most."""

from collections.abc import Callable
from dataclasses import dataclass

from drover.planning.placing import pricing
from drover.planning.placing.attempts import Attempt, Attempts
from drover.planning.placing.ground import Ground, sized
from drover.planning.placing.packing import STYLES
from drover.planning.placing.pricing import PERFECT
from drover.planning.placing.problem import Problem, Relations
from drover.planning.placing.room import waits


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
    `exhaustive`: it is searched longer for those that have none, and a few movers are tried everywhere, residents
    staying where they are."""
    attempts = Attempts(sized(problem), relations)
    best = attempts.greedy(STYLES[0], None)
    left = _left(best, attempts, proven)
    if exhaustive and len(best.unplaced) > left:
        best = attempts.longer(best) or best
    for style in STYLES[1:]:
        if best.price[:3] == (left, *PERFECT):
            break
        best = min(best, attempts.greedy(style, best.price[:2]), key=lambda each: each.price)
    if exhaustive and len(best.unplaced) > left:
        best = attempts.everywhere(best) or best
    return _placement(best, attempts)


def _left(best: Attempt, attempts: Attempts, proven: Callable[[], int]) -> int:
    """How many will have no target, whatever is tried, as far as that is known."""
    if not best.unplaced:
        return 0
    known = proven()
    return known if known == len(best.unplaced) else max(known, attempts.hopeless(best.unplaced))


def _placement(best: Attempt, attempts: Attempts) -> Placement:
    ground, problem = best.ground, best.ground.sized.problem
    extra, targets = pricing.extra(ground), pricing.targets(ground)
    return Placement(
        targets=targets,
        extra=extra,
        unplaced=tuple(sorted(best.unplaced)),
        after=_after(ground, targets, extra),
        bottleneck=pricing.bound(problem, ground.inbound),
        spread=pricing.spread(ground),
        standing=best.asked and attempts.live is ground,
    )


def _after(ground: Ground, targets: dict[int, int], extra: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    """Whom each VM waits for, if it does: only where residents leave a node does anybody come to room that is not free.

    In the order of their last `go`, each had room beside all that were placed before it, and later changes of mind only
    took VMs away: so that order is legal, and no VM ever has to step aside.
    """
    problem = ground.sized.problem
    leaving = set(extra)
    vacated = {int(problem.at[vm]) for vm in extra}
    moves = [vm for vm in targets if vm in leaving or targets[vm] in vacated]
    source, target = problem.at[moves].tolist(), [targets[vm] for vm in moves]
    found = waits(source, target, problem.demand[moves], problem.free)
    return {vm: tuple(moves[n] for n in steps) for vm, steps in zip(moves, found, strict=True) if steps}
