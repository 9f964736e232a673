"""A Pod, as far as the scheduler's filters and the evacuation read it."""

import msgspec

from drover.facts.quantity import Resources, largest, resources, total
from drover.facts.selector import LabelSelector, NodeSelectorTerm, Toleration
from drover.facts.wire import Condition, Metadata, Wire, find

LAUNCHER = "virt-launcher"
MIGRATION_JOB_UID = "kubevirt.io/migrationJobUID"
CREATED_BY = "kubevirt.io/created-by"


class PodAnnotations(Wire, frozen=True, kw_only=True):
    memory_overhead: str = msgspec.field(name="kubevirt.io/memory-overhead-bytes", default="")
    domain: str = msgspec.field(name="kubevirt.io/domain", default="")


class PodMetadata(Metadata, frozen=True, kw_only=True):
    annotations: PodAnnotations = PodAnnotations()


class ResourceRequirements(Wire, frozen=True, kw_only=True):
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class Container(Wire, frozen=True, kw_only=True):
    name: str
    resources: ResourceRequirements = ResourceRequirements()
    restart_policy: str = ""


class NodeSelector(Wire, frozen=True, kw_only=True):
    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


class NodeAffinity(Wire, frozen=True, kw_only=True):
    required: NodeSelector | None = msgspec.field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)


class Affinity(Wire, frozen=True, kw_only=True):
    node_affinity: NodeAffinity | None = None


class SpreadConstraint(Wire, frozen=True, kw_only=True):
    """Defaults: kubernetes pkg/apis/core/types.go, TopologySpreadConstraint."""

    topology_key: str
    max_skew: int
    when_unsatisfiable: str
    min_domains: int = 1
    label_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"


class PodSpec(Wire, frozen=True, kw_only=True):
    node_name: str = ""
    node_selector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    overhead: dict[str, str] = {}
    priority: int = 0
    topology_spread_constraints: tuple[SpreadConstraint, ...] = ()


class PodStatus(Wire, frozen=True, kw_only=True):
    phase: str = ""
    conditions: tuple[Condition, ...] = ()


class Pod(Wire, frozen=True, kw_only=True):
    metadata: PodMetadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def node(self) -> str:
        """The node it is bound to, or the empty string."""
        return self.spec.node_name

    @property
    def terminal(self) -> bool:
        """Whether its containers have ended for good, so that it holds no room and no guest."""
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def is_launcher(self) -> bool:
        return self.metadata.labels.get("kubevirt.io") == LAUNCHER

    @property
    def vmi_uid(self) -> str:
        """The UID of the VMI that controls it, or the empty string."""
        owner = self.metadata.controller()
        return owner.uid if owner is not None and owner.kind == "VirtualMachineInstance" else ""

    @property
    def migration_uid(self) -> str:
        """The UID of the migration it was the target of, or the empty string. It stays for the pod's whole life."""
        return self.metadata.labels.get(MIGRATION_JOB_UID, "")

    def unschedulable(self) -> str | None:
        """The scheduler's message when it found no node, else None."""
        condition = find(self.status.conditions, "PodScheduled")
        if condition is None or condition.status != "False" or condition.reason != "Unschedulable":
            return None
        return condition.message or "no message"

    def requests(self) -> Resources:
        """What the scheduler reserves: containers and restartable init containers together, or the largest moment of
        the init phase, plus overhead and the pod itself (component-helpers resource/helpers.go PodRequests)."""
        return _requests(self.spec)


def _requests(spec: PodSpec) -> Resources:
    sidecars: Resources = {}
    peak: Resources = {}
    for container in spec.init_containers:
        mine = resources(container.resources.requests)
        if container.restart_policy == "Always":
            sidecars = total([sidecars, mine])
            mine = {}
        peak = largest(peak, total([sidecars, mine]))
    running = total([sidecars, *(resources(c.resources.requests) for c in spec.containers)])
    return total([largest(running, peak), resources(spec.overhead), {"pods": 1}])
