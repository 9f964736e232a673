"""How many evacuations there may be at once: before 1.9 as many as the limits leave free, since then all
(pkg/virt-controller/watch/drain/evacuation/evacuation.go, sync).
"""

from virtsim.cluster.caches import Caches
from virtsim.objects import gates, keys
from virtsim.objects.migrations import vmi_key
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Object
from virtsim.versions import Version
from virtsim.virt_controller.configuration import migration_configuration

LOOK_AGAIN_SECONDS = 5.0


def has_spot(caches: Caches, version: Version, vmi: Object) -> bool:
    """Whether one more evacuation may be created for this VM's node.

    Running migrations take a spot, whoever made them, and evacuations from their creation on: KubeVirt waits until it
    has seen what it created, and does not count what waits.
    """
    if gates.has_priorities(caches.kubevirts, version):
        return True
    configuration = migration_configuration(caches.kubevirts)
    taken = [*caches.vmims.by("class", "running"), *filter(_is_evacuation, caches.vmims.by("class", "pending"))]
    node = (vmi.get("status") or {}).get("nodeName", "")
    here = sum(_node_of(caches, vmim) == node for vmim in taken)
    per_cluster = int(configuration["parallelMigrationsPerCluster"])
    return len(taken) < per_cluster and here < int(configuration["parallelOutboundMigrationsPerNode"])


def _is_evacuation(vmim: Object) -> bool:
    return keys.EVACUATION in annotations_of(vmim)


def _node_of(caches: Caches, vmim: Object) -> str:
    node: str = ((caches.vmis.get(*vmi_key(vmim)) or {}).get("status") or {}).get("nodeName", "")
    return node
