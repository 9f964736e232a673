"""Parts of a VMI's status that follow its pods (pkg/virt-controller/watch/vmi/{lifecycle,vmi}.go). Pure."""

from typing import Any

from virtsim.objects import keys
from virtsim.objects.conditions import condition, without_condition
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.phases import in_phase
from virtsim.objects.pods import NONROOT_USER, is_ready, is_terminal, newest
from virtsim.objects.resources import Object
from virtsim.objects.times import now

EVICTION_REQUESTED = "EvictionRequested"
FINAL = ("Succeeded", "Failed")


def in_its_phase(vmi: Object, pods: list[Object], current: Object | None) -> Object:
    """The phase a VMI reaches by its pods; virt-handler makes it Running."""
    phase = (vmi.get("status") or {}).get("phase", "")
    scheduled = next((pod for pod in pods if is_ready(pod)), None)
    if is_being_deleted(vmi) and phase not in FINAL and not _alive(pods):
        return in_phase(vmi, _end(pods))
    if phase == "":
        return in_phase(vmi, "Pending", runtimeUser=NONROOT_USER)
    if phase == "Pending" and pods:
        return in_phase(vmi, "Scheduling")
    if phase == "Scheduling" and scheduled is not None:
        image = scheduled["spec"]["containers"][0]["image"]
        node = scheduled["spec"]["nodeName"]
        return in_phase(vmi, "Scheduled", nodeName=node, launcherContainerImageVersion=image)
    if phase == "Running" and (current is None or is_terminal(current)):
        return in_phase(vmi, _end([] if current is None else [current]))
    return vmi


def is_over(vmi: Object, pods: list[Object]) -> bool:
    """Whether a VM has ended and none of its pods runs any more: then it may go."""
    return (vmi.get("status") or {}).get("phase") in FINAL and not _alive(pods)


def _alive(pods: list[Object]) -> list[Object]:
    return [pod for pod in pods if not is_terminal(pod)]


def _end(pods: list[Object]) -> str:
    """Succeeded if the last pod ran to its end; one that is gone, or broke, is a failure."""
    last = newest(pods)
    return "Succeeded" if last is not None and last["status"]["phase"] == "Succeeded" else "Failed"


def interfaces(status: dict[str, Any], pod: Object) -> list[Object]:
    """The guest's interfaces with the addresses of the pod that it is in."""
    address = pod["status"].get("podIP", "")
    interfaces: list[Object] = status.get("interfaces") or []
    return [{**interface, "ipAddress": address, "ipAddresses": [address]} for interface in interfaces]


def unpaused() -> Object:
    return {
        "type": keys.UNPAUSED,
        "status": "True",
        "reason": "NotPaused",
        "message": "the virtual machine is not paused",
        "lastProbeTime": now(),
        "lastTransitionTime": now(),
    }


def ready(vmi: Object, pod: Object | None) -> Object:
    """The VMI's Ready condition: a copy of its pod's, or why there is none; unchanged while it says the same."""
    entry = _ready_of(pod)
    known = condition(vmi, "Ready")
    if known is not None and (known["status"], known.get("reason")) == (entry["status"], entry.get("reason")):
        return known
    return {**entry, "lastProbeTime": None, "lastTransitionTime": now()}


def requested(vmi: Object, conditions: list[Object]) -> list[Object]:
    """The conditions with the one that follows the mark for eviction."""
    if not vmi["status"].get("evacuationNodeName"):
        return without_condition(conditions, EVICTION_REQUESTED)
    if condition(vmi, EVICTION_REQUESTED) is not None:
        return conditions
    said = {"status": "True", "reason": EVICTION_REQUESTED, "message": "VMI is marked for eviction"}
    return [*conditions, {"type": EVICTION_REQUESTED, **said, "lastProbeTime": now(), "lastTransitionTime": now()}]


def _ready_of(pod: Object | None) -> Object:
    if pod is None:
        return _not_ready("PodNotExists", "virt-launcher pod has not yet been scheduled")
    if is_being_deleted(pod):
        return _not_ready("PodTerminating", "virt-launcher pod is terminating")
    copied = condition(pod, "Ready")
    if copied is None:
        return _not_ready("PodConditionMissing", "virt-launcher pod is missing the Ready condition")
    return {key: value for key, value in copied.items() if key in ("type", "status", "reason", "message")}


def _not_ready(reason: str, message: str) -> Object:
    return {"type": "Ready", "status": "False", "reason": reason, "message": message}
