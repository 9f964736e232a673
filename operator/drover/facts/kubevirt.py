"""KubeVirt's objects: VirtualMachineInstance, VirtualMachineInstanceMigration, KubeVirt, and what its CRDs can do.

Fields and phases: kubevirt api/core/v1/types.go; who writes what and when: pkg/virt-controller/watch/migration.
"""

from datetime import datetime

import msgspec

from drover.facts.domain import CPU, Domain, Machine, Requests
from drover.facts.podspec import Affinity
from drover.facts.policy import Options
from drover.facts.quantity import units
from drover.facts.selector import Toleration
from drover.facts.wire import Condition, Metadata, Wire, find

FINAL = ("Succeeded", "Failed")
UNSTARTED = ("", "Pending", "WaitingForSync", "Synchronizing")
HANDED_OFF = ("PreparingTarget", "TargetReady", "Running", *FINAL)
BLOCKING = ("migrationRejectedByResourceQuota", "migrationBlockedByUtilityVolumes", "migrationBlockedByBackup")
HOSTNAME = "kubernetes.io/hostname"
LONGEST_LABEL = 63
"""KubeVirt finds the migration of a VM by a label with its name."""
EVEN_PARITY = "alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity"
ATTACHMENT = "hotplug-disk"
"""The pod that holds hotplugged volumes, and its container, and what the configuration calls it."""

PLAN = "drover.dev/plan"
PLAN_UID = "drover.dev/plan-uid"
RUN = "drover.dev/run"
ATTEMPT = "drover.dev/attempt"
WHY = "drover.dev/why"
VMI_UID = "drover.dev/vmi-uid"


class PhaseTime(Wire, frozen=True, kw_only=True):
    phase: str
    phase_transition_timestamp: datetime | None = None


class MigrationState(Wire, frozen=True, kw_only=True):
    """`status.migrationState`: of the VMI's last local migration, so compare `migration_uid` before reading on."""

    migration_uid: str = ""
    source_node: str = ""
    target_node: str = ""
    source_pod: str = ""
    target_pod: str = ""
    start_timestamp: datetime | None = None
    end_timestamp: datetime | None = None
    completed: bool = False
    failed: bool = False
    failure_reason: str = ""
    abort_requested: bool = False
    abort_status: str = ""
    mode: str = ""


class ClaimRef(Wire, frozen=True, kw_only=True):
    claim_name: str = ""
    hotpluggable: bool = False


class DataVolumeRef(Wire, frozen=True, kw_only=True):
    name: str = ""
    hotpluggable: bool = False


class VMIVolume(Wire, frozen=True, kw_only=True):
    name: str = ""
    persistent_volume_claim: ClaimRef | None = None
    data_volume: DataVolumeRef | None = None

    @property
    def claim(self) -> str:
        """The claim it is kept in (a DataVolume's has its name), or the empty string."""
        if self.persistent_volume_claim is not None:
            return self.persistent_volume_claim.claim_name
        return self.data_volume.name if self.data_volume is not None else ""

    @property
    def hotpluggable(self) -> bool:
        sources = (self.persistent_volume_claim, self.data_volume)
        return any(source is not None and source.hotpluggable for source in sources)


class UtilityVolume(Wire, frozen=True, kw_only=True):
    """A volume that somebody has attached for a while, to back the VM up for instance."""

    name: str = ""


class VMISpec(Wire, frozen=True, kw_only=True):
    domain: Domain = Domain()
    utility_volumes: tuple[UtilityVolume, ...] = ()
    node_selector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    volumes: tuple[VMIVolume, ...] = ()
    eviction_strategy: str | None = None


class VMIMemory(Wire, frozen=True, kw_only=True):
    guest_current: str | int = ""
    guest_requested: str | int = ""
    memory_overhead: str | int = ""


class BackupStatus(Wire, frozen=True, kw_only=True):
    backup_name: str = ""
    completed: bool = False


class ChangedBlockTracking(Wire, frozen=True, kw_only=True):
    backup_status: BackupStatus | None = None


