"""Where VMs are while an order for their moves is sought: what is free, who still has to move, who could step aside."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drover.planning.placing.room import Amounts

Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Yard:
    """State of the search. Arrays are over VMs or nodes; `free` and `at` change with every `go`.

    `may_be` is bool[classes, nodes], `row` the class of each VM; `cost` is what a migration of the VM costs (bytes).
    """

    at: list[int]
    target: Sequence[int]
    demand: Amounts
    free: Amounts
    may_be: Mask
    row: Sequence[int]
    cost: Sequence[int]
    steps: list[tuple[int, int, int]] = field(default_factory=list)
    pending: set[int] = field(init=False)
    coming: dict[int, set[int]] = field(init=False)
    """VMs that still have to come to a node."""
    here: dict[int, set[int]] = field(init=False)
    """VMs that are on a node, whether they have to leave it or have come to stay."""
    hops: list[int] = field(init=False)
    unit: NDArray[np.float64] = field(init=False)
    """The largest demand for each resource."""
    price: NDArray[np.float64] = field(init=False)
    """The least that a unit of each resource costs when VMs step aside to make room."""

    def __post_init__(self) -> None:
        self.pending = {vm for vm, node in enumerate(self.at) if node != self.target[vm]}
        self.coming, self.here = defaultdict(set), defaultdict(set)
        for vm, node in enumerate(self.at):
            self.here[node].add(vm)
            if vm in self.pending:
                self.coming[self.target[vm]].add(vm)
        self.hops = [0] * len(self.at)
        self.unit = np.maximum(self.demand.max(axis=0, initial=1), 1).astype(np.float64)
        cost = np.array(self.cost, dtype=np.float64)[:, None]
        asked = self.demand > 0
        ratios = np.divide(cost, self.demand, out=np.full(self.demand.shape, np.inf), where=asked)
        self.price = np.where(asked.any(axis=0), ratios.min(axis=0, initial=np.inf), 0.0)

    def lacks(self, vms: Sequence[int]) -> Amounts:
        """int64[VMs, resources]: what is missing on the target of each."""
        need = self.demand[vms]
        free = self.free[[self.target[vm] for vm in vms]]
        result: Amounts = np.where(need > 0, np.maximum(need - free, 0), 0)
        return result

    def go(self, vm: int, node: int) -> int:
        """Move the VM now; the node it leaves."""
        source = self.at[vm]
        self.steps.append((vm, source, node))
        self.free[node] -= self.demand[vm]
        self.free[source] += self.demand[vm]
        self.here[source].discard(vm)
        self.here[node].add(vm)
        self.at[vm] = node
        if node == self.target[vm]:
            self.pending.discard(vm)
            self.coming[node].discard(vm)
        else:
            self.hops[vm] += 1
            self.pending.add(vm)
            self.coming[self.target[vm]].add(vm)
        return source

    def run(self, changed: Iterable[int]) -> None:
        """Move whoever has room, the largest first, until nobody has: these nodes may have room."""
        queue = list(dict.fromkeys(changed))
        while queue:
            for vm in self._with_room(queue.pop()):
                if not self.lacks([vm]).any():
                    source = self.go(vm, self.target[vm])
                    if source not in queue:
                        queue.append(source)

    def _with_room(self, node: int) -> list[int]:
        """The VMs that could come to a node now, one of them at least; the largest first."""
        vms = sorted(self.coming[node], key=lambda vm: (-self.cost[vm], vm))
        return [vms[n] for n in np.flatnonzero(~self.lacks(vms).any(axis=1)).tolist()] if vms else []

    def parking(self, vm: int, but: int, free: Amounts) -> int | None:
        """The best node to step aside to, with `free` room: one nobody has to come to if there is one, then the one
        with the most left."""
        need = self.demand[vm]
        asked = need > 0
        fits = self.may_be[self.row[vm]] & (free[:, asked] >= need[asked]).all(axis=1)
        fits[[but, self.at[vm]]] = False
        if not fits.any():
            return None
        left = ((free[:, asked] - need[asked]) / self.unit[asked]).min(axis=1, initial=np.inf)
        wanted = np.array([bool(self.coming.get(node)) for node in np.flatnonzero(fits).tolist()])
        best = np.lexsort((-left[fits], wanted))[0]
        return int(np.flatnonzero(fits)[best])
