"""What placement is about, in arrays: demands, free room, where each VM may be; who must move, and who could."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drover.planning.placing.room import Amounts
from drover.planning.timing.moves import Limits

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Relations(Protocol):
    """Filters that depend on where other VMs are: inter-pod affinity and anti-affinity, topology spread."""

    def mask(self, vm: int) -> Mask | None:
        """bool[nodes]: where the VM may be, all others being where they are now; None: anywhere."""

    def kind(self, vm: int) -> Mask | None:
        """bool[nodes]: where the VM may be without harm to others who may not refuse it; None: anywhere."""

    def move(self, vm: int, node: int) -> None:
        """From now on the VM counts on this node, or where it is if that is NOWHERE, -1."""

    def undo(self) -> None:
        """Take the last `move` back."""

    def content(self, vm: int) -> bool:
        """Whether the VM, where it is now, has those near whom it requires."""


KUBEVIRTS_OWN = Limits(5, 2, 2)
"""KubeVirt's defaults, and ours for targets, which it does not limit."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Arrays over VMs (V), nodes (N), resources (R) and classes (C) of where VMs may be.

    `demand` int64[V, R]; `free` and `whole` int64[N, R], what is free and what there is; `allowed` bool[C, N] with
    `row` int64[V]; `at` int64[V], where each VM is, -1 if that is no node any more; `work` float64[V], how long or how
    large its migration is. `movers` have to get a target, `residents` may move as well if that makes room. `anchors`
    are movers that others follow, with how many have to go before each: once they have a target they keep it. `barred`
    are further nodes a VM may not go to; where it is, it never goes. `lanes`: how many migrations may run at once.
    `ordered` are movers for whom it matters who goes first, or because of whom it matters for others. `bundles` are
    movers who can only go where another goes, by that other.
    """

    demand: Amounts
    free: Amounts
    whole: Amounts
    allowed: Mask
    row: NDArray[np.int64]
    at: NDArray[np.int64]
    work: Floats
    movers: Sequence[int]
    residents: Sequence[int] = ()
    anchors: Mapping[int, int] = field(default_factory=dict)
    barred: Mapping[int, Sequence[int]] = field(default_factory=dict)
    lanes: Limits = KUBEVIRTS_OWN
    ordered: frozenset[int] = frozenset()
    bundles: Mapping[int, Sequence[int]] = field(default_factory=dict)


def essential(demand: Amounts, free: Amounts, residents: Sequence[int]) -> list[int]:
    """The resources that must be looked at: one that another is always asked as much of, and has no more of, is not.

    Movers come, and it stays so: what is asked of the other is never less. Residents leave as well, so that for it to
    stay so they have to hold as much of both.
    """

    def covers(other: int, one: int) -> bool:
        asked = (demand[:, one] <= demand[:, other]).all() and (free[:, one] >= free[:, other]).all()
        return bool(asked and (demand[residents, one] == demand[residents, other]).all())

    kept = list(range(demand.shape[1]))
    for one in reversed(range(demand.shape[1])):
        others = [other for other in kept if other != one]
        if any(covers(other, one) for other in others):
            kept = others
    return kept


def kinds(problem: Problem) -> NDArray[np.int64]:
    """int64[V]: VMs with the same number may be on the same nodes and ask for the same."""
    keys = np.ascontiguousarray(np.concatenate([problem.row[:, None], problem.demand], axis=1))
    data, width = keys.tobytes(), keys.shape[1] * keys.itemsize
    seen: dict[bytes, int] = {}
    # As bytes in a dict: numpy's unique sorts the rows, which takes ten times as long.
    numbers = [seen.setdefault(data[n : n + width], len(seen)) for n in range(0, len(data), width)]
    return np.array(numbers, dtype=np.int64)
