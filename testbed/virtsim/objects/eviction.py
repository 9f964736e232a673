"""What a VM wants to happen when its pod is evicted (kubevirt.io/api/core/v1/types.go, EvictionStrategy)."""

from collections.abc import Iterable

from virtsim.objects.resources import Object

NONE = "None"
DRAIN_TAINT_KEY = "kubevirt.io/drain"
DRAIN_EFFECT = "NoSchedule"


def strategy_of(vmi: Object, kubevirts: Iterable[Object]) -> str:
    """The VMI's own strategy, else the cluster's, else None: then it is shut down."""
    own: str | None = vmi["spec"].get("evictionStrategy")
    if own:
        return own
    for kubevirt in kubevirts:
        strategy: str = (kubevirt["spec"].get("configuration") or {}).get("evictionStrategy") or NONE
        return strategy
    return NONE


def is_marked(vmi: Object) -> bool:
    """Whether the VM is to leave the node that it is on."""
    status = vmi.get("status") or {}
    marked = status.get("evacuationNodeName")
    return bool(marked) and marked == status.get("nodeName")


def drain_taint_key(kubevirts: Iterable[Object]) -> str:
    """The key of the taint by which a node is emptied (deprecated: eviction does it now)."""
    for kubevirt in kubevirts:
        migrations = (kubevirt["spec"].get("configuration") or {}).get("migrations") or {}
        key: str = migrations.get("nodeDrainTaintKey") or DRAIN_TAINT_KEY
        return key
    return DRAIN_TAINT_KEY