class Hotplugged(Wire, frozen=True, kw_only=True):
    """A mark: who attaches the volume does not matter."""


class VolumeStatus(Wire, frozen=True, kw_only=True):
    hotplug_volume: Hotplugged | None = None


class ClaimInfo(Wire, frozen=True, kw_only=True):
    capacity: dict[str, str | int] = {}
    requests: dict[str, str | int] = {}

    @property
    def size(self) -> int:
        """Bytes of its disk (storage/types, GetDiskCapacity)."""
        known = [units(kind["storage"]) for kind in (self.capacity, self.requests) if kind.get("storage")]
        return min(known, default=0)


class MigratedVolume(Wire, frozen=True, kw_only=True):
    """A volume that the next migration copies into another claim."""

    source_pvc_info: ClaimInfo | None = msgspec.field(name="sourcePVCInfo", default=None)


class VMIStatus(Wire, frozen=True, kw_only=True):
    changed_block_tracking: ChangedBlockTracking | None = None
    phase: str = ""
    node_name: str = ""
    conditions: tuple[Condition, ...] = ()
    migration_state: MigrationState | None = None
    evacuation_node_name: str = ""
    memory: VMIMemory | None = None
    machine: Machine | None = None
    current_cpu_topology: CPU | None = msgspec.field(name="currentCPUTopology", default=None)
    volume_status: tuple[VolumeStatus, ...] = ()
    migrated_volumes: tuple[MigratedVolume, ...] = ()


class VMIAnnotations(Wire, frozen=True, kw_only=True):
    even_parity: str | None = msgspec.field(name=EVEN_PARITY, default=None)


class VMIMetadata(Metadata, frozen=True, kw_only=True):
    annotations: VMIAnnotations = VMIAnnotations()


class VMI(Wire, frozen=True, kw_only=True):
    metadata: VMIMetadata
    spec: VMISpec = VMISpec()
    status: VMIStatus = VMIStatus()

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def node(self) -> str:
        """The node that owns the guest: flipped by the target's virt-handler at switchover."""
        return self.status.node_name

    @property
    def running(self) -> bool:
        return self.status.phase == "Running"

    @property
    def host_model(self) -> bool:
        """Whether the guest's CPU follows its first node's (vmi.IsHostModel: empty counts as host-model)."""
        cpu = self.spec.domain.cpu
        return cpu is None or cpu.model in ("", "host-model")

    @property
    def final(self) -> bool:
        return self.status.phase in FINAL

    @property
    def ready(self) -> bool:
        return self.is_true("Ready")

    def is_true(self, condition: str) -> bool:
        found = find(self.status.conditions, condition)
        return found is not None and found.status == "True"

    def not_migratable(self) -> Condition | None:
        """The condition LiveMigratable when it says no. Absent is not a no: virt-api accepts it (create admitter)."""
        condition = find(self.status.conditions, "LiveMigratable")
        return condition if condition is not None and condition.status == "False" else None

    def state_of(self, migration_uid: str) -> MigrationState | None:
        """The migration state, if it is this migration's."""
        state = self.status.migration_state
        return state if state is not None and migration_uid and state.migration_uid == migration_uid else None

    def guest_memory(self) -> int:
        """Bytes of guest memory: what it has now or may reach by the spec, whichever is more; 0 if nothing says."""
        domain, status = self.spec.domain, self.status.memory
        asked = domain.memory.guest if domain.memory else ""
        asked = asked or (domain.resources.requests.get("memory", "") if domain.resources else "")
        current = status.guest_current if status is not None else ""
        return max(units(asked) if asked else 0, units(current) if current else 0)

    def backup(self) -> str:
        """The name of the backup that is being made of it, or the empty string. It keeps a migration waiting."""
        tracking = self.status.changed_block_tracking
        backup = tracking.backup_status if tracking is not None else None
        return (backup.backup_name or "unnamed") if backup is not None and not backup.completed else ""

    @property
    def being_plugged(self) -> bool:
        """Whether CPUs or memory are changed by its next migration: the target is made for the spec, and the running
        pod was not (kubevirt pkg/virt-controller/watch/vmi/lifecycle.go, requireCPUHotplug, requireMemoryHotplug)."""
        kinds = ("HotVCPUChange", "HotMemoryChange")
        return any(condition.type in kinds for condition in self.status.conditions)

    def copied_disks(self) -> int:
        """Bytes of the volumes that its next migration copies (storage/types, GetTotalSizeMigratedVolumes)."""
        volumes = self.status.migrated_volumes
        return sum(each.source_pvc_info.size for each in volumes if each.source_pvc_info is not None)

    @property
    def has_hotplugged_volumes(self) -> bool:
        """Kubevirt pkg/controller/controller.go, VMIHasHotplugVolumes: one that is being detached counts."""
        return any(status.hotplug_volume is not None for status in self.status.volume_status) or any(
            volume.hotpluggable for volume in self.spec.volumes
        )


