"""The nodes as they fill: VMs get places, and give them back when a better idea comes."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drover.planning.placing.problem import Floats, Mask, Problem, Relations, essential, kinds
from drover.planning.placing.room import Amounts

NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Sized:
    """What of a problem never changes: computed once for all attempts. Only the essential resources, each contiguous:
    `demand` int64[V, E], `free` int64[E, N], `scale` float64[E, N], one over what there is. `kind` int64[V] as in
    `kinds`; `homes` int64[V], on how many nodes a mover fits at first; `columns` are the essential resources."""

    problem: Problem
    demand: Amounts
    free: Amounts
    scale: Floats
    kind: NDArray[np.int64]
    homes: NDArray[np.int64]
    columns: list[int]


def sized(problem: Problem) -> Sized:
    """The problem, made ready for placement."""
    columns = essential(problem.demand, problem.free, list(problem.residents))
    demand, free = problem.demand[:, columns], np.ascontiguousarray(problem.free[:, columns].T)
    scale = np.ascontiguousarray(1.0 / np.maximum(problem.whole[:, columns], 1).T)
    numbers = kinds(problem)
    homes, known = np.zeros(len(numbers), dtype=np.int64), dict[int, int]()
    for vm, kind in zip(problem.movers, numbers[list(problem.movers)].tolist(), strict=True):
        if kind not in known:
            known[kind] = int((problem.allowed[problem.row[vm]] & (share_left(demand[vm], free, scale) >= 0)).sum())
        homes[vm] = known[kind]
    return Sized(problem, demand, free, scale, numbers, homes, columns)


def share_left(need: Amounts, free: Amounts, scale: Floats) -> Floats:
    """float64[nodes]: the share of the scarcest asked-for resource that is left of a node with the VM there; negative
    where it does not fit. The sign is exact: it is that of a difference of integers."""
    asked = np.flatnonzero(need > 0)
    if not asked.size:
        return np.ones(free.shape[1])
    result: Floats = (free[asked[0]] - need[asked[0]]) * scale[asked[0]]
    for resource in asked[1:]:
        np.minimum(result, (free[resource] - need[resource]) * scale[resource], out=result)
    return result


@dataclass(slots=True)
class Ground:
    """`free` int64[E, N] and `inbound` float64[N], the work that comes to each node, change with every `go` and `undo`.

    A resident leaves room behind. A mover does not: both hosts hold it until it has moved.
    """

    sized: Sized
    relations: Relations
    free: Amounts = field(init=False)
    where: NDArray[np.int64] = field(init=False)
    """Where each VM ends; movers without a target are NOWHERE."""
    inbound: Floats = field(init=False)
    log: list[tuple[int, int]] = field(default_factory=list)
    """VMs and the places they had before, in the order of their moves."""

    def __post_init__(self) -> None:
        problem = self.sized.problem
        self.free = self.sized.free.copy()
        self.where = problem.at.copy()
        self.where[list(problem.movers)] = NOWHERE
        self.inbound = np.zeros(self.free.shape[1])

    def left(self, vm: int) -> Floats:
        """float64[nodes]: `share_left` of the VM."""
        return share_left(self.sized.demand[vm], self.free, self.sized.scale)

    def open(self, vm: int) -> Mask:
        """bool[nodes]: where the VM may be, room aside."""
        problem = self.sized.problem
        result: Mask = problem.allowed[problem.row[vm]].copy()
        related = self.relations.mask(vm)
        if related is not None:
            result &= related
        if problem.at[vm] != NOWHERE:
            result[problem.at[vm]] = False
        if vm in problem.barred:
            result[list(problem.barred[vm])] = False
        return result

    def go(self, vm: int, node: int) -> None:
        """The VM ends on this node, or NOWHERE."""
        before = int(self.where[vm])
        self.log.append((vm, before))
        self._put(vm, before, node)
        self.relations.move(vm, node)

    def undo(self) -> None:
        """Take the last `go` back."""
        vm, before = self.log.pop()
        self._put(vm, int(self.where[vm]), before)
        self.relations.undo()

    def back_to(self, mark: int) -> None:
        """Take back all since the log was this long."""
        while len(self.log) > mark:
            self.undo()

    def _put(self, vm: int, before: int, node: int) -> None:
        need, at, work = self.sized.demand[vm], self.sized.problem.at[vm], self.sized.problem.work[vm]
        if before != NOWHERE:
            self.free[:, before] += need
            self.inbound[before] -= work if before != at else 0.0
        if node != NOWHERE:
            self.free[:, node] -= need
            self.inbound[node] += work if node != at else 0.0
        self.where[vm] = node
