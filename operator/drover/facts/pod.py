"""A Pod, as far as the scheduler's filters and the evacuation read it."""

from collections.abc import Mapping
from functools import cached_property

import msgspec

from drover.facts.podspec import PodSpec, ResourceRequirements, Volume
from drover.facts.quantity import Resources
from drover.facts.requests import ContainerStatus, Given, asked, reserved
from drover.facts.wire import Condition, Metadata, Wire, find

LAUNCHER = "virt-launcher"
HANDLER = "virt-handler"
MIGRATION_INTERFACE = "migration0"
"""What virt-handler's interface in the migration network is called (kubevirt api/core/v1/types.go)."""
MIGRATION_JOB_UID = "kubevirt.io/migrationJobUID"
CREATED_BY = "kubevirt.io/created-by"

HostPort = tuple[str, str, int]
"""(IP, protocol, port); 0.0.0.0 is every address of the node."""


class PodAnnotations(Wire, frozen=True, kw_only=True):
    memory_overhead: str = msgspec.field(name="kubevirt.io/memory-overhead-bytes", default="")
    domain: str = msgspec.field(name="kubevirt.io/domain", default="")
    migration: str = msgspec.field(name="kubevirt.io/migrationJobName", default="")
    networks: str = msgspec.field(name="k8s.v1.cni.cncf.io/network-status", default="")
    """Of what Multus says of its networks, whether there is a migration network: the name of its interface, or the
    empty string. The rest, hundreds of bytes of every pod, is dropped while it is decoded."""

    def __post_init__(self) -> None:
        if self.networks:
            msgspec.structs.force_setattr(self, "networks", MIGRATION_INTERFACE if _migrates(self.networks) else "")


class _Network(Wire, frozen=True, kw_only=True):
    interface: str = ""


def _migrates(status: str) -> bool:
    if status == MIGRATION_INTERFACE:
        return True
    if MIGRATION_INTERFACE not in status:
        return False
    try:
        known = msgspec.json.decode(status, type=list[_Network])
    except msgspec.MsgspecError:
        return False
    return any(network.interface == MIGRATION_INTERFACE for network in known)


class PodMetadata(Metadata, frozen=True, kw_only=True):
    annotations: PodAnnotations = PodAnnotations()


class ExtendedRequest(Wire, frozen=True, kw_only=True):
    resource_name: str = ""


class ExtendedClaim(Wire, frozen=True, kw_only=True):
    """The claim for devices that the scheduler made for requests which no device plugin meets (KEP-5004)."""

    request_mappings: tuple[ExtendedRequest, ...] = ()


class PodStatus(Wire, frozen=True, kw_only=True):
    phase: str = ""
    nominated_node_name: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    resources: ResourceRequirements | None = None
    allocated_resources: dict[str, str] = {}
    extended_resource_claim_status: ExtendedClaim | None = None


class Pod(Wire, frozen=True, kw_only=True, dict=True):
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
    def expected(self) -> str:
        """The node the scheduler keeps room on for it, while others make that room for it; or the empty string."""
        return "" if self.node else self.status.nominated_node_name

    @property
    def terminal(self) -> bool:
        """Whether its containers have ended for good, so that it holds no room and no guest."""
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def is_launcher(self) -> bool:
        return self.metadata.labels.get("kubevirt.io") == LAUNCHER

    @property
    def is_handler(self) -> bool:
        return self.metadata.labels.get("kubevirt.io") == HANDLER

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

    def may_repel(self, namespace: str) -> bool:
        """Whether it requires to be apart from pods that may be in this namespace."""
        affinity = self.spec.affinity
        if affinity is None or affinity.pod_anti_affinity is None:
            return False
        own = self.metadata.namespace
        return any(
            term.namespace_selector is not None or namespace in (term.namespaces or (own,))
            for term in affinity.pod_anti_affinity.required
        )

    def claims(self) -> tuple[str, ...]:
        """The names of its volume claims, in its namespace."""
        return tuple(name for name in (self._claim(volume) for volume in self.spec.volumes) if name)

    def lasting_claims(self) -> tuple[str, ...]:
        """Those of them that another pod would use too: not the ones that were made for it and go with it."""
        return tuple(name for volume in self.spec.volumes if volume.ephemeral is None and (name := self._claim(volume)))

    @property
    def claimed(self) -> frozenset[str]:
        """The resources that the scheduler got it by a claim, and not from what nodes say they have."""
        made = self.status.extended_resource_claim_status
        return frozenset(each.resource_name for each in made.request_mappings) if made is not None else frozenset()

    def _claim(self, volume: Volume) -> str:
        if volume.persistent_volume_claim is not None:
            return volume.persistent_volume_claim.claim_name
        return f"{self.metadata.name}-{volume.name}" if volume.ephemeral is not None else ""

    def ports(self) -> tuple[HostPort, ...]:
        """The ports it takes on its node (kube-scheduler util.GetHostPorts): of containers and sidecars."""
        sidecars = (each for each in self.spec.init_containers if each.restart_policy == "Always")
        taken = {
            (port.host_ip or "0.0.0.0", port.protocol, port.host_port)
            for container in (*self.spec.containers, *sidecars)
            for port in container.ports
            if port.host_port > 0
        }
        return tuple(sorted(taken))

    def requests(self) -> Mapping[str, int]:
        """What the scheduler reserves for it where it is, in the units of `facts.quantity`."""
        return self._reserved

    @cached_property
    def _reserved(self) -> Resources:
        """Computed once: a pod is asked at every planning, and changes at most of them not."""
        status = self.status
        containers = (*status.container_statuses, *status.init_container_statuses)
        if status.resources is None and all(each.resources is None for each in containers):
            return asked(self.spec)
        given = Given(
            containers=containers,
            pod=status.resources,
            allocated=status.allocated_resources,
            infeasible=_resize_is_infeasible(status.conditions),
        )
        return reserved(self.spec, given)


def _resize_is_infeasible(conditions: tuple[Condition, ...]) -> bool:
    pending = find(conditions, "PodResizePending")
    return pending is not None and pending.reason == "Infeasible"
