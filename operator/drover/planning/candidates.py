"""Which nodes and which VMs a goal means. Node and VM sets are resolved here and nowhere else."""

from collections.abc import Iterable
from dataclasses import dataclass

from drover.api import shared
from drover.api.plan import MigrationPlan
from drover.facts.index import Index
from drover.facts.kubevirt import VMI
from drover.facts.node import Node
from drover.facts.selector import LabelSelector, Requirement
from drover.facts.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Nodes:
    """A node set, resolved: the names that exist, sorted, and those that were asked for and do not."""

    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The VMs a goal selects, whatever node they are on, and the names that match nothing."""

    vmis: tuple[VMI, ...] = ()
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


def select(vms: shared.VMSet | None, snapshot: Snapshot) -> Selection:
    """The VMs of a set that have not ended; all of them if there is no set."""
    if vms is not None and vms.names is not None:
        return _by_name(vms.names, snapshot)
    selector = label_selector(vms.selector) if vms is not None and vms.selector is not None else None
    namespaces = set(vms.namespaces) if vms is not None and vms.namespaces is not None else None
    chosen = tuple(
        vmi
        for vmi in snapshot.vmis.values()
        if not vmi.final
        and (namespaces is None or vmi.metadata.namespace in namespaces)
        and (selector is None or selector.matches(vmi.metadata.labels))
    )
    return Selection(chosen)


def _by_name(names: Iterable[shared.VMName], snapshot: Snapshot) -> Selection:
    found: list[VMI] = []
    missing: list[str] = []
    for name in names:
        vmi = snapshot.vmis.get((name.namespace, name.name))
        if vmi is None or vmi.final:
            missing.append(f"{name.namespace}/{name.name}")
        else:
            found.append(vmi)
    return Selection(tuple(found), tuple(missing))


def on_nodes(vmis: Iterable[VMI], nodes: frozenset[str], index: Index) -> list[VMI]:
    """Those whose guest, or any launcher pod that has not ended, is on one of the nodes.

    A pod counts although the guest is elsewhere: it may be the target of a migration somebody else made, or a source
    pod that is still ending, and the node is not empty before it is gone.
    """
    return [v for v in vmis if v.node in nodes or any(pod.node in nodes for pod in index.pods_of(v))]
