"""Is the node fit to take anything at all? Cordoned, not ready, under pressure, not KubeVirt's."""

from drover.facts.kubevirt import HOSTNAME
from drover.facts.node import Node
from drover.planning.checks.check import FleetCheck, NodeCheck, Objection
from drover.planning.demand.guest import Guest
from drover.planning.demand.vmclass import VMClass
from drover.planning.site.fleet import Fleet
from drover.planning.site.topology import Mask, Topology


def cordoned(_: VMClass, node: Node) -> Objection | None:
    """Whatever the VM tolerates: somebody wants the node to be left alone."""
    return Objection("is cordoned") if node.cordoned else None


def not_ready(_: VMClass, node: Node) -> Objection | None:
    return None if node.ready else Objection("is not Ready")


def pressure(_: VMClass, node: Node) -> Objection | None:
    kind = node.pressure()
    return Objection(f"is under {kind}") if kind else None


def not_kubevirts(_: VMClass, node: Node) -> Objection | None:
    """virt-handler says "true" with a live heartbeat; virt-controller "false" when it is older than 5 minutes."""
    if node.usable_by_kubevirt:
        return None
    return Objection("is not usable for KubeVirt (label kubevirt.io/schedulable)")


def silent(_: VMClass, node: Node) -> Objection | None:
    """The target's virt-handler has to prepare the guest and take it over: without it the migration would wait for
    ever. Only as long as virt-controller has not written it into the label yet."""
    return Objection("has had no heartbeat of its virt-handler for 5 minutes") if node.silent else None


def pinnable(topology: Topology) -> Mask:
    """bool[nodes]: whether the label by which a migration is pinned means the node, and no other."""
    domains, many = topology.domains(HOSTNAME), topology.domains(HOSTNAME).zeros()
    for domain in domains.of.tolist():
        many[domain] += 1
    result: Mask = domains.has & (many[domains.of] == 1)
    return result


def may_be_pinned(_: Guest, fleet: Fleet) -> Mask:
    return pinnable(fleet.classes.topology)


def not_pinnable(_: Guest, fleet: Fleet, node: int) -> str | None:
    return unpinned(fleet.classes.topology, node)


def unpinned(topology: Topology, node: int) -> str | None:
    """Why a migration cannot be pinned to the node, in words that follow "the node". A selector is all that KubeVirt's
    addedNodeSelector has: one that means two nodes may end on the other, one that means none never ends."""
    hostname = topology.nodes[node].labels.get(HOSTNAME)
    if hostname is None:
        return f"lacks the label {HOSTNAME}, by which migrations are pinned"
    others = [each.name for n, each in enumerate(topology.nodes) if n != node and each.labels.get(HOSTNAME) == hostname]
    return f"has the same label {HOSTNAME} as {', '.join(others)}, by which migrations are pinned" if others else None


UNPINNED = FleetCheck(
    "Hostname", "", may_be_pinned, not_pinnable, f"give each node a label {HOSTNAME} of its own, as its kubelet does"
)
CORDONED = NodeCheck("Cordoned", "NodeUnschedulable", cordoned, "uncordon a node that can take it")
NOT_READY = NodeCheck("NotReady", "TaintToleration", not_ready, "bring the node back")
PRESSURE = NodeCheck("Pressure", "TaintToleration", pressure, "free memory, disk or processes on the node")
NOT_FOR_KUBEVIRT = NodeCheck("NotForKubeVirt", "NodeAffinity", not_kubevirts, "see why virt-handler does not run there")
SILENT = NodeCheck("Silent", "", silent, "see why virt-handler is silent there")
