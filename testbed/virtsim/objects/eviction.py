"""What a VM wants to happen when its pod is evicted (kubevirt.io/api/core/v1/types.go, EvictionStrategy)."""

from collections.abc import Iterable

from virtsim.objects.kubevirt import configuration_of
from virtsim.objects.resources import Object

NONE = "None"
DRAIN_TAINT_KEY = "kubevirt.io/drain"
DRAIN_EFFECT = "NoSchedule"


def strategy_of(vmi: Object, kubevirts: Iterable[Object]) -> str:
    """The VMI's own strategy, else the cluster's, else None: then it is shut down."""
    own: str | None = vmi["spec"].get("evictionStrategy")
    if own:
        return own
    strategy: str = configuration_of(kubevirts).get("evictionStrategy") or NONE
    return strategy


def is_marked(vmi: Object) -> bool:
    """Whether the VM is to leave the node that it is on."""
    status = vmi.get("status") or {}
    marked = status.get("evacuationNodeName")
    return bool(marked) and marked == status.get("nodeName")


def drain_taint_key(kubevirts: Iterable[Object]) -> str:
    """The key of the taint by which a node is emptied (deprecated: eviction does it now)."""
    migrations = configuration_of(kubevirts).get("migrations") or {}
    key: str = migrations.get("nodeDrainTaintKey") or DRAIN_TAINT_KEY
    return key
