"""From a Snapshot to the Fleet: what is on every node, or on its way there."""

from collections.abc import Container, Iterable, Mapping

from drover.facts.index import Index
from drover.facts.kubevirt import VMI, VMIM
from drover.facts.node import Node
from drover.facts.pod import HostPort, Pod
from drover.facts.quantity import Resources, total
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of
from drover.planning import selection
from drover.planning.attaching import Attached, Attaching
from drover.planning.fleet import Fleet, row, table
from drover.planning.guest import Guest
from drover.planning.hostports import HostPorts
from drover.planning.neighbours import Neighbours
from drover.planning.nodeclass import NodeClasses
from drover.planning.population import Occupant, Population
from drover.planning.spread import Spreading
from drover.planning.terms import bonds
from drover.planning.topology import Topology
from drover.planning.vmclass import GUEST_MEMORY, VMClass, classify, demand, target_demand
from drover.planning.volumes import Handle, claims, handles, volumes

Positions = Mapping[str, int]
"""The positions of nodes by their names."""


def build(snapshot: Snapshot, index: Index, taken: Mapping[str, str], only: str | None = None) -> Fleet:
    """The fleet of a snapshot. `only`: the one node whose room is asked about; there is none on the others then."""
    nodes = tuple(sorted(snapshot.nodes.values(), key=lambda node: node.name))
    position = {node.name: n for n, node in enumerate(nodes)}
    asked = {name for name in position if only in (None, name)}
    capacity = [_capacity(node) if node.name in asked else {} for node in nodes]
    names = tuple(sorted({name for each in capacity for name in each}, key=lambda name: (name == GUEST_MEMORY, name)))
    allocatable = table(capacity, names)
    classes, population = NodeClasses(Topology(nodes)), Population(occupants(snapshot, index, position))
    fleet = Fleet(
        nodes,
        names,
        allocatable.copy(),
        allocatable,
        taken,
        Spreading(classes, population),
        Neighbours(classes.topology, population),
        Attaching(len(nodes), lambda: _attached(snapshot, index, position)),
        HostPorts(len(nodes), lambda: _ports(snapshot, position)),
        classes,
    )
    for name, amounts in _used(snapshot, index, asked).items():
        fleet.take(position[name], row(amounts, names))
    return fleet


def _capacity(node: Node) -> Resources:
    amounts = node.allocatable()
    return {**amounts, GUEST_MEMORY: amounts.get("memory", 0)}


def _used(snapshot: Snapshot, index: Index, wanted: Container[str]) -> dict[str, Resources]:
    """What is taken on each of the wanted nodes, in one pass over pods and migrations."""
    parts: dict[str, list[Resources]] = {}
    for pod in snapshot.pods.values():
        if pod.node in wanted and not pod.terminal:
            parts.setdefault(pod.node, []).append(demand(index.vmis_by_uid.get(pod.vmi_uid), pod))
    for node, vmi, pod in inbound(snapshot, index):
        if node in wanted:
            parts.setdefault(node, []).append(target_demand(vmi, pod))
    return {node: total(each) for node, each in parts.items()}


def inbound(snapshot: Snapshot, index: Index) -> Iterable[tuple[str, VMI, Pod]]:
    """The VMs in flight towards a node that no bound target pod stands for yet, each with the pod it runs in."""
    for vmims in index.in_flight.values():
        for vmim in vmims:
            node, vmi = index.hostnames.get(vmim.pinned_to), snapshot.vmis.get(vmim.vmi_key)
            if node is None or vmi is None or _bound(index.targets.get(vmim.uid)) or vmi.node == node:
                continue
            pod = index.source_pod(vmi)
            if pod is not None:
                yield node, vmi, pod


def _bound(target: Pod | None) -> bool:
    return target is not None and bool(target.node)


def occupants(snapshot: Snapshot, index: Index, position: Positions) -> list[Occupant]:
    """Every VM once and every other bound pod; nothing that is terminal."""
    found: list[Occupant] = []
    for pod in snapshot.pods.values():
        if not pod.node or pod.terminal:
            continue
        vmi = index.vmis_by_uid.get(pod.vmi_uid)
        if vmi is None:
            found.append(_pod(pod, snapshot, position))
        elif _stands_for(pod, vmi, index):
            found.append(occupant(vmi, pod, snapshot, index, position))
    return sorted(found, key=lambda occupant: occupant.uid)


def _stands_for(pod: Pod, vmi: VMI, index: Index) -> bool:
    """Whether the VM is counted by this pod of it: the one its guest runs in; another only while there is none."""
    running = index.source_pod(vmi)
    if running is not None:
        return running is pod
    return min((each for each in index.pods_of(vmi) if each.node), key=key_of) is pod


