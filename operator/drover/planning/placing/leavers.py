"""Who may leave his node so that another fits there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drover.planning.placing.ground import NOWHERE, Ground
from drover.planning.placing.problem import Mask
from drover.planning.placing.room import Amounts


@dataclass(slots=True)
class Leavers:
    """`pool` are those that may leave their node: residents that did not yet, and movers that have a target."""

    ground: Ground
    pool: NDArray[np.int64] = field(init=False)
    resident: Mask = field(init=False)
    used: Mask = field(init=False)
    """bool[nodes]: where anybody may be."""

    def __post_init__(self) -> None:
        problem = self.ground.sized.problem
        self.resident = np.zeros(len(problem.at), dtype=np.bool_)
        self.resident[list(problem.residents)] = True
        self.used = np.asarray(problem.allowed.any(axis=0))
        pool = np.array(sorted({*problem.movers, *problem.residents} - {*problem.anchors}), dtype=np.int64)
        # Those that cost nothing come first, then the cheapest.
        self.pool = pool[np.lexsort((pool, problem.work[pool], self.resident[pool]))]

    def moved(self) -> int:
        """How many residents have left their node."""
        return int((self.resident & (self.ground.where != self.ground.sized.problem.at)).sum())

    def now(self) -> NDArray[np.int64]:
        """Those that may leave as everybody stands."""
        where, problem = self.ground.where[self.pool], self.ground.sized.problem
        stays = self.resident[self.pool] & (where != problem.at[self.pool])
        result: NDArray[np.int64] = self.pool[(where != NOWHERE) & ~stays]
        return result

    def homeable(self, vms: NDArray[np.int64], closed: Sequence[int]) -> NDArray[np.int64]:
        """Those for whom no resource alone says that there is no place beside the closed nodes: most that have none are
        known by this."""
        nodes = self.used.copy()
        nodes[closed] = False
        most, need = self.ground.free[:, nodes].max(axis=1, initial=-1), self.ground.sized.demand[vms]
        result: NDArray[np.int64] = vms[((need <= 0) | (need <= most)).all(axis=1)]
        return result

    def one_of_each(self, vms: NDArray[np.int64]) -> list[int]:
        """One of each kind on a node."""
        numbers, where = self.ground.sized.kind[vms], self.ground.where[vms]
        _, first = np.unique(numbers * (int(where.max(initial=0)) + 1) + where, return_index=True)
        result: list[int] = vms[np.sort(first)].tolist()
        return result

    def held(self, pool: NDArray[np.int64]) -> Amounts:
        """int64[resources, nodes]: what those that may leave their node hold there."""
        held = np.zeros_like(self.ground.free)
        np.add.at(held.T, self.ground.where[pool], self.ground.sized.demand[pool])
        return held
