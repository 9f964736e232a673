"""virt-controller's VMI controller: the launcher pod, activePods, Ready, and what follows a flip.

pkg/virt-controller/watch/vmi/{vmi,lifecycle}.go
"""

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.cluster.controller import Controller
from virtsim.objects import times
from virtsim.objects.migrations import is_being_deleted, phase_class
from virtsim.objects.pods import is_terminal
from virtsim.objects.resources import PODS, VMIS, Key, Object, key_of
from virtsim.virt_controller.auto_limits import with_auto_limits
from virtsim.virt_controller.configuration import cluster_node_selectors, launcher_image
from virtsim.virt_controller.launcher_pod import first_pod
from virtsim.virt_controller.node import is_unresponsive
from virtsim.virt_controller.older import pod_as_of
from virtsim.virt_controller.pod_sync import PodSync
from virtsim.virt_controller.shut_down import release, shut_down
from virtsim.virt_controller.vmi_status import FINAL
from virtsim.virt_controller.vmi_wanted import wanted_vmi

WORKERS = 10


class VmiController:
    """Reconciles VMIs: writes their pods first, then labels and status of the VMI in one request."""

    def __init__(self, actor: Actor, image: str) -> None:
        self._actor = actor
        self._image = image
        self._pods = PodSync(actor)
        self._controller = Controller("vmi", self.reconcile, WORKERS)

    async def run(self) -> None:
        await self._controller.run(
            (self._actor.caches.vmis, self._on_vmi),
            (self._actor.caches.pods, self._on_pod),
            (self._actor.caches.kubevirts, self._on_kubevirt),
        )

    async def reconcile(self, key: Key) -> None:
        vmi = self._actor.caches.vmis.get(*key)
        if vmi is None:
            return
        pods = self._actor.caches.pods.by("owner", vmi["metadata"]["uid"])
        if is_being_deleted(vmi):
            await shut_down(self._actor, vmi, pods)
            return
        if await self._start(vmi, pods):
            pods = self._actor.caches.pods.by("owner", vmi["metadata"]["uid"])
        current = self._actor.caches.current_pod(vmi)
        await self._pods.attend(vmi, current)
        image = launcher_image(self._actor.caches.kubevirts, self._image)
        heard_of = not self._is_unheard_of(vmi, current)
        wanted = wanted_vmi(vmi, pods, current, image, self._actor.version, heard_of=heard_of)
        if wanted != vmi:
            await self._actor.update(VMIS, wanted)
        elif wanted["status"]["phase"] in FINAL:
            await release(self._actor, vmi, pods)

    async def _start(self, vmi: Object, pods: list[Object]) -> bool:
        """Creates the first pod, unless a migration that is under way already decides where the VM runs."""
        if (vmi.get("status") or {}).get("phase") != "Pending" or pods or self._is_migrated(vmi):
            return False
        kubevirts = self._actor.caches.kubevirts
        image, selectors = launcher_image(kubevirts, self._image), cluster_node_selectors(kubevirts)
        first = pod_as_of(self._actor.version, first_pod(vmi, image, selectors), vmi)
        try:
            pod = await self._actor.create(PODS, with_auto_limits(first, vmi, self._actor.caches.quotas))
        except ApiError as error:
            self._actor.events.warning(vmi, "FailedCreate", f"Error creating pod: {error.message}")
            raise
        self._actor.events.normal(vmi, "SuccessfulCreate", f"Created virtual machine pod {pod['metadata']['name']}")
        return True

    def _is_migrated(self, vmi: Object) -> bool:
        migrations = self._actor.caches.vmims.by("vmi", "/".join(key_of(vmi)))
        return any(phase_class(vmim) == "running" for vmim in migrations)

    def _is_unheard_of(self, vmi: Object, current: Object | None) -> bool:
        """That a launcher has ended is virt-handler's to say: the node controller does where that is silent."""
        node = self._actor.caches.nodes.get("", (vmi.get("status") or {}).get("nodeName", ""))
        ended = current is not None and is_terminal(current)
        return ended and node is not None and is_unresponsive(node, times.wall_clock())

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        if after is not None:
            self._controller.queue.add(key_of(after))

    def _on_pod(self, before: Object | None, after: Object | None) -> None:
        pod = after or before
        for owner in (pod or {"metadata": {}})["metadata"].get("ownerReferences", ()):
            if pod is not None and owner["kind"] == "VirtualMachineInstance":
                self._controller.queue.add((pod["metadata"]["namespace"], owner["name"]))

    def _on_kubevirt(self, before: Object | None, after: Object | None) -> None:
        """Another launcher image makes all that run outdated."""
        images = [launcher_image([kubevirt], self._image) for kubevirt in (before, after) if kubevirt is not None]
        if len(set(images)) > 1:
            for vmi in self._actor.caches.vmis:
                self._controller.queue.add(key_of(vmi))
