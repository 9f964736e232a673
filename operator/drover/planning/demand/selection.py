"""Which nodes a target pod selects: labels, node affinity and tolerations as KubeVirt will render them.

kubevirt pkg/virt-controller/services/nodeselectorrenderer.go, and template.go for migrations. A running pod that was
itself a migration's target carries that migration's addedNodeSelector, which is not repeated.
"""

from collections.abc import Mapping
from functools import lru_cache

from drover.facts.kubevirt import HOSTNAME, VMI
from drover.facts.node import CPU_VENDOR, MIGRATION_MODEL, Node
from drover.facts.pod import Pod
from drover.facts.podspec import Affinity
from drover.facts.selector import NodeSelectorTerm, Requirement, Toleration

_MACHINE = "machine-type.node.kubevirt.io/"
_ARCH = "kubernetes.io/arch"

Selector = dict[str, str]


def node_selector(
    vmi: VMI, pod: Pod, source: Node | None, cluster: Mapping[str, str], added: Mapping[str, str] | None
) -> tuple[Selector, Selector]:
    """The labels it will select for certain; and those that only the running pod selects, nobody knows why.

    KubeVirt's own keys are as on the running pod, the VM's as they are now, the migration's from the source node.
    """
    selector = {key: value for key, value in pod.spec.node_selector.items() if _is_kubevirts(key)}
    selector |= _machine_type(vmi, selector)
    if source is not None:
        selector |= _cpu(vmi, selector, source)
    certain, former = _others(vmi, pod, added)
    return {**selector, **certain, **cluster, **vmi.spec.node_selector}, former


def _others(vmi: VMI, pod: Pod, added: Mapping[str, str] | None) -> tuple[Selector, Selector]:
    """What somebody else put on the running pod: a RuntimeClass, which will do it again; the migration that made the
    pod, which will not, and nobody else names a host. The rest is an admission plugin's (a project's default selector),
    which will do it again, or the VM's own until its spec was changed: nobody can tell."""
    dropped = {HOSTNAME, *vmi.spec.node_selector, *(added or ())}
    theirs = {
        key: value for key, value in pod.spec.node_selector.items() if not _is_kubevirts(key) and key not in dropped
    }
    return (theirs, {}) if pod.spec.runtime_class_name else ({}, theirs)


@lru_cache(maxsize=4096)
def _is_kubevirts(key: str) -> bool:
    domain = key.split("/", 1)[0]
    return key == _ARCH or domain == "kubevirt.io" or domain.endswith(".kubevirt.io")


def _machine_type(vmi: VMI, selector: Selector) -> Selector:
    """A target must offer the machine type the guest got, not the alias its first pod asked for."""
    machine = vmi.status.machine.type if vmi.status.machine else ""
    if not machine:
        return {}
    for key in [key for key in selector if key.startswith(_MACHINE)]:
        del selector[key]
    return {_MACHINE + machine: "true"}


def _cpu(vmi: VMI, selector: Mapping[str, str], source: Node) -> Selector:
    """A host-model guest keeps the model and features of the node it first ran on, and every guest its CPU vendor."""
    added: Selector = {}
    if vmi.host_model and not any(key.startswith(MIGRATION_MODEL) for key in selector):
        added |= source.host_model
    if not any(key.startswith(CPU_VENDOR) for key in selector):
        added |= source.cpu_vendor
    return added


def node_terms(vmi: VMI, pod: Pod) -> tuple[NodeSelectorTerm, ...] | None:
    """The required node affinity: the VM's as it is now, with what KubeVirt adds to each of its terms as on the running
    pod (modifyNodeAffintyToRejectLabel). None if there is none."""
    running = _required(pod.spec.affinity)
    if vmi.spec.affinity is None or running is None:
        return running if running is not None else _required(vmi.spec.affinity)
    wanted = _required(vmi.spec.affinity)
    added = _kubevirts(running)
    if wanted is None:
        return (NodeSelectorTerm(match_expressions=added),) if added else None
    return tuple(_with(term, added) for term in wanted)


def _required(affinity: Affinity | None) -> tuple[NodeSelectorTerm, ...] | None:
    node_affinity = affinity.node_affinity if affinity is not None else None
    required = node_affinity.required if node_affinity is not None else None
    return required.node_selector_terms if required is not None else None


def _kubevirts(terms: tuple[NodeSelectorTerm, ...]) -> tuple[Requirement, ...]:
    """What KubeVirt rejects: an obsolete host model, a CPU feature that the VM forbids."""
    found = (
        requirement
        for term in terms
        for requirement in term.match_expressions
        if requirement.operator == "DoesNotExist" and _is_kubevirts(requirement.key)
    )
    return tuple(sorted(set(found), key=lambda r: r.key))


def _with(term: NodeSelectorTerm, added: tuple[Requirement, ...]) -> NodeSelectorTerm:
    more = tuple(requirement for requirement in added if requirement not in term.match_expressions)
    return NodeSelectorTerm(match_expressions=(*term.match_expressions, *more), match_fields=term.match_fields)


def tolerations(vmi: VMI, pod: Pod) -> tuple[Toleration, ...]:
    """The VM's as they are now, and those the running pod has: most of what is not the VM's comes from admission."""
    known = set(pod.spec.tolerations)
    return (*pod.spec.tolerations, *(each for each in vmi.spec.tolerations if each not in known))


def affinity(vmi: VMI, pod: Pod) -> Affinity | None:
    """Affinity between pods: the VM's as it is now, else as the running pod has it."""
    return vmi.spec.affinity if vmi.spec.affinity is not None else pod.spec.affinity


def pins_host(selector: tuple[tuple[str, str], ...]) -> str | None:
    """The hostname the VM's own selector names, if it does: then no other node can ever take it."""
    return dict(selector).get(HOSTNAME)
