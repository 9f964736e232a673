"""Where the VMs of a fleet start by the fast path: a simple scheduler for simple VMs. Pure."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from virtsim.fleet import vms
from virtsim.fleet.spec import Fleet, VirtualMachines, names
from virtsim.objects import keys, quantity
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import Key, Object
from virtsim.virt_controller.containers import console_log
from virtsim.virt_controller.node_selectors import launcher_selector
from virtsim.virt_controller.requirements import compute_resources

FOR_THE_SCHEDULER = frozenset(
    {"affinity", "tolerations", "topologySpreadConstraints", "schedulerName", "priorityClassName"}
)
"""Words of a VMI's spec with which only kube-scheduler can say where it goes."""


def places(fleet: Fleet, nodes: Iterable[Object], cluster_selectors: dict[str, str]) -> dict[Key, str]:
    """The node on which each VM starts; a VM that is not in it is left to kube-scheduler.

    Where the fleet names a node, that one. Else in turn the next that has the labels, no taint, and room for what the
    fleet has put there so far: a fleet that fits is spread evenly.
    """
    placed = vms.placements(fleet)
    rooms = [_Room(node) for node in nodes if keys.SIMULATED_NODE in labels_of(node)]
    named = {room.name: room for room in rooms}
    for group in fleet.virtual_machines:
        if group.node is not None:
            needed = _needed(vms.sample(group))
            for name in names(group):
                named[placed[group.namespace, name]].take(needed)
    for group in fleet.virtual_machines:
        if group.node is None and not FOR_THE_SCHEDULER & set(group.spec):
            placed |= _in_turn(group, rooms, cluster_selectors)
    return placed


def _in_turn(group: VirtualMachines, rooms: list["_Room"], cluster_selectors: dict[str, str]) -> dict[Key, str]:
    vmi = vms.sample(group)
    needed, selector = _needed(vmi), launcher_selector(vmi, cluster_selectors)
    usable = [room for room in rooms if room.admits(selector)]
    usable.sort(key=lambda room: room.taken)
    placed: dict[Key, str] = {}
    waiting = iter(names(group))
    while usable := [room for room in usable if room.has(needed)]:
        for room in usable:
            name = next(waiting, None)
            if name is None:
                return placed
            room.take(needed)
            placed[group.namespace, name] = room.name
    return placed


class _Room:
    """What is left on one node."""

    def __init__(self, node: Object) -> None:
        self.name: str = node["metadata"]["name"]
        self.taken = 0
        self._labels = labels_of(node)
        self._open = not node["spec"].get("unschedulable") and not node["spec"].get("taints")
        allocatable: dict[str, str] = (node.get("status") or {}).get("allocatable") or {}
        self._left = {resource: quantity.parse(amount) for resource, amount in allocatable.items()}

    def admits(self, selector: Mapping[str, str]) -> bool:
        return self._open and selector.items() <= self._labels.items() and keys.OBSOLETE_HOST_MODEL not in self._labels

    def has(self, needed: Mapping[str, Fraction]) -> bool:
        return all(self._left.get(resource, 0) >= amount for resource, amount in needed.items())

    def take(self, needed: Mapping[str, Fraction]) -> None:
        self.taken += 1
        for resource, amount in needed.items():
            self._left[resource] = self._left.get(resource, Fraction(0)) - amount


def _needed(vmi: Object) -> dict[str, Fraction]:
    """What a launcher pod of this VMI requests, as the scheduler counts it: its sidecar runs beside it."""
    compute, sidecar = compute_resources(vmi), console_log(vmi, "")["resources"]
    needed = {"pods": Fraction(1)}
    for requests in (compute["limits"] | compute["requests"], sidecar["requests"]):
        for resource, amount in requests.items():
            needed[resource] = needed.get(resource, Fraction(0)) + quantity.parse(amount)
    return needed
