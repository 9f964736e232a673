"""The fast path: VMs are written down as they are when they run, instead of being started one by one.

Four requests for each VM, and no component that looks at it on the way. The VMI is Pending until its last request: if
that does not come, virt-controller starts the VM as any other.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from virtsim.cluster.client import STRATEGIC_PATCH, ApiError, Client
from virtsim.fleet.crowd import each
from virtsim.fleet.started import bound_pod, pod_status, running_vmi
from virtsim.objects.resources import PODS, VMIS, Key, Object, key_of
from virtsim.versions import NEWEST, Version
from virtsim.virt_controller.older import pod_as_of

logger = logging.getLogger(__name__)

MADE_HERE = "VirtualMachineInstance"
"""A VirtualMachine makes its own VMI."""


@dataclass(frozen=True)
class FastPath:
    """Writes for those who would have written: virt-controller, kubelet and virt-handler."""

    controller: Client
    kubelet: Client
    handler: Client
    image: str
    cluster_selectors: dict[str, str]
    version: Version = NEWEST

    async def start(self, machines: Iterable[Object], places: dict[Key, str]) -> None:
        """Starts the machines that have a place, and leaves the others alone. What is there already is kept."""
        await each(
            (vmi for vmi in machines if key_of(vmi) in places and vmi["kind"] == MADE_HERE),
            lambda vmi: self._start(vmi, places),
        )

    async def _start(self, vmi: Object, places: dict[Key, str]) -> None:
        try:
            vmi = await self.controller.create(VMIS, vmi)
        except ApiError as error:
            if error.code == 409 and error.reason == "AlreadyExists":
                return
            raise
        try:
            await self._run(vmi, places[key_of(vmi)])
        except ApiError as error:  # a quota, say: virt-controller will go on trying, and tell
            logger.info("%s/%s is not started fast: %s", *key_of(vmi), error)

    async def _run(self, vmi: Object, node: str) -> None:
        pod = await self.controller.create(PODS, self._pod(vmi, node))
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": pod_status(pod)}
        pod = await self.kubelet.patch(PODS, *key_of(pod), body, STRATEGIC_PATCH, "status")
        await self.handler.update(VMIS, _untracked(running_vmi(vmi, pod, self.image, self.version)))

    def _pod(self, vmi: Object, node: str) -> Object:
        return pod_as_of(self.version, bound_pod(vmi, self.image, self.cluster_selectors, node), vmi)


def _untracked(vmi: Object) -> Object:
    """Without managedFields, now and later: keeping them up is a third of the server's work for an update."""
    return {**vmi, "metadata": {**vmi["metadata"], "managedFields": [{}]}}
