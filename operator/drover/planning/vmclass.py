"""What a VM asks of a node: the demands its target pod will have. VMs that ask the same are one class.

The target pod is rendered by the code that rendered the running launcher pod (kubevirt
pkg/virt-controller/services/template.go), so the running pod's spec is the truth to start from; what differs for a
target is applied here (nodeselectorrenderer.go, and template.go for migrations).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from drover.facts.kubevirt import HOSTNAME, VMI
from drover.facts.node import Node
from drover.facts.pod import Pod, SpreadConstraint
from drover.facts.quantity import Resources, units
from drover.facts.selector import LabelSelector, NodeSelectorTerm, Requirement, Toleration

GUEST_MEMORY = "guest memory"
"""A resource of our own: guest memory plus overhead against allocatable memory, whatever was requested. Overcommitted
requests end in OOM kills."""

_MIGRATION_MODEL = "cpu-model-migration.node.kubevirt.io/"
_HOST_MODEL = "host-model-cpu.node.kubevirt.io/"
_HOST_FEATURES = "host-model-required-features.node.kubevirt.io/"
_CPU_FEATURE = "cpu-feature.node.kubevirt.io/"
_CPU_VENDOR = "cpu-vendor.node.kubevirt.io/"
_MACHINE = "machine-type.node.kubevirt.io/"
_ARCH = "kubernetes.io/arch"


@dataclass(frozen=True, slots=True)
class Spread:
    """A topology spread constraint that forbids, for pods of one namespace; `matches_itself`: the VM's pod counts."""

    namespace: str
    key: str
    max_skew: int
    min_domains: int
    selector: tuple[Requirement, ...]
    honors_affinity: bool
    honors_taints: bool
    matches_itself: bool

    def counts(self, labels: Mapping[str, str]) -> bool:
        """Whether a pod with these labels, in this namespace, is one of those to be spread."""
        return all(requirement.matches(labels) for requirement in self.selector)


@dataclass(frozen=True, slots=True)
class VMClass:
    """The demands, hashable so that equal VMs fall together.

    `requests` in the units of `facts.quantity`, sorted by name, GUEST_MEMORY among them.
    """

    requests: tuple[tuple[str, int], ...]
    node_selector: tuple[tuple[str, str], ...]
    affinity: tuple[NodeSelectorTerm, ...]
    tolerations: tuple[Toleration, ...]
    spread: tuple[Spread, ...] = ()

    @property
    def label_keys(self) -> frozenset[str]:
        """The node labels its placement depends on."""
        terms = {r.key for term in self.affinity for r in term.match_expressions}
        return frozenset(terms | {key for key, _ in self.node_selector})

    @property
    def fields(self) -> bool:
        """Whether it also depends on the node's name (matchFields)."""
        return any(term.match_fields for term in self.affinity)


def classify(vmi: VMI, pod: Pod, source: Node | None, cluster_selectors: Mapping[str, str]) -> VMClass:
    """The class of a VM: `pod` is the one its guest runs in, `source` the node that pod is on."""
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    terms = affinity.required.node_selector_terms if affinity and affinity.required else ()
    return VMClass(
        requests=tuple(sorted(demand(vmi, pod).items())),
        node_selector=tuple(sorted(_node_selector(vmi, pod, source, cluster_selectors).items())),
        affinity=terms,
        tolerations=pod.spec.tolerations,
        spread=_spread(pod),
    )


def _spread(pod: Pod) -> tuple[Spread, ...]:
    asked = pod.spec.topology_spread_constraints
    return tuple(_forbidding(each, pod) for each in asked if each.when_unsatisfiable == "DoNotSchedule")


