"""A VMI and its launcher pod as a full start leaves them, made by the components' own functions. Pure."""

from typing import Any

from virtsim.kubelet.status import running
from virtsim.objects import keys
from virtsim.objects.phases import with_status
from virtsim.objects.resources import Object
from virtsim.versions import Version
from virtsim.virt_controller.launcher_pod import first_pod
from virtsim.virt_controller.pod_sync import unpaused
from virtsim.virt_controller.vmi_wanted import wanted_vmi
from virtsim.virt_handler.domain import started


def bound_pod(vmi: Object, image: str, cluster_selectors: dict[str, str], node: str) -> Object:
    """The pod that starts a VM, on this node: what virt-controller creates and the scheduler binds."""
    pod = first_pod(vmi, image, cluster_selectors)
    pod["spec"]["nodeName"] = node
    pod["metadata"]["labels"][keys.NODE_NAME] = node
    return pod


def pod_status(pod: Object) -> dict[str, Any]:
    """Its status once kubelet runs it and virt-controller has opened its readiness gate."""
    opened = with_status(pod, conditions=[unpaused({})])
    status = running(opened)
    return {**status, "conditions": [*opened["status"]["conditions"], *status["conditions"]]}


def running_vmi(vmi: Object, pod: Object, image: str, version: Version) -> Object:
    """The Pending VMI once virt-controller and virt-handler have done all they do for a pod that is ready."""
    scheduling = wanted_vmi(vmi, [pod], pod, image, version)
    scheduled = wanted_vmi(scheduling, [pod], pod, image, version)
    return wanted_vmi(started(scheduled, pod), [pod], pod, image, version)
