"""KubeVirt's feature gates that decide on migrations (pkg/virt-config/featuregate)."""

from collections.abc import Iterable

from virtsim.objects.kubevirt import feature_gates
from virtsim.objects.resources import Object
from virtsim.versions import Feature, Version

DECENTRALIZED_LIVE_MIGRATION = "DecentralizedLiveMigration"
MIGRATION_PRIORITY_QUEUE = "MigrationPriorityQueue"
MIGRATION_STALL_DETECTION = "MigrationStallDetection"

GENERAL_SINCE: dict[str, int] = {MIGRATION_PRIORITY_QUEUE: 9}
"""The minor from which on a gate cannot be closed. None of the three is beta, and so open by itself, in 1.9."""


def is_open(gate: str, kubevirts: Iterable[Object], version: Version) -> bool:
    """Whether the gate is open: always once it is generally available, else if the KubeVirt CR names it."""
    if version.minor >= GENERAL_SINCE.get(gate, version.minor + 1):
        return True
    return gate in feature_gates(kubevirts)


def has_priorities(kubevirts: Iterable[Object], version: Version) -> bool:
    """Whether VMIMs have priorities: then evacuations are created at once, for the queue to put in order."""
    return version.has(Feature.PRIORITY) and is_open(MIGRATION_PRIORITY_QUEUE, kubevirts, version)


def prioritised(vmim: Object, kubevirts: Iterable[Object], version: Version) -> Object:
    """A VMIM of virt-controller's, without its priority where there are none."""
    if has_priorities(kubevirts, version):
        return vmim
    return {**vmim, "spec": {field: value for field, value in vmim["spec"].items() if field != "priority"}}
