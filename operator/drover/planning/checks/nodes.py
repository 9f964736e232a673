"""Is the node fit to take anything at all? Cordoned, not ready, under pressure, not KubeVirt's."""

from drover.facts.kubevirt import HOSTNAME
from drover.facts.node import Node
from drover.planning.checks.check import Answer, NodeCheck, Objection
from drover.planning.demand.vmclass import VMClass


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


def unpinned(_: VMClass, node: Node) -> Objection | None:
    """A label is all that KubeVirt's addedNodeSelector pins by: a migration to a node without it never ends, and where
    two have the same nobody knows on which of them."""
    if HOSTNAME not in node.labels:
        return Objection(f"lacks the label {HOSTNAME}, by which migrations are pinned")
    if not node.namesakes:
        return None
    others = ", ".join(node.namesakes)
    return Objection(f"has the same label {HOSTNAME} as {others}: a migration may end there", Answer.UNKNOWN)


UNPINNED = NodeCheck("Hostname", "", unpinned, f"give each node a label {HOSTNAME} of its own, as its kubelet does")
CORDONED = NodeCheck("Cordoned", "NodeUnschedulable", cordoned, "uncordon a node that can take it")
NOT_READY = NodeCheck("NotReady", "TaintToleration", not_ready, "bring the node back")
PRESSURE = NodeCheck("Pressure", "TaintToleration", pressure, "free memory, disk or processes on the node")
NOT_FOR_KUBEVIRT = NodeCheck("NotForKubeVirt", "NodeAffinity", not_kubevirts, "see why virt-handler does not run there")
SILENT = NodeCheck("Silent", "", silent, "see why virt-handler is silent there")
