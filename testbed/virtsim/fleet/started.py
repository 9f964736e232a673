"""A VMI and its launcher pod as a full start leaves them, made by the components' own functions. Pure."""

from dataclasses import dataclass
from typing import Any

from virtsim.kubelet.status import running
from virtsim.objects import keys
from virtsim.objects.phases import with_status
from virtsim.objects.resources import Object
from virtsim.versions import NEWEST, Version
from virtsim.virt_controller.launcher_pod import first_pod
from virtsim.virt_controller.older import pod_as_of
from virtsim.virt_controller.pod_sync import unpaused
from virtsim.virt_controller.vmi_wanted import wanted_vmi
from virtsim.virt_handler.domain import started


@dataclass(frozen=True)
class Starter:
    """Who knows what launchers are made of in this cluster."""

    image: str
    cluster_selectors: dict[str, str]
    version: Version = NEWEST

    def bound_pod(self, vmi: Object, node: str) -> Object:
        """The pod that starts a VM, on this node: what virt-controller creates and the scheduler binds."""
        pod = first_pod(vmi, self.image, self.cluster_selectors)
        pod["spec"]["nodeName"] = node
        pod["metadata"]["labels"][keys.NODE_NAME] = node
        return pod_as_of(self.version, pod, vmi)

    def running_vmi(self, vmi: Object, pod: Object) -> Object:
        """The Pending VMI once virt-controller and virt-handler have done all they do for a pod that is ready."""

        def next_phase(vmi: Object) -> Object:
            return wanted_vmi(vmi, [pod], pod, self.image, self.version)

        scheduled = next_phase(next_phase(vmi))
        return next_phase(started(scheduled, pod))


def pod_status(pod: Object) -> dict[str, Any]:
    """Its status once kubelet runs it and virt-controller has opened its readiness gate."""
    opened = with_status(pod, conditions=[unpaused({})])
    status = running(opened)
    return {**status, "conditions": [*opened["status"]["conditions"], *status["conditions"]]}
