"""The nodes as placement sees them: what is free on each, and who may not use it.

Everything that is there or on its way is counted: every pod that is not terminal, on both hosts while a VM moves, and
every migration in flight whose target pod is not bound yet.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drover.facts.index import Index
from drover.facts.kubevirt import VMI, VMIM
from drover.facts.node import Node
from drover.facts.pod import Pod
from drover.facts.quantity import Resources, total
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of
from drover.planning.spread import Occupant, Occupants, Spreading
from drover.planning.vmclass import GUEST_MEMORY, VMClass, classify, demand

Amounts = NDArray[np.int64]
Mask = NDArray[np.bool_]
MOST = 1 << 60
"""More than any node has of anything: a petabyte's thousandfold."""


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
    """Always over all nodes of the cluster, also in a fleet of one."""
    position: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.position = {node.name: n for n, node in enumerate(self.nodes)}

    def vector(self, amounts: Mapping[str, int]) -> Amounts:
        """Amounts as a row over `resources`. A resource no node offers makes the row impossible to fit."""
        row = _row(amounts, self.resources)
        missing = any(amount > 0 and name not in self.resources for name, amount in amounts.items())
        return np.full_like(row, np.iinfo(np.int64).max) if missing else row

    def take(self, node: int, amounts: Amounts) -> None:
        self.free[node] -= amounts

    def copy(self) -> "Fleet":
        """The same fleet, to be filled independently."""
        return Fleet(self.nodes, self.resources, self.free.copy(), self.allocatable, self.taken, self.spreading.copy())


def build(snapshot: Snapshot, index: Index, taken: Mapping[str, str], only: str | None = None) -> Fleet:
    """The fleet of a snapshot, or the one node of it that is asked about."""
    every = tuple(sorted(snapshot.nodes.values(), key=lambda node: node.name))
    nodes = tuple(node for node in every if only in (None, node.name))
    capacity = [_capacity(node) for node in nodes]
    names = tuple(sorted({name for row in capacity for name in row}))
    allocatable = np.array([_row(each, names) for each in capacity], dtype=np.int64)
    allocatable = allocatable.reshape(len(nodes), len(names))
    spreading = Spreading(every, lambda: occupants(snapshot, index))
    fleet = Fleet(nodes, names, allocatable.copy(), allocatable, taken, spreading)
    for name, amounts in _used(snapshot, index, fleet.position).items():
        fleet.take(fleet.position[name], _row(amounts, names))
    return fleet


def _row(amounts: Mapping[str, int], names: Iterable[str]) -> Amounts:
    """Amounts in the order of `names`, none beyond what still can be added and subtracted."""
    return np.array([max(-MOST, min(MOST, amounts.get(name, 0))) for name in names], dtype=np.int64)


def _capacity(node: Node) -> Resources:
    amounts = node.allocatable()
    return {**amounts, GUEST_MEMORY: amounts.get("memory", 0)}


def _used(snapshot: Snapshot, index: Index, wanted: Container[str]) -> dict[str, Resources]:
    """What is taken on each of the wanted nodes, in one pass over pods and migrations."""
    parts: dict[str, list[Resources]] = {}
    for pod in snapshot.pods.values():
        if pod.node in wanted and not pod.terminal:
            parts.setdefault(pod.node, []).append(demand(index.vmis_by_uid.get(pod.vmi_uid), pod))
    for node, amounts in inbound(snapshot, index):
        if node in wanted:
            parts.setdefault(node, []).append(amounts)
    return {node: total(each) for node, each in parts.items()}


def inbound(snapshot: Snapshot, index: Index) -> Iterable[tuple[str, Resources]]:
    """The demands of migrations in flight towards a node that no bound target pod stands for yet."""
    for vmims in index.in_flight.values():
        for vmim in vmims:
            node, vmi = index.hostnames.get(vmim.pinned_to), snapshot.vmis.get(vmim.vmi_key)
            if node is None or vmi is None or _bound(index.targets.get(vmim.uid)) or vmi.node == node:
                continue
            pod = index.source_pod(vmi)
            if pod is not None:
                yield node, demand(vmi, pod)


def _bound(target: Pod | None) -> bool:
    return target is not None and bool(target.node)


def occupants(snapshot: Snapshot, index: Index) -> Occupants:
    """Every VM once, where it is or is moving to, and every other bound pod; nothing that is terminal or ending."""
    result: dict[str, dict[str, Occupant]] = {}
    for pod in snapshot.pods.values():
        if not pod.node or pod.terminal or pod.metadata.deletion_timestamp is not None:
            continue
        vmi = index.vmis_by_uid.get(pod.vmi_uid)
        members = result.setdefault(pod.metadata.namespace, {})
        if vmi is None:
            members[pod.uid] = Occupant(pod.metadata.labels, pod.node)
        elif not vmi.node or index.source_pod(vmi) is pod:
            members[vmi.uid] = Occupant(pod.metadata.labels, _heading(vmi, snapshot, index) or pod.node)
    return result


def _heading(vmi: VMI, snapshot: Snapshot, index: Index) -> str:
    flights = (towards(vmim, snapshot, index) for vmim in index.in_flight.get(key_of(vmi), ()))
    return next((node for node in flights if node), vmi.node)


def class_of(vmi: VMI, snapshot: Snapshot, index: Index) -> VMClass | None:
    """The VM's class, or None while no pod of it runs on its node."""
    pod = index.source_pod(vmi)
    if pod is None:
        return None
    kubevirt = snapshot.kubevirt
    return classify(vmi, pod, snapshot.node(vmi.node), kubevirt.node_selectors if kubevirt else {})


def towards(vmim: VMIM, snapshot: Snapshot, index: Index) -> str:
    """The node a migration goes to, or the empty string while nobody knows."""
    vmi = snapshot.vmis.get(vmim.vmi_key)
    state = vmi.state_of(vmim.uid) if vmi is not None else None
    if state is not None and state.target_node:
        return state.target_node
    target = index.targets.get(vmim.uid)
    if target is not None and target.node:
        return target.node
    return index.hostnames.get(vmim.pinned_to, "")
