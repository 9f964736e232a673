"""From a Snapshot to the Fleet: what is on every node, or on its way there."""

from collections.abc import Callable, Container, Iterable, Mapping
from functools import lru_cache

import msgspec

from drover.facts.index import Index
from drover.facts.kubevirt import VMI
from drover.facts.node import Node
from drover.facts.pod import HostPort, Pod
from drover.facts.quantity import Resources
from drover.facts.snapshot import Snapshot
from drover.planning.demand import selection
from drover.planning.demand.guest import Guest
from drover.planning.demand.terms import bonds
from drover.planning.demand.vmclass import GUEST_MEMORY, VMClass, classify, demand, guest_memory, target_demand
from drover.planning.demand.volumes import Handle, claims, handles, volumes
from drover.planning.site.arriving import inbound
from drover.planning.site.attaching import Attached, Attaching
from drover.planning.site.census import Positions, as_occupant, occupants
from drover.planning.site.fleet import Amounts, Fleet, table
from drover.planning.site.hostports import HostPorts
from drover.planning.site.neighbours import Neighbours
from drover.planning.site.nodeclass import NodeClasses
from drover.planning.site.population import Population
from drover.planning.site.promised import promised
from drover.planning.site.spread import Spreading
from drover.planning.site.sums import Sums
from drover.planning.site.topology import Topology


def build(snapshot: Snapshot, index: Index, taken: Mapping[str, str], *, ahead: bool = False) -> Fleet:
    """The fleet of a snapshot; `ahead`: to be planned on, so that nobody is sent near one in flight who leaves."""
    return _fleet(snapshot, index, taken, set(_names(snapshot)), lambda _: True, ahead=ahead)


def around(guest: Guest, node: str, snapshot: Snapshot, index: Index) -> Fleet:
    """The fleet as far as it matters to this VM on this node: there is no room on others, and nobody is in it whom no
    check of the VM looks at."""
    return _fleet(snapshot, index, {}, {node}, _concerning(guest))


def positions(snapshot: Snapshot) -> Positions:
    """The positions of the nodes in every fleet of the snapshot."""
    return {name: n for n, name in enumerate(_names(snapshot))}


def _names(snapshot: Snapshot) -> list[str]:
    return sorted(node.name for node in snapshot.nodes.values())


def _fleet(
    snapshot: Snapshot,
    index: Index,
    taken: Mapping[str, str],
    asked: Container[str],
    concerns: Callable[[Pod], bool],
    *,
    ahead: bool = False,
) -> Fleet:
    nodes = tuple(_nodes(snapshot, index))
    position = {node.name: n for n, node in enumerate(nodes)}
    capacity = [_capacity(node) if node.name in asked else {} for node in nodes]
    names = tuple(sorted({name for each in capacity for name in each}, key=lambda name: (name == GUEST_MEMORY, name)))
    allocatable = table(capacity, names)
    classes, population = NodeClasses(Topology(nodes)), Population(occupants(snapshot, index, position, concerns))
    fleet = Fleet(
        nodes,
        names,
        allocatable.copy(),
        allocatable,
        taken,
        Spreading(classes, population),
        Neighbours(classes.topology, population, ahead),
        Attaching(len(nodes), lambda: _attached(snapshot, index, position)),
        HostPorts(len(nodes), lambda: _ports(snapshot, index, position)),
        classes,
    )
    here = {name: n for name, n in position.items() if name in asked}
    fleet.free -= _used(snapshot, index, here, names)
    return fleet


def _nodes(snapshot: Snapshot, index: Index) -> Iterable[Node]:
    """By name, each with what its virt-handler says of the migration network, and who has its hostname label."""
    for node in sorted(snapshot.nodes.values(), key=lambda node: node.name):
        networked, namesakes = node.name in index.networked, index.namesakes.get(node.name, ())
        if networked or namesakes:
            yield msgspec.structs.replace(node, networked=networked, namesakes=tuple(sorted(namesakes)))
        else:
            yield node


def _concerning(guest: Guest) -> Callable[[Pod], bool]:
    """The pods that a VM's spread and affinity can mean, and all that may mean the VM."""
    near_or_apart = (*guest.occupant.bonds.near, *guest.occupant.bonds.apart)
    own = {guest.occupant.namespace} if guest.vm_class.spread else set()
    named = own.union(*(term.namespaces or () for term in near_or_apart))
    everywhere = any(term.namespaces is None for term in near_or_apart)
    mine = guest.occupant.namespace

    def concerns(pod: Pod) -> bool:
        return everywhere or pod.metadata.namespace in named or pod.may_repel(mine)

    return concerns