class MigrationSpec(Wire, frozen=True, kw_only=True):
    vmi_name: str = ""
    added_node_selector: dict[str, str] = {}


class MigrationStatus(Wire, frozen=True, kw_only=True):
    phase: str = ""
    conditions: tuple[Condition, ...] = ()
    phase_transition_timestamps: tuple[PhaseTime, ...] = ()
    migration_state: MigrationState | None = None


class MigrationAnnotations(Wire, frozen=True, kw_only=True):
    """Ours: why the target was chosen, and the UID of the VMI it is for, which the spec only names."""

    why: str = msgspec.field(name=WHY, default="")
    vmi_uid: str = msgspec.field(name=VMI_UID, default="")


class MigrationMetadata(Metadata, frozen=True, kw_only=True):
    annotations: MigrationAnnotations = MigrationAnnotations()


class VMIM(Wire, frozen=True, kw_only=True):
    metadata: MigrationMetadata
    spec: MigrationSpec = MigrationSpec()
    status: MigrationStatus = MigrationStatus()

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def phase(self) -> str:
        return self.status.phase

    @property
    def final(self) -> bool:
        return self.phase in FINAL

    @property
    def deleting(self) -> bool:
        return self.metadata.deletion_timestamp is not None

    @property
    def aborted(self) -> bool:
        """Whether it was deleted before it had ended: then KubeVirt says so, once it has seen it."""
        condition = find(self.status.conditions, "migrationAbortRequested")
        return condition is not None and condition.status == "True"

    @property
    def vmi_key(self) -> tuple[str, str]:
        return self.metadata.namespace, self.spec.vmi_name

    @property
    def pinned_to(self) -> str:
        """The value of the hostname label the target must have, or the empty string."""
        return self.spec.added_node_selector.get(HOSTNAME, "")

    @property
    def plan_uid(self) -> str:
        """The UID of the plan of ours that made it, or the empty string: then it is somebody else's."""
        return self.metadata.labels.get(PLAN_UID, "")

    @property
    def attempt(self) -> int:
        text = self.metadata.labels.get(ATTEMPT, "")
        return int(text) if text.isdecimal() and len(text) <= 5 else 0

    def entered(self, phase: str) -> datetime | None:
        """When it came into this phase for the first time, second resolution."""
        times = self.status.phase_transition_timestamps
        return next((t.phase_transition_timestamp for t in times if t.phase == phase), None)

    def blocked_by(self) -> str | None:
        """The condition that keeps it Pending for a reason other than the limits, if there is one."""
        for name in BLOCKING:
            condition = find(self.status.conditions, name)
            if condition is not None and condition.status == "True":
                return name
        return None


class MigrationConfiguration(Options, frozen=True, kw_only=True):
    """Defaults: kubevirt pkg/virt-config/virt-config.go."""

    parallel_migrations_per_cluster: int | None = None
    parallel_outbound_migrations_per_node: int | None = None
    network: str | None = None


class DeveloperConfiguration(Wire, frozen=True, kw_only=True):
    node_selectors: dict[str, str] = {}
    cpu_allocation_ratio: int = 0
    memory_overcommit: int = 0


