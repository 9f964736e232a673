"""Does the VM select the node, and tolerate it? kube-scheduler's TaintToleration and NodeAffinity."""

from drover.facts.node import Node
from drover.facts.selector import NodeSelectorTerm, untolerated
from drover.planning.checks.check import Answer, NodeCheck, Objection
from drover.planning.demand.vmclass import VMClass

_MEANT = {
    "cpu-model.node.kubevirt.io": "the CPU model",
    "cpu-model-migration.node.kubevirt.io": "the CPU model of the VM's first host,",
    "cpu-feature.node.kubevirt.io": "the CPU feature",
    "cpu-vendor.node.kubevirt.io": "the CPU vendor",
    "machine-type.node.kubevirt.io": "the machine type",
    "hyperv.node.kubevirt.io": "the Hyper-V feature",
    "scheduling.node.kubevirt.io": "the",
}


def tainted(vm_class: VMClass, node: Node) -> Objection | None:
    taint = untolerated(node.spec.taints, vm_class.tolerations)
    return Objection(f"has the taint {taint}, which the VM does not tolerate") if taint else None


def not_selected(vm_class: VMClass, node: Node) -> Objection | None:
    lacking = [(key, value) for key, value in vm_class.node_selector if node.labels.get(key) != value]
    return Objection(f"lacks {_named(*lacking[0])}") if lacking else None


def _named(key: str, value: str) -> str:
    """What a label of KubeVirt's stands for (nodeselectorrenderer.go), or the label."""
    prefix, _, rest = key.partition("/")
    if prefix in _MEANT and value == "true":
        return f"{_MEANT[prefix]} {rest}"
    return f"the label {key}={value}"


def not_named(vm_class: VMClass, node: Node) -> Objection | None:
    """If all terms name nodes, kube-scheduler looks at no other (NodeAffinity PreFilter)."""
    named = [_names(term) for term in vm_class.affinity or ()]
    if not named or any(names is None or node.name in names for names in named):
        return None
    return Objection("is none of those that the VM's required node affinity names")


def _names(term: NodeSelectorTerm) -> frozenset[str] | None:
    """The nodes it names; None if it names none."""
    said = [
        frozenset(each.values) for each in term.match_fields if (each.key, each.operator) == ("metadata.name", "In")
    ]
    return frozenset.intersection(*said) if said else None


def not_affine(vm_class: VMClass, node: Node) -> Objection | None:
    terms = vm_class.affinity
    if terms is None or any(term.matches(node.name, node.labels) for term in terms):
        return None
    return Objection("does not match the VM's required node affinity")


def formerly_selected(vm_class: VMClass, node: Node) -> Objection | None:
    """A target pod selects it again if an admission plugin added it, and does not if the VM's spec has changed."""
    lacking = [f"{key}={value}" for key, value in vm_class.former if node.labels.get(key) != value]
    if not lacking:
        return None
    words = f"lacks the label {lacking[0]}, which the running pod selects and the VM's spec does not"
    return Objection(words, Answer.UNKNOWN)


TAINT = NodeCheck("Taint", "TaintToleration", tainted, "remove the taint or let the VM tolerate it")
NAMED = NodeCheck("NotNamed", "NodeAffinity", not_named, "name a further node in the VM's node affinity, or none")
NODE_SELECTOR = NodeCheck(
    "NodeSelector",
    "NodeAffinity",
    not_selected,
    "label a further node, or relax the VM's nodeSelector or CPU model",
)
NODE_AFFINITY = NodeCheck(
    "NodeAffinity", "NodeAffinity", not_affine, "relax the VM's node affinity or label a further node"
)
FORMER_SELECTOR = NodeCheck(
    "FormerSelector", "NodeAffinity", formerly_selected, "see who put the label on the pod's nodeSelector"
)
