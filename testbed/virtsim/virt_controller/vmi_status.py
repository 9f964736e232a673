"""Parts of a VMI's status that follow its pods (pkg/virt-controller/watch/vmi/{lifecycle,vmi}.go). Pure."""

from typing import Any

from virtsim.objects.conditions import condition, without_condition
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.phases import in_phase, with_status
from virtsim.objects.pods import NONROOT_USER, is_ready, is_terminal
from virtsim.objects.resources import Object
from virtsim.objects.times import now

EVICTION_REQUESTED = "EvictionRequested"
SCHEDULED = "PodScheduled"
FINAL = ("Succeeded", "Failed")
COPIED = ("type", "status", "reason", "message", "lastProbeTime", "lastTransitionTime")
"""What of a pod's condition is the VMI's, too."""


def in_its_phase(vmi: Object, pods: list[Object], current: Object | None) -> Object:
    """The phase a VMI reaches by its pods; virt-handler makes it Running."""
    phase = (vmi.get("status") or {}).get("phase", "")
    scheduled = next((pod for pod in pods if is_ready(pod)), None)
    if phase == "":
        return in_phase(vmi, "Pending", runtimeUser=NONROOT_USER)
    if phase == "Pending" and pods:
        return in_phase(vmi, "Scheduling")
    if phase in ("Scheduling", "Scheduled") and (current is None or (phase == "Scheduling" and is_going(current))):
        # A pod that is simply gone is virt-controller's finding, and the one phase that it writes without its moment.
        return with_status(vmi, phase="Failed") if phase == "Scheduled" else in_phase(vmi, "Failed")
    if phase == "Scheduling" and scheduled is not None:
        return in_phase(vmi, "Scheduled", nodeName=scheduled["spec"]["nodeName"])
    if phase == "Running" and current is None:
        return with_status(vmi, phase="Failed")
    if phase == "Running" and current is not None and is_terminal(current):
        return in_phase(vmi, current["status"]["phase"])
    return vmi


def is_going(pod: Object) -> bool:
    """KubeVirt's IsPodDownOrGoingDown: it ended, or is being deleted."""
    return is_terminal(pod) or is_being_deleted(pod)


def interfaces(status: dict[str, Any], pod: Object) -> list[Object]:
    """The guest's interfaces with the addresses of the pod that it is in."""
    address = pod["status"].get("podIP", "")
    interfaces: list[Object] = status.get("interfaces") or []
    return [{**interface, "ipAddress": address, "ipAddresses": [address]} for interface in interfaces]


def ready(vmi: Object, pod: Object | None) -> Object:
    """The VMI's Ready condition: a copy of its pod's, or why there is none; unchanged while it says the same."""
    entry = _ready_of(vmi, pod)
    known = condition(vmi, "Ready")
    if known is not None and (known["status"], known.get("reason")) == (entry["status"], entry.get("reason")):
        return known
    return {"lastProbeTime": now(), "lastTransitionTime": now(), **entry}


def with_scheduled(vmi: Object, pod: Object | None) -> list[Object]:
    """The conditions, while it is scheduled with its pod's PodScheduled as long as that is False."""
    status = vmi.get("status") or {}
    others = without_condition(status.get("conditions"), SCHEDULED)
    copied = condition(pod, SCHEDULED) if pod is not None else None
    if status.get("phase") != "Scheduling" or pod is None:
        return status.get("conditions") or []
    if copied is None or copied["status"] != "False":
        return others
    known = condition(vmi, SCHEDULED)
    copy = {key: copied.get(key) for key in ("type", "status", "reason", "message", "lastTransitionTime")}
    return [*others, known or {**copy, "lastProbeTime": None}]


def requested(vmi: Object, conditions: list[Object]) -> list[Object]:
    """The conditions with the one that follows the mark for eviction."""
    if not (vmi.get("status") or {}).get("evacuationNodeName"):
        return without_condition(conditions, EVICTION_REQUESTED)
    if condition(vmi, EVICTION_REQUESTED) is not None:
        return conditions
    said = {"status": "True", "reason": EVICTION_REQUESTED, "message": "VMI is marked for eviction"}
    return [*conditions, {"type": EVICTION_REQUESTED, **said, "lastProbeTime": now(), "lastTransitionTime": now()}]


def _ready_of(vmi: Object, pod: Object | None) -> Object:
    if pod is None:
        return _not_ready("PodNotExists", "virt-launcher pod has not yet been scheduled")
    if is_going(pod):
        return _not_ready("PodTerminating", "virt-launcher pod is terminating")
    if (vmi.get("status") or {}).get("phase") != "Running":
        return _not_ready("GuestNotRunning", "Guest VM is not reported as running")
    copied = condition(pod, "Ready")
    if copied is None:
        return _not_ready("PodConditionMissing", "virt-launcher pod is missing the Ready condition")
    return {key: value for key, value in copied.items() if key in COPIED}


def _not_ready(reason: str, message: str) -> Object:
    return {"type": "Ready", "status": "False", "reason": reason, "message": message}
