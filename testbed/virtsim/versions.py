"""KubeVirt's minor versions: which of them has what. The rest of the simulator is written as 1.9 is, and asks here."""

from dataclasses import dataclass
from enum import Enum, auto

OLDEST_MINOR, NEWEST_MINOR = 5, 9


class Feature(Enum):
    """What came, or went, between 1.5 and 1.9 and can be seen at the API."""

    DISRUPTION_BUDGETS = auto()
    """A PodDisruptionBudget for each VM that is to be moved rather than shut down."""
    ADDED_NODE_SELECTOR = auto()
    DECENTRALIZED_MIGRATION = auto()
    """sendTo and receive of a VMIM, sourceState, targetState and migrationNetworkType, synchronizationAddresses."""
    MACHINE_TYPE_SELECTOR = auto()
    MIGRATION_REQUIRED = auto()
    PRIORITY = auto()
    """spec.priority of a VMIM; before 1.9 behind the gate MigrationPriorityQueue, which was off."""
    EVICTION_REQUESTED = auto()
    EVICTION_SOURCE = auto()
    """The descheduler's evictions are told from others."""
    EVACUATE_CANCEL = auto()
    HOTPLUG_EVICTION = auto()
    """Pods of hotplugged volumes are not evicted beneath a running VM."""
    VMI_ID_LABEL = auto()
    UTILITY_VOLUMES = auto()
    """Utility volumes and backups hold migrations: utilityVolumesTimeout, the conditions migrationBlockedBy...."""
    MEMORY_OVERHEAD_REPORT = auto()
    """targetMemoryOverhead, and the launcher pod's annotation that it comes from."""
    CPU_VENDOR_SELECTOR = auto()
    """A target pod stays with its source's CPU vendor."""
    MAX_DOWNTIME = auto()
    BARE_LIBVIRT_ERRORS = auto()
    """A failureReason is libvirt's text alone, without virt-launcher's words before it."""


FIRST_MINOR: dict[Feature, int] = {
    Feature.ADDED_NODE_SELECTOR: 6,
    Feature.DECENTRALIZED_MIGRATION: 6,
    Feature.MACHINE_TYPE_SELECTOR: 6,
    Feature.MIGRATION_REQUIRED: 6,
    Feature.PRIORITY: 7,
    Feature.EVICTION_REQUESTED: 7,
    Feature.EVICTION_SOURCE: 7,
    Feature.EVACUATE_CANCEL: 7,
    Feature.HOTPLUG_EVICTION: 7,
    Feature.VMI_ID_LABEL: 7,
    Feature.UTILITY_VOLUMES: 8,
    Feature.MEMORY_OVERHEAD_REPORT: 8,
    Feature.CPU_VENDOR_SELECTOR: 8,
    Feature.MAX_DOWNTIME: 9,
    Feature.BARE_LIBVIRT_ERRORS: 9,
}
"""By the first releases (v1.N.0); some came to an older minor with a later patch."""

LAST_MINOR: dict[Feature, int] = {Feature.DISRUPTION_BUDGETS: 5}


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A minor version of KubeVirt 1."""

    minor: int = NEWEST_MINOR

    def has(self, feature: Feature) -> bool:
        return FIRST_MINOR.get(feature, OLDEST_MINOR) <= self.minor <= LAST_MINOR.get(feature, NEWEST_MINOR)

    @property
    def release(self) -> str:
        """The minor's first release, as KubeVirt names it: v1.9.0."""
        return f"v1.{self.minor}.0"

    def __str__(self) -> str:
        return f"1.{self.minor}"


NEWEST = Version()
KNOWN = tuple(Version(minor) for minor in range(OLDEST_MINOR, NEWEST_MINOR + 1))


def parse(text: str) -> Version:
    """The version written as "1.7". Raises ValueError for one that is not known."""
    for version in KNOWN:
        if str(version) == text:
            return version
    raise ValueError(f"KubeVirt {text}: it may be {', '.join(map(str, KNOWN))}")
