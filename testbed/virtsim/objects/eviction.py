"""What a VM wants to happen when its pod is evicted (kubevirt.io/api/core/v1/types.go, EvictionStrategy)."""

from collections.abc import Iterable

from virtsim.objects.resources import Object

NONE = "None"


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