def _forbidding(constraint: SpreadConstraint, pod: Pod) -> Spread:
    """`matchLabelKeys` narrow the selector to the pod's own values (podtopologyspread/common.go). The API server
    refuses a constraint without a selector; one that is empty counts every pod of the namespace."""
    labels = pod.metadata.labels
    selector = constraint.label_selector or LabelSelector()
    keys = {key: labels[key] for key in constraint.match_label_keys if key in labels}
    wanted = (*selector.requirements(), *LabelSelector(match_labels=keys).requirements())
    return Spread(
        namespace=pod.metadata.namespace,
        key=constraint.topology_key,
        max_skew=constraint.max_skew,
        min_domains=constraint.min_domains,
        selector=wanted,
        honors_affinity=constraint.node_affinity_policy == "Honor",
        honors_taints=constraint.node_taints_policy == "Honor",
        matches_itself=all(requirement.matches(labels) for requirement in wanted),
    )


def demand(vmi: VMI | None, pod: Pod) -> Resources:
    """What the target pod will request, and the guest's memory with its overhead (at least the request).

    A guest on huge pages is no ordinary memory: the kubelet takes those pages off what it offers as memory.
    """
    requests = pod.requests()
    pages = sum(amount for name, amount in requests.items() if name.startswith("hugepages-"))
    guest = max(0, vmi.guest_memory() - pages) + _overhead(vmi, pod) if vmi is not None else 0
    return {**requests, GUEST_MEMORY: max(guest, requests.get("memory", 0))}


def _overhead(vmi: VMI, pod: Pod) -> int:
    """Bytes on top of the guest: KubeVirt writes them on the pod (>= 1.8) and in the VMI's status."""
    text = pod.metadata.annotations.memory_overhead or (vmi.status.memory.memory_overhead if vmi.status.memory else "")
    try:
        return units(text) if text else 0
    except ValueError:
        # An annotation, and so anybody's: the request still counts.
        return 0


def _node_selector(vmi: VMI, pod: Pod, source: Node | None, cluster: Mapping[str, str]) -> dict[str, str]:
    """KubeVirt's own keys as on the running pod, the VM's as they are now, the migration's from the source node.

    A running pod that was itself a migration's target carries that migration's addedNodeSelector: it is not repeated.
    """
    selector = {key: value for key, value in pod.spec.node_selector.items() if _is_kubevirts(key)}
    selector |= _machine_type(vmi, selector)
    if source is not None:
        selector |= _cpu(vmi, selector, source)
    return {**selector, **cluster, **vmi.spec.node_selector}


def _is_kubevirts(key: str) -> bool:
    domain = key.split("/", 1)[0]
    return key == _ARCH or domain == "kubevirt.io" or domain.endswith(".kubevirt.io")


def _machine_type(vmi: VMI, selector: dict[str, str]) -> dict[str, str]:
    """A target must offer the machine type the guest got, not the alias its first pod asked for."""
    machine = vmi.status.machine.type if vmi.status.machine else ""
    if not machine:
        return {}
    for key in [key for key in selector if key.startswith(_MACHINE)]:
        del selector[key]
    return {_MACHINE + machine: "true"}


def _cpu(vmi: VMI, selector: Mapping[str, str], source: Node) -> dict[str, str]:
    """A host-model guest keeps the model and features of the node it first ran on, and every guest its CPU vendor."""
    added: dict[str, str] = {}
    if vmi.host_model and not any(key.startswith(_MIGRATION_MODEL) for key in selector):
        for key in source.labels:
            if key.startswith(_HOST_MODEL):
                added[_MIGRATION_MODEL + key.removeprefix(_HOST_MODEL)] = "true"
            elif key.startswith(_HOST_FEATURES):
                added[_CPU_FEATURE + key.removeprefix(_HOST_FEATURES)] = "true"
    if not any(key.startswith(_CPU_VENDOR) for key in selector):
        added |= {key: "true" for key in source.labels if key.startswith(_CPU_VENDOR)}
    return added


def pins_host(vm_class: VMClass) -> str | None:
    """The hostname the VM's own selector names, if it does: then no other node can ever take it."""
    return dict(vm_class.node_selector).get(HOSTNAME)
