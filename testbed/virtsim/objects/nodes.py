"""What became of a simulated node: up, its virt-handler stopped, or lost altogether."""

from virtsim.objects import keys
from virtsim.objects.resources import Object
from virtsim.objects.switches import is_on
from virtsim.objects.times import now

_HEALTHY = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", ""),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", ""),
    "PIDPressure": ("False", "KubeletHasSufficientPID", ""),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}


def is_lost(node: Object | None) -> bool:
    """Whether nothing of the node answers: kubelet, virt-handler, network."""
    return is_on(node, keys.NODE_LOST)


def handler_runs(node: Object | None) -> bool:
    """Whether its virt-handler works. A node that is not known is not known to be broken."""
    return not is_lost(node) and not is_on(node, keys.HANDLER_STOPPED)


def healthy() -> list[Object]:
    """The conditions of a node whose kubelet has nothing to complain about."""
    at = {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
    return [
        {"type": kind, "status": status, "reason": reason, "message": message, **at}
        for kind, (status, reason, message) in _HEALTHY.items()
    ]


def heartbeat() -> Object:
    """A merge patch: virt-handler lives, and VMs may be scheduled here (pkg/virt-handler/heartbeat)."""
    return {"metadata": {"annotations": {keys.HEARTBEAT: now()}, "labels": {keys.SCHEDULABLE: "true"}}}


def stopping() -> Object:
    """A merge patch: virt-handler stops in good order."""
    return {"metadata": {"labels": {keys.SCHEDULABLE: "false"}}}
