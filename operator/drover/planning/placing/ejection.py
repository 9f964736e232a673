"""Repair: a VM without a node gets one that somebody else can leave (ejection chains: Glover, 1996; a "force step" of
this kind is what BalCon adds to best fit: Gao et al., FGCS 2023).

A mover that has a target already is sent elsewhere for nothing; a resident costs one more migration.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from drover.planning.placing.ground import NOWHERE, Ground
from drover.planning.placing.leavers import Leavers
from drover.planning.placing.problem import Mask
from drover.planning.placing.room import Amounts

TRIED = {1: 64, 2: 16}
"""How many are asked to leave their node for one VM, by how long a chain may be."""
TOGETHER = 4
"""How many may leave one node for one VM."""
NODES = 32
"""On how many nodes several are asked to leave: those that lack least."""
PATIENCE = 4_000
"""How many places one repair looks for before it asks nobody to leave any more: where many lack room that nobody can
make, and no two VMs ask the same, it would look for minutes."""
LOOKING_OVER = 5
"""As many of these as it costs to look over all who may leave."""


def repair(
    ground: Ground, unplaced: list[int], worth: tuple[int, int] | None = None, *, deep: bool = False
) -> list[int]:
    """Give places to VMs that have none, the largest first; those that still have none. It gives up once more are left
    than `worth` has, or as many with more residents moved: a better answer is known. `deep`: several may leave also for
    one who leaves himself."""
    if not unplaced:
        return []
    search = _Search(ground, deep)
    size = (ground.sized.demand / np.maximum(ground.sized.demand.max(axis=0, initial=1), 1)).max(axis=1, initial=0.0)
    rest = sorted(unplaced, key=lambda vm: (float(size[vm]), vm))
    failed: list[int] = []
    while rest and (worth is None or (len(failed), search.leavers.moved()) <= worth):
        vm = rest.pop()
        if not search.settle(vm):
            failed.append(vm)
    return failed + rest


@dataclass(slots=True)
class _Search:
    ground: Ground
    deep: bool
    patience: int = PATIENCE
    leavers: Leavers = field(init=False)
    closed: list[int] = field(default_factory=list)
    """Nodes on which somebody makes room further up the chain."""

    def __post_init__(self) -> None:
        self.leavers = Leavers(self.ground)

    def settle(self, vm: int) -> bool:
        """Find it a place, with the shortest chain there is."""
        return self._directly(vm) or (self.patience > 0 and self._with_others(vm))

    def _with_others(self, vm: int) -> bool:
        return self._ejecting(vm, 1) or self._ejecting_several(vm) or self._ejecting(vm, 2)

    def _directly(self, vm: int) -> bool:
        """Where it fits and does no harm, the fullest node: others need the large holes."""
        self.patience -= 1
        left = self.ground.left(vm)
        fits = self._open(vm) & (left >= 0)
        if not fits.any():
            return False
        kind = self.ground.relations.kind(vm)
        fits = fits & kind if kind is not None and (fits & kind).any() else fits
        self.ground.go(vm, int(np.argmin(np.where(fits, left, np.inf))))
        return True

    def _open(self, vm: int) -> Mask:
        result = self.ground.open(vm)
        result[self.closed] = False
        if self.ground.where[vm] != NOWHERE:
            result[self.ground.where[vm]] = False
        return result

    def _ejecting(self, vm: int, depth: int) -> bool:
        """Somebody leaves, perhaps with somebody else leaving for him, and the VM comes in his place."""
        ground = self.ground
        for other in self._enough_alone(vm, depth):
            if self.patience <= 0:
                break
            node, mark = int(ground.where[other]), len(ground.log)
            self.closed.append(node)
            gone = self._directly(other) if depth == 1 else self._ejecting(other, 1) or self._deeper(other)
            self.closed.pop()
            if gone and self._fits(vm, node):
                ground.go(vm, node)
                return True
            ground.back_to(mark)
        return False

    def _deeper(self, vm: int) -> bool:
        """Several leave for somebody who leaves."""
        return self.deep and self._ejecting_several(vm)

    def _fits(self, vm: int, node: int) -> bool:
        return bool(self.ground.open(vm)[node]) and bool(self.ground.left(vm)[node] >= 0)

    def _enough_alone(self, vm: int, depth: int) -> list[int]:
        """Those whose leaving is enough for the VM, and who have somewhere to go if it is them who must."""
        self.patience -= LOOKING_OVER
        pool, ground = self.leavers.now(), self.ground
        where, lack = ground.where[pool], self._lack(vm)
        fine = self._open(vm)[where] & (pool != vm)
        for resource in np.flatnonzero(ground.sized.demand[vm] > 0).tolist():
            fine &= ground.sized.demand[pool, resource] >= lack[resource, where]
        found = pool[fine]
        if depth > 1 or not found.size:
            return self.leavers.one_of_each(found)[: TRIED[depth]]
        return self._housed(self.leavers.one_of_each(self.leavers.homeable(found, self.closed)))

    def _housed(self, vms: list[int]) -> list[int]:
        """The first of those who could go elsewhere, as far as room and labels say; asked once for each kind."""
        ground, problem = self.ground, self.ground.sized.problem
        known: dict[int, bool] = {}
        result: list[int] = []
        for vm in vms:
            kind = int(ground.sized.kind[vm])
            if len(result) == TRIED[1] or self.patience <= 0:
                break
            if kind not in known:
                self.patience -= 1
                fits = problem.allowed[problem.row[vm]] & (ground.left(vm) >= 0)
                fits[self.closed] = False
                known[kind] = bool(fits.any())
            if known[kind]:
                result.append(vm)
        return result

    def _lack(self, vm: int) -> Amounts:
        """int64[resources, nodes]: what each node lacks for it."""
        need = self.ground.sized.demand[vm][:, None]
        result: Amounts = np.where(need > 0, np.maximum(need - self.ground.free, 0), 0)
        return result

    def _ejecting_several(self, vm: int) -> bool:
        self.patience -= LOOKING_OVER
        ground, pool = self.ground, self.leavers.homeable(self.leavers.now(), self.closed)
        lack = self._lack(vm)
        share = (lack * ground.sized.scale).max(axis=0)
        nodes = np.flatnonzero(self._open(vm) & (self.leavers.held(pool) >= lack).all(axis=0))
        for node in nodes[np.argsort(share[nodes], kind="stable")][:NODES].tolist():
            if self.patience <= 0:
                break
            mark = len(ground.log)
            if self._clear(vm, node, [other for other in pool[ground.where[pool] == node].tolist() if other != vm]):
                ground.go(vm, node)
                return True
            ground.back_to(mark)
        return False

    def _clear(self, vm: int, node: int, residents: list[int]) -> bool:
        """Let up to TOGETHER of them leave the node, until the VM fits."""
        self.closed.append(node)
        for other in self._largest_first(vm, node, residents):
            if self._directly(other) and self._fits_now(vm, node):
                break
        self.closed.pop()
        return self._fits(vm, node)

    def _fits_now(self, vm: int, node: int) -> bool:
        return bool(self.ground.left(vm)[node] >= 0)

    def _largest_first(self, vm: int, node: int, residents: list[int]) -> Iterator[int]:
        """Whoever is enough for what is still lacking, the cheapest; as long as nobody is, whoever helps most."""
        demand, rest = self.ground.sized.demand, list(residents)
        for _ in range(2 * TOGETHER):
            lack = self._lack(vm)[:, node]
            if not rest or not lack.any():
                return
            enough = [other for other in rest if (demand[other] >= lack).all()]
            helps = np.minimum(demand[rest], lack) * self.ground.sized.scale[:, node]
            other = enough[0] if enough else rest[int(helps.sum(axis=1).argmax())]
            rest.remove(other)
            yield other
