"""The immutable view of the cluster that one round decides on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from drover.api.maintenance import NodeMaintenance
from drover.api.plan import MigrationPlan
from drover.api.report import MigrationReport
from drover.facts.kubevirt import CRD, VMI, VMIM, KubeVirt
from drover.facts.namespace import Namespace, PodDisruptionBudget, ResourceQuota
from drover.facts.node import Node
from drover.facts.pod import Pod
from drover.facts.policy import MigrationPolicy
from drover.facts.storage import CSINode, PersistentVolume, PersistentVolumeClaim, VolumeAttachment
from drover.facts.wire import Key

V = TypeVar("V")
STALE_AFTER_SECONDS = 90.0


def nothing() -> Mapping[Key, V]:
    """An empty, immutable mapping."""
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write the API server refused with 400, 403, 409 or 429. decide backs off on it, status shows it.

    `key` names what was to be written ("start <vmi uid>", "cordon <node>"), `tries` counts refusals in a row.
    """

    key: str
    reason: str
    message: str
    at: datetime
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was known when a round began. Everything in it is immutable; nothing in it is written to.

    `stale` names the resources whose watch has been silent for longer than 90 s, or that were never listed: while it
    is not empty nothing is started. Policies are not among them: only forecasts read those. `unlisted` are those of
    them that were never listed since we began: what is not in here may be there all the same. `illegible` are objects
    that cannot be read, by resource, name and UID: they are not in here, and are not gone. `gone` are our own
    migrations that were deleted after we saw them and whose end is not in a report yet, as they were seen last: a
    cache, lost with the process. `absent` names resources whose kind the API server does not serve (KubeVirt is not
    installed).
    """

    nodes: Mapping[Key, Node] = field(default_factory=nothing)
    pods: Mapping[Key, Pod] = field(default_factory=nothing)
    vmis: Mapping[Key, VMI] = field(default_factory=nothing)
    vmims: Mapping[Key, VMIM] = field(default_factory=nothing)
    gone: Mapping[Key, VMIM] = field(default_factory=nothing)
    kubevirts: Mapping[Key, KubeVirt] = field(default_factory=nothing)
    crds: Mapping[Key, CRD] = field(default_factory=nothing)
    policies: Mapping[Key, MigrationPolicy] = field(default_factory=nothing)
    namespaces: Mapping[Key, Namespace] = field(default_factory=nothing)
    quotas: Mapping[Key, ResourceQuota] = field(default_factory=nothing)
    budgets: Mapping[Key, PodDisruptionBudget] = field(default_factory=nothing)
    pvcs: Mapping[Key, PersistentVolumeClaim] = field(default_factory=nothing)
    pvs: Mapping[Key, PersistentVolume] = field(default_factory=nothing)
    csinodes: Mapping[Key, CSINode] = field(default_factory=nothing)
    attachments: Mapping[Key, VolumeAttachment] = field(default_factory=nothing)
    plans: Mapping[Key, MigrationPlan] = field(default_factory=nothing)
    maintenances: Mapping[Key, NodeMaintenance] = field(default_factory=nothing)
    reports: Mapping[Key, MigrationReport] = field(default_factory=nothing)
    refusals: Mapping[str, Refusal] = field(default_factory=lambda: MappingProxyType({}))
    heard: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    stale: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    illegible: frozenset[tuple[str, str, str]] = frozenset()
    absent: frozenset[str] = frozenset()

    @property
    def kubevirt(self) -> KubeVirt | None:
        """The KubeVirt CR; there is one in a working installation (virt-operator refuses a second)."""
        return next(iter(self.kubevirts.values()), None)

    def node(self, name: str) -> Node | None:
        return self.nodes.get(("", name))

    def plan(self, name: str) -> MigrationPlan | None:
        return self.plans.get(("", name))
