"""Launcher pods as virt-controller looks at them (pkg/controller/controller.go)."""

from virtsim.objects import keys
from virtsim.objects.resources import Object

COMPUTE = "compute"
NONROOT_USER = 107


def labels_of(obj: Object) -> dict[str, str]:
    labels: dict[str, str] = obj["metadata"].get("labels") or {}
    return labels


def annotations_of(obj: Object) -> dict[str, str]:
    annotations: dict[str, str] = obj["metadata"].get("annotations") or {}
    return annotations


def is_launcher(pod: Object) -> bool:
    return labels_of(pod).get(keys.APP) == "virt-launcher"


def is_hotplug(pod: Object) -> bool:
    """Whether it holds the hotplugged volumes of a launcher pod, which owns it."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return labels_of(pod).get(keys.APP) == "hotplug-disk" and len(owners) == 1


def is_terminal(pod: Object) -> bool:
    """KubeVirt's PodIsDown: the pod ran to its end."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_ready(pod: Object) -> bool:
    """KubeVirt's IsPodReady: running, not being deleted, compute runs, all others ready. Not the Ready condition."""
    status = pod.get("status", {})
    if status.get("phase") != "Running" or pod["metadata"].get("deletionTimestamp"):
        return False
    containers = status.get("containerStatuses") or ()
    return all(
        "running" in entry.get("state", {}) if entry["name"] == COMPUTE else entry.get("ready", False)
        for entry in containers
    )


def is_arriving(pod: Object) -> bool:
    """A target whose VM is not there yet: its nodeName label still names the source (corrected at the flip)."""
    labels = labels_of(pod)
    if keys.MIGRATION_JOB_UID not in labels or is_terminal(pod):
        return False
    bound_to: str = pod["spec"].get("nodeName", "")
    return labels.get(keys.NODE_NAME, "") != bound_to


def newest(pods: list[Object]) -> Object | None:
    """The pod created last. Times are whole seconds: among pods of the same second one that still runs is newer."""
    return max(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], not is_terminal(pod)), default=None)
