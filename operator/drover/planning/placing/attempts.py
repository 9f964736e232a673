"""Attempts at a placement, each from the beginning: greedy and repaired; searched for longer; tried everywhere."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from drover.planning.placing import pricing
from drover.planning.placing.backtracking import backtrack
from drover.planning.placing.ejection import repair
from drover.planning.placing.ground import NOWHERE, Ground, Sized
from drover.planning.placing.packing import Style, pack
from drover.planning.placing.pricing import Price
from drover.planning.placing.problem import Relations


@dataclass(frozen=True, slots=True)
class Attempt:
    """Where the VMs are after it, and who has no place; `asked`: each was allowed to go when it went, and went once."""

    price: Price
    ground: Ground
    unplaced: list[int]
    asked: bool = False


@dataclass(slots=True)
class Attempts:
    """`relations` gives a fresh view of who is where for each attempt, and ends that of the last."""

    ready: Sized
    relations: Callable[[], Relations]
    least: float = field(init=False)
    """What the whole takes at least, whatever the targets."""
    live: Ground | None = None
    """The only ground whose relations are what they were in the end."""

    def __post_init__(self) -> None:
        self.least = pricing.bound(self.ready.problem, np.zeros(len(self.ready.problem.free)))

    def _afresh(self) -> Ground:
        self.live = ground = Ground(self.ready, self.relations())
        return ground

    def _judged(self, ground: Ground, unplaced: list[int], *, asked: bool = False) -> Attempt:
        return Attempt(pricing.price(ground, unplaced, self.least), ground, unplaced, asked)

    def greedy(self, style: Style, worth: tuple[int, int] | None) -> Attempt:
        """A packing, repaired as long as it may become better than what leaves `worth` VMs and moves as many others."""
        ground = self._afresh()
        budget = max(self.least * self.ready.problem.lanes.per_target, 1e-9)
        unplaced = _repaired(ground, pack(ground, style, budget), worth)
        if alone := _forsaken(ground):
            unplaced = _repaired(ground, [*unplaced, *alone], worth)
            unplaced += _forsaken(ground)
        return self._judged(ground, unplaced, asked=len({vm for vm, _ in ground.log}) == len(ground.log))

    def hopeless(self, unplaced: list[int]) -> int:
        """How many of these fit nowhere although nobody else has a place. Where no residents may leave that can change
        for those alone who follow others or count them: both hosts hold a mover, and repel others."""
        problem = self.ready.problem
        if problem.residents:
            return 0
        ground = self._afresh()
        fixed = [vm for vm in unplaced if vm not in problem.ordered]
        return sum(not (ground.open(vm) & (ground.left(vm) >= 0)).any() for vm in fixed)

    def longer(self, best: Attempt) -> Attempt | None:
        """The same with places for more, where a longer search finds any."""
        ground = self._afresh()
        for vm, node in pricing.targets(best.ground).items():
            ground.go(vm, node)
        rest = repair(ground, best.unplaced, None, deep=True)
        return self._judged(ground, rest) if len(rest) < len(best.unplaced) and not _forsaken(ground) else None

    def everywhere(self, best: Attempt) -> Attempt | None:
        """One that leaves out fewer, where trying everything finds it; residents stay where they are."""
        found = backtrack(self._afresh(), len(best.unplaced))
        if found is None:
            return None
        ground = self._afresh()
        for vm, node in found:
            ground.go(vm, node)
        return self._judged(ground, sorted({*self.ready.problem.movers} - {vm for vm, _ in found}))


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
