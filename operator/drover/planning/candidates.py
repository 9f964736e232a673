"""Which nodes and which VMs a goal means. Node and VM sets are resolved here and nowhere else."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from drover.api import shared
from drover.api.plan import MigrationPlan
from drover.facts.index import Index
from drover.facts.kubevirt import VMI
from drover.facts.node import Node
from drover.facts.selector import LabelSelector, Requirement
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of


@dataclass(frozen=True, slots=True)
class Nodes:
    """A node set, resolved: the names that exist, sorted, and those that were asked for and do not."""

    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def label_selector(selector: shared.LabelSelector) -> LabelSelector:
    """The API's selector as the one that can match."""
    return LabelSelector(
        match_labels=dict(selector.match_labels or {}),
        match_expressions=tuple(
            Requirement(key=r.key, operator=r.operator, values=tuple(r.values or ()))
            for r in selector.match_expressions or ()
        ),
    )


def resolve_nodes(nodes: shared.NodeSet, snapshot: Snapshot) -> Nodes:
    """The nodes of a set, as they are now."""
    if nodes.selector is not None:
        selector = label_selector(nodes.selector)
        return Nodes(tuple(sorted(n.name for n in snapshot.nodes.values() if selector.matches(n.labels))))
    names = nodes.names or ()
    found = tuple(sorted({name for name in names if snapshot.node(name) is not None}))
    return Nodes(found, tuple(sorted(set(names) - set(found))))


def kubevirt_nodes(snapshot: Snapshot) -> list[Node]:
    """The nodes virt-handler has ever labelled, usable now or not."""
    return [node for node in snapshot.nodes.values() if node.is_kubevirt_node]


def max_nodes(plan: MigrationPlan, snapshot: Snapshot) -> int:
    """How many nodes the plan may evacuate: as asked, else 20 % of the KubeVirt nodes, at least 1."""
    evacuate = plan.spec.evacuate
    if evacuate is not None and evacuate.max_nodes is not None:
        return evacuate.max_nodes
    return max(1, len(kubevirt_nodes(snapshot)) // 5)


def select(vms: shared.VMSet | None, among: Iterable[VMI]) -> list[VMI]:
    """Those of the VMIs that the set means and that have not ended; all of them if there is no set."""
    wanted = _wanted(vms)
    return [vmi for vmi in among if not vmi.final and wanted(vmi)]


def _wanted(vms: shared.VMSet | None) -> Callable[[VMI], bool]:
    if vms is None:
        return lambda _: True
    if vms.names is not None:
        names = {(name.namespace, name.name) for name in vms.names}
        return lambda vmi: key_of(vmi) in names
    selector = label_selector(vms.selector) if vms.selector is not None else None
    namespaces = frozenset(vms.namespaces) if vms.namespaces is not None else None
    return lambda vmi: (
        (namespaces is None or vmi.metadata.namespace in namespaces)
        and (selector is None or selector.matches(vmi.metadata.labels))
    )


def unmatched(vms: shared.VMSet | None, snapshot: Snapshot) -> tuple[str, ...]:
    """The names in the set that are no VM, or of one that has ended, as namespace/name."""
    names = vms.names if vms is not None and vms.names is not None else ()
    found = {name: snapshot.vmis.get((name.namespace, name.name)) for name in names}
    return tuple(f"{name.namespace}/{name.name}" for name, vmi in found.items() if vmi is None or vmi.final)


def on_nodes(nodes: Iterable[str], index: Index) -> list[VMI]:
    """The VMs that have not ended and whose guest, or any launcher pod that has not ended, is on one of the nodes.

    A pod counts although the guest is elsewhere: it may be the target of a migration somebody else made, or a source
    pod that is still ending, and the node is not empty before it is gone.
    """
    found: dict[str, VMI] = {}
    for node in nodes:
        pods = (index.vmis_by_uid.get(pod.vmi_uid) for pod in index.on_node.get(node, ()))
        found |= {vmi.uid: vmi for vmi in (*index.guests.get(node, ()), *pods) if vmi is not None and not vmi.final}
    return list(found.values())