class SupportContainer(Wire, frozen=True, kw_only=True):
    type: str = ""
    resources: Requests = Requests()


class KubeVirtConfiguration(Wire, frozen=True, kw_only=True):
    migrations: MigrationConfiguration | None = None
    developer_configuration: DeveloperConfiguration | None = None
    additional_guest_memory_overhead_ratio: str | None = None
    support_container_resources: tuple[SupportContainer, ...] = ()


class KubeVirtSpec(Wire, frozen=True, kw_only=True):
    configuration: KubeVirtConfiguration = KubeVirtConfiguration()


class KubeVirtStatus(Wire, frozen=True, kw_only=True):
    phase: str = ""
    observed_kube_virt_version: str = ""
    target_kube_virt_version: str = ""


class KubeVirt(Wire, frozen=True, kw_only=True):
    metadata: Metadata
    spec: KubeVirtSpec = KubeVirtSpec()
    status: KubeVirtStatus = KubeVirtStatus()

    @property
    def cluster_limit(self) -> int:
        migrations = self.spec.configuration.migrations
        limit = migrations.parallel_migrations_per_cluster if migrations else None
        return 5 if limit is None else limit

    @property
    def outbound_limit(self) -> int:
        migrations = self.spec.configuration.migrations
        limit = migrations.parallel_outbound_migrations_per_node if migrations else None
        return 2 if limit is None else limit

    @property
    def node_selectors(self) -> dict[str, str]:
        """What every launcher pod asks of its node, by the cluster's configuration."""
        developer = self.spec.configuration.developer_configuration
        return developer.node_selectors if developer else {}

    @property
    def has_migration_network(self) -> bool:
        """Whether virt-handlers are to migrate over a network of its own."""
        migrations = self.spec.configuration.migrations
        return migrations is not None and bool(migrations.network)

    @property
    def cpu_allocation_ratio(self) -> int:
        """How many virtual CPUs share one that is requested."""
        developer = self.spec.configuration.developer_configuration
        ratio = developer.cpu_allocation_ratio if developer else 0
        return ratio if ratio > 0 else 10

    @property
    def memory_overcommit(self) -> int:
        """Guest memory in hundredths of the memory that is requested for it."""
        developer = self.spec.configuration.developer_configuration
        percent = developer.memory_overcommit if developer else 0
        return percent if percent > 0 else 100

    def support_container(self, kind: str) -> Requests:
        """What the configuration gives a container of this kind; nothing where it keeps the defaults."""
        known = self.spec.configuration.support_container_resources
        return next((each.resources for each in known if each.type == kind), Requests())

    @property
    def upgrading(self) -> bool:
        """The versions it observes and wants differ: workloads and handlers are in between (kubevirt#18396)."""
        observed, target = self.status.observed_kube_virt_version, self.status.target_kube_virt_version
        return bool(observed and target and observed != target)


class SchemaVersion(Wire, frozen=True, kw_only=True):
    name: str
    served: bool = True
    schema: msgspec.Raw = msgspec.Raw(b"null")


class CRDSpec(Wire, frozen=True, kw_only=True):
    versions: tuple[SchemaVersion, ...] = ()


class CRD(Wire, frozen=True, kw_only=True):
    """A CustomResourceDefinition, to learn whether `spec.addedNodeSelector` exists (KubeVirt >= 1.6)."""

    metadata: Metadata
    spec: CRDSpec = CRDSpec()

    @property
    def can_pin(self) -> bool:
        """Below 1.6 the field is pruned in silence, and the VM would migrate anywhere."""
        return any(v.served and _has_added_node_selector(v.schema) for v in self.spec.versions if v.name == "v1")


def _has_added_node_selector(schema: msgspec.Raw) -> bool:
    """Whether openAPIV3Schema.properties.spec.properties names the field."""
    here: object = msgspec.json.decode(schema)
    for step in ("openAPIV3Schema", "properties", "spec", "properties"):
        here = here.get(step) if isinstance(here, dict) else None
    return isinstance(here, dict) and "addedNodeSelector" in here
