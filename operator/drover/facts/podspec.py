"""A pod's spec, as far as the scheduler's filters read it (kubernetes pkg/apis/core/types.go)."""

import msgspec

from drover.facts.selector import LabelSelector, NodeSelectorTerm, Toleration
from drover.facts.wire import Wire


class ResourceRequirements(Wire, frozen=True, kw_only=True):
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class ContainerPort(Wire, frozen=True, kw_only=True):
    host_port: int = 0
    host_ip: str = msgspec.field(name="hostIP", default="")
    protocol: str = "TCP"


class Container(Wire, frozen=True, kw_only=True):
    name: str
    resources: ResourceRequirements = ResourceRequirements()
    restart_policy: str = ""
    ports: tuple[ContainerPort, ...] = ()


class NodeSelector(Wire, frozen=True, kw_only=True):
    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


class NodeAffinity(Wire, frozen=True, kw_only=True):
    required: NodeSelector | None = msgspec.field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)


class PodAffinityTerm(Wire, frozen=True, kw_only=True):
    """Pods that attract or repel. A selector that is absent matches no pod, an empty one every pod; a namespace
    selector that is absent stands for the pod's own namespace, unless namespaces are named."""

    topology_key: str
    label_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class PodAffinity(Wire, frozen=True, kw_only=True):
    """Affinity or anti-affinity, as far as it is required."""

    required: tuple[PodAffinityTerm, ...] = msgspec.field(
        name="requiredDuringSchedulingIgnoredDuringExecution", default=()
    )


class Affinity(Wire, frozen=True, kw_only=True):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


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


class Claim(Wire, frozen=True, kw_only=True):
    claim_name: str = ""


class Volume(Wire, frozen=True, kw_only=True):
    """A volume, if it is a claim: `ephemeral` ones have a claim named after pod and volume."""

    name: str = ""
    persistent_volume_claim: Claim | None = None
    ephemeral: dict[str, msgspec.Raw] | None = None


class ResourceClaim(Wire, frozen=True, kw_only=True):
    """A claim for devices (DRA), which only the scheduler can allocate."""

    name: str = ""


class PodSpec(Wire, frozen=True, kw_only=True):
    node_name: str = ""
    scheduler_name: str = "default-scheduler"
    priority: int = 0
    priority_class_name: str = ""
    runtime_class_name: str = ""
    host_network: bool = False
    resources: ResourceRequirements | None = None
    resource_claims: tuple[ResourceClaim, ...] = ()
    volumes: tuple[Volume, ...] = ()
    node_selector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    overhead: dict[str, str] = {}
    topology_spread_constraints: tuple[SpreadConstraint, ...] = ()