def _capacity(node: Node) -> Resources:
    amounts = node.allocatable()
    return {**amounts, GUEST_MEMORY: amounts.get("memory", 0)}


def _used(snapshot: Snapshot, index: Index, wanted: Positions, names: tuple[str, ...]) -> Amounts:
    """int64[nodes, names]: what is taken on the wanted nodes, in one pass over pods and migrations."""
    sums = Sums(len(snapshot.nodes), names)
    for pod, vmi in index.present:
        n = wanted.get(pod.spec.node_name)
        if n is not None:
            requests = pod.requests()
            sums.add(n, requests, guest_memory(vmi, pod, requests))
    for node, pod in promised(snapshot, index):
        if node in wanted:
            whole = demand(index.vmis_by_uid.get(pod.vmi_uid), pod)
            sums.add(wanted[node], whole, whole[GUEST_MEMORY])
    for node, vmi, pod in inbound(snapshot, index):
        if node in wanted:
            whole = target_demand(vmi, pod, snapshot.kubevirt)
            sums.add(wanted[node], whole, whole[GUEST_MEMORY])
    return sums.table()


def guest(vmi: VMI, snapshot: Snapshot, index: Index, position: Positions) -> Guest | None:
    """The VM as one that asks for a node, or None while no pod of it runs on its node. Its target pod will have the
    labels of the VMI as they are now."""
    pod, vm_class = index.source_pod(vmi), class_of(vmi, snapshot, index)
    if pod is None or vm_class is None:
        return None
    attached = handles(claims(vmi, pod), vmi.metadata.namespace, snapshot)
    here = as_occupant(vmi, pod, snapshot, index, position)
    labels = {**here.labels, **vmi.metadata.labels}
    asked = bonds(selection.affinity(vmi, pod), here.namespace, labels, snapshot.namespaces, incoming=True)
    return Guest(msgspec.structs.replace(here, labels=labels, bonds=asked), vm_class, attached)


def class_of(vmi: VMI, snapshot: Snapshot, index: Index) -> VMClass | None:
    """The VM's class, or None while no pod of it runs on its node."""
    pod = index.source_pod(vmi)
    if pod is None:
        return None
    vm_class = classify(
        vmi,
        pod,
        snapshot.node(vmi.node),
        snapshot.kubevirt,
        added=_added(pod, snapshot),
        volumes=volumes(vmi, pod, snapshot),
        off_network=bool(index.networked) and vmi.node not in index.networked,
    )
    return _same(vm_class)


@lru_cache(maxsize=4096)
def _same(vm_class: VMClass) -> VMClass:
    """One of all that are equal: what is the same object need not be compared."""
    return vm_class


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
    for node, pod in promised(snapshot, index):
        if node in position:
            coming = handles(pod.claims(), pod.metadata.namespace, snapshot)
            found.setdefault(position[node], set()).update(coming)
    for node, vmi, pod in inbound(snapshot, index):
        coming = handles(claims(vmi, pod), vmi.metadata.namespace, snapshot)
        found.setdefault(position[node], set()).update(coming)
    return Attached({node: each for node, each in limits.items() if each}, found, _left(snapshot, position))


def _left(snapshot: Snapshot, position: Positions) -> dict[int, frozenset[Handle]]:
    """What is attached to each node, or is to be, whoever uses it."""
    found: dict[int, frozenset[Handle]] = {}
    for attachment in snapshot.attachments.values():
        volume = snapshot.pvs.get(("", attachment.spec.source.persistent_volume_name))
        at = position.get(attachment.spec.node_name)
        if at is not None and volume is not None and volume.spec.csi is not None:
            handle = (attachment.spec.attacher, volume.spec.csi.volume_handle)
            found[at] = found.get(at, frozenset()) | {handle}
    return found


def _ports(snapshot: Snapshot, index: Index, position: Positions) -> dict[int, frozenset[HostPort]]:
    found: dict[int, frozenset[HostPort]] = {}
    there = ((pod.node, pod) for pod in snapshot.pods.values() if pod.node and not pod.terminal)
    for node, pod in (*there, *promised(snapshot, index)):
        ports = pod.ports() if node in position else ()
        if ports:
            found[position[node]] = found.get(position[node], frozenset()) | frozenset(ports)
    return found
