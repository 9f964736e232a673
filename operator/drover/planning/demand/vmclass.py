"""What a VM asks of a node: the demands its target pod will have. VMs that ask the same are one class.

The target pod is rendered by the code that rendered the running launcher pod (kubevirt
pkg/virt-controller/services/template.go), so the running pod's spec is the truth to start from; what differs for a
target is applied in `planning.demand.rendering` and `planning.demand.selection`.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from drover.facts.kubevirt import VMI, KubeVirt
from drover.facts.node import Node
from drover.facts.pod import HostPort, Pod
from drover.facts.podspec import SpreadConstraint
from drover.facts.quantity import Resources, total
from drover.facts.requests import asked
from drover.facts.selector import LabelSelector, NodeSelectorTerm, Requirement, Toleration
from drover.planning.demand import attachment, rendering, selection
from drover.planning.demand.volumes import NO_VOLUMES, Volumes

GUEST_MEMORY = "guest memory"
"""A resource of our own: guest memory plus overhead against allocatable memory, whatever was requested. Overcommitted
requests end in OOM kills."""

DEFAULT_SCHEDULER = "default-scheduler"


class Spread(msgspec.Struct, frozen=True, cache_hash=True):
    """A topology spread constraint that forbids, for pods of one namespace; `matches_itself`: the VM's pod counts."""

    namespace: str
    key: str
    max_skew: int
    min_domains: int
    selector: tuple[Requirement, ...]
    honors_affinity: bool
    honors_taints: bool
    matches_itself: bool


class VMClass(msgspec.Struct, frozen=True, cache_hash=True):
    """The demands, hashable so that equal VMs fall together.

    `requests` in the units of `facts.quantity`, sorted by name, GUEST_MEMORY among them. `former` are labels that its
    running pod selects for a reason nobody knows any more. `off_network`: there is a migration network, and its node's
    virt-handler is not in it. `beyond` is what we do not model of it, in words that follow
    "a VM that".
    """

    requests: tuple[tuple[str, int], ...]
    node_selector: tuple[tuple[str, str], ...]
    affinity: tuple[NodeSelectorTerm, ...] | None
    """The terms, one of which must match; None if there are none to match."""
    tolerations: tuple[Toleration, ...]
    spread: tuple[Spread, ...] = ()
    former: tuple[tuple[str, str], ...] = ()
    ports: tuple[HostPort, ...] = ()
    volumes: Volumes = NO_VOLUMES
    off_network: bool = False
    beyond: tuple[str, ...] = ()

    @property
    def label_keys(self) -> frozenset[str]:
        """The node labels that the checks of one node look at."""
        terms = {r.key for term in (*(self.affinity or ()), *self.volumes.terms) for r in term.match_expressions}
        selected = {key for key, _ in (*self.node_selector, *self.former)}
        return frozenset(terms | selected | self.volumes.label_keys)

    @property
    def fields(self) -> bool:
        """Whether they also look at the node's name (matchFields)."""
        return any(term.match_fields for term in (*(self.affinity or ()), *self.volumes.terms))


def classify(
    vmi: VMI,
    pod: Pod,
    source: Node | None,
    kubevirt: KubeVirt | None,
    *,
    added: Mapping[str, str] | None = None,
    volumes: Volumes = NO_VOLUMES,
    off_network: bool = False,
) -> VMClass:
    """The class of a VM: `pod` is the one its guest runs in, `source` the node that pod is on, `added` the selector of
    the migration that made the pod, if one did and it is known."""
    everywhere = kubevirt.node_selectors if kubevirt is not None else {}
    selector, former = selection.node_selector(vmi, pod, source, everywhere, added)
    return VMClass(
        requests=tuple(sorted(target_demand(vmi, pod, kubevirt).items())),
        node_selector=tuple(sorted(selector.items())),
        affinity=selection.node_terms(vmi, pod),
        tolerations=selection.tolerations(vmi, pod),
        spread=_spread(pod),
        former=tuple(sorted(former.items())),
        ports=pod.ports(),
        volumes=volumes,
        off_network=off_network,
        beyond=_beyond(pod, volumes),
    )


def _beyond(pod: Pod, volumes: Volumes) -> tuple[str, ...]:
    """A volume that waits to be plugged in keeps no target pod away, but perhaps the pod that will attach it."""
    said = [f"waits for the claim {name} to be bound and plugged in" for name in volumes.pending]
    anew = (volume.name for volume in pod.spec.volumes if volume.ephemeral is not None)
    said += [f"has a volume that is made for each pod anew ({name})" for name in anew]
    said += [f"has the volume {name} of an in-tree plugin that a CSI driver replaces" for name in volumes.translated]
    if pod.spec.resource_claims or pod.claimed:
        said.append("claims devices that only the scheduler can allocate (DRA)")
    if pod.spec.scheduler_name != DEFAULT_SCHEDULER:
        said.append(f"has a scheduler of its own ({pod.spec.scheduler_name})")
    return tuple(said)


def _spread(pod: Pod) -> tuple[Spread, ...]:
    asked = pod.spec.topology_spread_constraints
    return tuple(_forbidding(each, pod) for each in asked if each.when_unsatisfiable == "DoNotSchedule")


def _forbidding(constraint: SpreadConstraint, pod: Pod) -> Spread:
    """`matchLabelKeys` narrow the selector to the pod's own values (podtopologyspread/common.go). The API server
    refuses a constraint without a selector; by one that is empty the scheduler counts nobody, but the pod itself."""
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
    """What a pod holds where it is, and the memory of its guest with its overhead (at least the request)."""
    return _with_guest(vmi, pod, pod.requests())


def target_demand(vmi: VMI, pod: Pod, kubevirt: KubeVirt | None) -> Resources:
    """What the target pod will request of what nodes say they have, and the pod beside it if the VM has hotplugged
    volumes."""
    target, beside = rendering.as_target(vmi, pod, kubevirt), attachment.attachment(vmi, kubevirt)
    whole = _with_guest(vmi, target, _unclaimed(asked(target.spec), pod.claimed))
    return total([whole, demand(None, beside)]) if beside is not None else whole


def _unclaimed(requests: Mapping[str, int], claimed: frozenset[str]) -> Mapping[str, int]:
    return {name: amount for name, amount in requests.items() if name not in claimed} if claimed else requests


def _pages(requests: Mapping[str, int]) -> int:
    return sum([requests[name] for name in _page_names(tuple(requests))])


@lru_cache(maxsize=1024)
def _page_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the resources that are huge pages: few pods ask for any, and each is asked."""
    return tuple(name for name in names if name.startswith("hugepages-"))


def _with_guest(vmi: VMI | None, pod: Pod, requests: Mapping[str, int]) -> Resources:
    return {**requests, GUEST_MEMORY: guest_memory(vmi, pod, requests)}


def guest_memory(vmi: VMI | None, pod: Pod, requests: Mapping[str, int]) -> int:
    """Bytes of GUEST_MEMORY of a pod with these requests. A guest on huge pages is no ordinary memory: the kubelet
    takes those pages off what it offers as memory."""
    asked_memory = requests.get("memory", 0)
    if vmi is None:
        return asked_memory
    return max(max(0, vmi.guest_memory() - _pages(requests)) + rendering.overhead(vmi, pod), asked_memory)
