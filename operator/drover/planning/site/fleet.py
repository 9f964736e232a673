"""The nodes as placement sees them: what is free on each, who is where, and who may not use it.

Everything that is there or on its way is counted: every pod that is not terminal, on both hosts while a VM moves, and
every migration in flight whose target pod is not bound yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drover.facts.node import Node
from drover.planning.demand.guest import Guest
from drover.planning.demand.vmclass import VMClass
from drover.planning.site.attaching import Attaching
from drover.planning.site.hostports import HostPorts
from drover.planning.site.neighbours import Neighbours
from drover.planning.site.nodeclass import NodeClasses
from drover.planning.site.spread import Spreading
from drover.planning.site.topology import Mask

Amounts = NDArray[np.int64]
MOST = 1 << 60
"""More than any node has of anything: a petabyte's thousandfold."""
IMPOSSIBLE = 1 << 61
"""More than anything that is free can be, and still far enough from the end of the numbers to be subtracted."""


@dataclass(slots=True)
class Fleet:
    """The nodes in the order of their names; `free` is int64[nodes, resources] and shrinks as placement proceeds."""

    nodes: tuple[Node, ...]
    resources: tuple[str, ...]
    free: Amounts
    allocatable: Amounts
    taken: Mapping[str, str]
    """Nodes that are in maintenance or being evacuated, with the object that does it."""
    spreading: Spreading
    neighbours: Neighbours
    attaching: Attaching
    ports: HostPorts
    classes: NodeClasses
    position: Mapping[str, int] = field(init=False)
    _demands: dict[VMClass, Amounts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.position = {node.name: n for n, node in enumerate(self.nodes)}

    def among(self, names: Iterable[str]) -> Mask:
        """bool[nodes]: which are named."""
        result = np.zeros(len(self.nodes), dtype=np.bool_)
        result[[self.position[name] for name in names if name in self.position]] = True
        return result

    def vector(self, amounts: Mapping[str, int]) -> Amounts:
        """Amounts as a row over `resources`. A resource no node offers makes the row impossible to fit."""
        result = row(amounts, self.resources)
        missing = any(amount > 0 and name not in self.resources for name, amount in amounts.items())
        return np.full_like(result, IMPOSSIBLE) if missing else result

    def demand(self, vm_class: VMClass) -> Amounts:
        """What VMs of the class ask for, as a row over `resources`."""
        if vm_class not in self._demands:
            self._demands[vm_class] = self.vector(dict(vm_class.requests))
        return self._demands[vm_class]

    def take(self, node: int, amounts: Amounts) -> None:
        self.free[node] -= amounts

    def move(self, guest: Guest, target: int) -> None:
        """From now on the VM is on its way to the target, and both hosts hold it."""
        self.take(target, self.demand(guest.vm_class))
        self.expect(guest, target)

    def take_back(self, guest: Guest, target: int) -> None:
        """As if it had not been sent there."""
        self.forget(guest, target)
        self.take(target, -self.demand(guest.vm_class))

    def expect(self, guest: Guest, target: int) -> None:
        """From now on the VM counts on the target for whoever looks at others; its room is not taken."""
        self.spreading.move(guest.uid, target)
        self.neighbours.move(guest.uid, target)
        self.attaching.move(guest.handles, target)
        self.ports.move(guest.vm_class.ports, target)

    def forget(self, guest: Guest, target: int) -> None:
        """Take back that it was expected there."""
        self.spreading.stay(guest.uid)
        self.neighbours.stay(guest.uid)
        self.attaching.stay(guest.handles, target)
        self.ports.stay(guest.vm_class.ports, target)

    def become(self, other: "Fleet") -> None:
        """From now on it is filled as the other is, a copy of it."""
        self.free, self.spreading, self.neighbours = other.free, other.spreading, other.neighbours
        self.attaching, self.ports = other.attaching, other.ports

    def copy(self) -> "Fleet":
        """The same fleet, to be filled independently."""
        return Fleet(
            self.nodes,
            self.resources,
            self.free.copy(),
            self.allocatable,
            self.taken,
            self.spreading.copy(),
            self.neighbours.copy(),
            self.attaching.copy(),
            self.ports.copy(),
            self.classes,
            self._demands,
        )


def row(amounts: Mapping[str, int], names: Iterable[str]) -> Amounts:
    """Amounts in the order of `names`, none beyond what still can be added and subtracted."""
    return np.array([max(-MOST, min(MOST, amounts.get(name, 0))) for name in names], dtype=np.int64)


def table(rows: Sequence[Mapping[str, int]], names: tuple[str, ...]) -> Amounts:
    """int64[rows, resources]."""
    return np.array([row(each, names) for each in rows], dtype=np.int64).reshape(len(rows), len(names))
