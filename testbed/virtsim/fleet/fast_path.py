"""The fast path: VMs are written down as they are when they run, instead of being started one by one, and no component
looks at them on the way.

Through the API server that takes four requests for each VM: a VMI and its pod name each other by uid, and a pod's
status is written apart. The VMI is Pending until the last one: if that does not come, virt-controller starts the VM as
any other. Where etcd can be reached, most are written there: direct_path.py.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from virtsim.cluster.client import STRATEGIC_PATCH, ApiError, Client
from virtsim.fleet.crowd import each
from virtsim.fleet.started import Starter, pod_status
from virtsim.objects.resources import PODS, VMIS, Key, Object, key_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FastPath:
    """Writes for those who would have written: virt-controller, kubelet and virt-handler."""

    controller: Client
    kubelet: Client
    handler: Client
    starter: Starter

    async def start(self, machines: Iterable[Object], places: dict[Key, str]) -> None:
        """Starts these VMIs, each of which has a place. What is there already is kept."""
        await each(machines, lambda vmi: self._start(vmi, places))

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
        pod = await self.controller.create(PODS, self.starter.bound_pod(vmi, node))
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": pod_status(pod)}
        pod = await self.kubelet.patch(PODS, *key_of(pod), body, STRATEGIC_PATCH, "status")
        await self.handler.update(VMIS, _untracked(self.starter.running_vmi(vmi, pod)))


def _untracked(vmi: Object) -> Object:
    """Without managedFields, now and later: keeping them up is a third of the server's work for an update."""
    return {**vmi, "metadata": {**vmi["metadata"], "managedFields": [{}]}}
