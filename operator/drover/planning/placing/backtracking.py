"""The last resort where few VMs are to be placed: every target in every order, as far as a number of states goes.

Greedy placements with repair leave a VM behind now and then although there is a way: who is to be near whom, and who
counts whom, makes the order matter, and a wrong first choice is never taken back. VMs whom nobody minds in that way
are asked in one order only, those with the fewest nodes first (Haralick and Elliott, Artificial Intelligence 14, 1980).
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from drover.planning.placing.ground import Ground
from drover.planning.placing.problem import Mask

MOST_VMS = 12
"""More are not tried."""
MOST_STATES = 1000
"""States that are looked at before it gives up: a number, for a time would give another plan each time."""

Places = tuple[tuple[int, int], ...]
"""VMs and their nodes in the order in which they go."""


def backtrack(ground: Ground, worth: int) -> Places | None:
    """Places for the movers so that fewer than `worth` have none, and the fewest that are found; None if that is not
    possible, or not found. `ground` is empty, and so it is left."""
    if not worth or len(ground.sized.problem.movers) > MOST_VMS:
        return None
    search = _Search(ground, worth)
    search.from_here(sorted(ground.sized.problem.movers), 0)
    return search.best


@dataclass(slots=True)
class _Search:
    """`worth`: how many without a place the best answer has so far."""

    ground: Ground
    worth: int
    best: Places | None = None
    states: int = 0
    seen: set[Hashable] = field(default_factory=set)

    def from_here(self, rest: list[int], skipped: int) -> None:
        """Try all that can become of the VMs that are left; `skipped` get no place."""
        if not rest:
            self._end(skipped)
            return
        key = self._key(rest)
        if self._over() or key in self.seen:
            return
        self.seen.add(key)
        self.states += 1
        fits = {vm: self._fits(vm) for vm in rest}
        stuck = [vm for vm in rest if not fits[vm].any() and not self._ordered(vm)]
        if skipped + len(stuck) >= self.worth:
            return
        if stuck:
            self.from_here([vm for vm in rest if vm not in stuck], skipped + len(stuck))
            return
        ordered = [vm for vm in rest if self._ordered(vm)]
        following = self._next(rest, ordered, fits)
        for vm in following:
            self._try(vm, fits[vm], rest, skipped)
        self._skip(ordered or following, rest, skipped)

    def _try(self, vm: int, fits: Mask, rest: list[int], skipped: int) -> None:
        """Each node for the VM: first where it does no harm, and then the fullest, for others need the large holes."""
        ground, left, kind = self.ground, self.ground.left(vm), self.ground.relations.kind(vm)
        harm = ~kind if kind is not None else np.zeros_like(fits)
        nodes = np.flatnonzero(fits)
        for node in nodes[np.lexsort((left[nodes], harm[nodes]))].tolist():
            ground.go(vm, node)
            self.from_here([other for other in rest if other != vm], skipped)
            ground.undo()
            if self._over():
                return

    def _next(self, rest: list[int], ordered: list[int], fits: dict[int, Mask]) -> list[int]:
        """Who may be the next: of those whose order matters any, else the one with the fewest nodes."""
        if ordered:
            return sorted((vm for vm in ordered if fits[vm].any()), key=lambda vm: int(fits[vm].sum()))
        return [min(rest, key=lambda vm: int(fits[vm].sum()))]

    def _skip(self, without: list[int], rest: list[int], skipped: int) -> None:
        """Go on without these: of those whose order matters all that are left, for what they wait for never comes."""
        if skipped + len(without) < self.worth:
            self.from_here([vm for vm in rest if vm not in without], skipped + len(without))

    def _end(self, skipped: int) -> None:
        ground = self.ground
        if skipped < self.worth and all(ground.relations.content(vm) for vm, _ in ground.log):
            self.best = tuple((vm, int(ground.where[vm])) for vm, _ in ground.log)
            self.worth = skipped

    def _over(self) -> bool:
        return not self.worth or self.states >= MOST_STATES

    def _fits(self, vm: int) -> Mask:
        result: Mask = self.ground.open(vm) & (self.ground.left(vm) >= 0)
        return result

    def _ordered(self, vm: int) -> bool:
        return vm in self.ground.sized.problem.ordered

    def _key(self, rest: list[int]) -> Hashable:
        """States in which the same have the same places are one."""
        return tuple(rest), tuple(self.ground.where[list(self.ground.sized.problem.movers)].tolist())