def _pod(pod: Pod, snapshot: Snapshot, position: Positions) -> Occupant:
    labels, namespace = pod.metadata.labels, pod.metadata.namespace
    at = position.get(pod.node)
    return Occupant(
        uid=pod.uid,
        namespace=namespace,
        labels=labels,
        home=at if pod.metadata.deletion_timestamp is None else None,
        places=(at,) if at is not None else (),
        bonds=bonds(pod.spec.affinity, namespace, labels, snapshot.namespaces),
    )


def occupant(vmi: VMI, pod: Pod, snapshot: Snapshot, index: Index, position: Positions) -> Occupant:
    """The VM that runs in this pod. Its target pod will have the labels of the VMI as they are now."""
    labels, namespace = {**pod.metadata.labels, **vmi.metadata.labels}, pod.metadata.namespace
    heading = _heading(vmi, snapshot, index)
    ending = pod.metadata.deletion_timestamp is not None and not heading
    names = {each.node for each in index.pods_of(vmi)} | {heading}
    places = sorted(position[name] for name in names if name in position)
    return Occupant(
        uid=vmi.uid,
        namespace=namespace,
        labels=labels,
        home=position.get(heading or pod.node) if not ending else None,
        places=tuple(places),
        bonds=bonds(selection.affinity(vmi, pod), namespace, labels, snapshot.namespaces),
    )


def _heading(vmi: VMI, snapshot: Snapshot, index: Index) -> str:
    flights = (towards(vmim, snapshot, index) for vmim in index.in_flight.get(key_of(vmi), ()))
    return next((node for node in flights if node), "")


def guest(vmi: VMI, snapshot: Snapshot, index: Index, position: Positions) -> Guest | None:
    """The VM as one that asks for a node, or None while no pod of it runs on its node."""
    pod, vm_class = index.source_pod(vmi), class_of(vmi, snapshot, index)
    if pod is None or vm_class is None:
        return None
    attached = handles(claims(vmi, pod), vmi.metadata.namespace, snapshot)
    return Guest(occupant(vmi, pod, snapshot, index, position), vm_class, attached)


def class_of(vmi: VMI, snapshot: Snapshot, index: Index) -> VMClass | None:
    """The VM's class, or None while no pod of it runs on its node."""
    pod = index.source_pod(vmi)
    if pod is None:
        return None
    kubevirt = snapshot.kubevirt
    return classify(
        vmi,
        pod,
        snapshot.node(vmi.node),
        kubevirt.node_selectors if kubevirt else {},
        added=_added(pod, snapshot),
        volumes=volumes(vmi, pod, snapshot),
    )


def _added(pod: Pod, snapshot: Snapshot) -> Mapping[str, str] | None:
    """The selector of the migration that made the pod, if it is known."""
    if not pod.migration_uid:
        return None
    named = snapshot.vmims.get((pod.metadata.namespace, pod.metadata.annotations.migration))
    return named.spec.added_node_selector if named is not None and named.uid == pod.migration_uid else None


def _attached(snapshot: Snapshot, index: Index, position: Positions) -> Attached:
    limits = {position[n.metadata.name]: n.limits() for n in snapshot.csinodes.values() if n.metadata.name in position}
    found: dict[int, set[Handle]] = {}
    for pod in snapshot.pods.values():
        names = pod.claims() if pod.node in position and not pod.terminal else ()
        if names:
            found.setdefault(position[pod.node], set()).update(handles(names, pod.metadata.namespace, snapshot))
    for node, vmi, pod in inbound(snapshot, index):
        coming = handles(claims(vmi, pod), vmi.metadata.namespace, snapshot)
        found.setdefault(position[node], set()).update(coming)
    for attachment in snapshot.attachments.values():
        volume = snapshot.pvs.get(("", attachment.spec.source.persistent_volume_name))
        node = attachment.spec.node_name
        if volume is not None and volume.spec.csi is not None and node in position:
            found.setdefault(position[node], set()).add((attachment.spec.attacher, volume.spec.csi.volume_handle))
    return Attached({node: each for node, each in limits.items() if each}, found)


def _ports(snapshot: Snapshot, position: Positions) -> dict[int, frozenset[HostPort]]:
    found: dict[int, frozenset[HostPort]] = {}
    for pod in snapshot.pods.values():
        ports = pod.ports() if pod.node in position and not pod.terminal else ()
        if ports:
            found[position[pod.node]] = found.get(position[pod.node], frozenset()) | frozenset(ports)
    return found


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
