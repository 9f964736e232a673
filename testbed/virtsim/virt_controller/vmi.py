"""virt-controller's VMI controller: the launcher pod, activePods, Ready, and what follows a flip.

pkg/virt-controller/watch/vmi/{vmi,lifecycle}.go
"""

from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.cluster.controller import Controller
from virtsim.objects import keys
from virtsim.objects.conditions import is_true, with_condition
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.pods import annotations_of, is_terminal, labels_of
from virtsim.objects.resources import PODS, VMIS, Key, Object, key_of
from virtsim.objects.times import go_time
from virtsim.virt_controller.configuration import cluster_node_selectors
from virtsim.virt_controller.launcher_pod import first_pod
from virtsim.virt_controller.vmi_status import in_its_phase, interfaces, ready, requested, unpaused

WORKERS = 10
FINAL = ("Succeeded", "Failed")


class VmiController:
    """Reconciles VMIs: writes their pods first, then labels and status of the VMI in one request."""

    def __init__(self, actor: Actor, image: str) -> None:
        self._actor = actor
        self._image = image
        self._controller = Controller("vmi", self.reconcile, WORKERS)

    async def run(self) -> None:
        caches = self._actor.caches
        await self._controller.run((caches.vmis, self._on_vmi), (caches.pods, self._on_pod))

    async def reconcile(self, key: Key) -> None:
        vmi = self._actor.caches.vmis.get(*key)
        if vmi is None:
            return
        pods = self._actor.caches.pods.by("owner", vmi["metadata"]["uid"])
        if is_being_deleted(vmi):
            await self._shut_down(vmi, pods)
            return
        await self._start(vmi, pods)
        current = self._actor.caches.current_pod(vmi)
        await self._attend(vmi, current)
        wanted = self._wanted(vmi, pods, current)
        if wanted != vmi:
            await self._actor.update(VMIS, wanted)

    async def _shut_down(self, vmi: Object, pods: list[Object]) -> None:
        alive = [pod for pod in pods if not is_terminal(pod)]
        for pod in alive:
            if not is_being_deleted(pod):
                await self._actor.delete(PODS, pod)
        finalizers = vmi["metadata"].get("finalizers") or []
        if not alive and keys.VMI_FINALIZER in finalizers:
            left = [name for name in finalizers if name != keys.VMI_FINALIZER]
            await self._actor.update(VMIS, {**vmi, "metadata": {**vmi["metadata"], "finalizers": left}})

    async def _start(self, vmi: Object, pods: list[Object]) -> None:
        if (vmi.get("status") or {}).get("phase") != "Pending" or pods:
            return
        selectors = cluster_node_selectors(self._actor.caches.kubevirts)
        pod = await self._actor.create(PODS, first_pod(vmi, self._image, selectors))
        self._actor.events.normal(vmi, "SuccessfulCreate", f"Created virtual machine pod {pod['metadata']['name']}")

    async def _attend(self, vmi: Object, pod: Object | None) -> None:
        """Keeps the pod the VM is in up to date: the readiness gate, and after a flip its node label."""
        await self._announce_target(vmi)
        if pod is None or is_terminal(pod) or (vmi.get("status") or {}).get("phase") in FINAL:
            return
        if not is_true(pod, keys.UNPAUSED):
            pod = await self._actor.patch_status(PODS, pod, {"conditions": [unpaused()]})
        await self._tell_descheduler(vmi, pod)
        if labels_of(pod).get(keys.NODE_NAME) != pod["spec"]["nodeName"]:
            body = {"metadata": {"labels": {keys.NODE_NAME: pod["spec"]["nodeName"]}}}
            await self._actor.patch_merge(PODS, pod, body)

    async def _tell_descheduler(self, vmi: Object, pod: Object) -> None:
        """A pod whose eviction is under way is not to be chosen again."""
        said, marked = keys.EVICTION_IN_PROGRESS in annotations_of(pod), bool(vmi["status"].get("evacuationNodeName"))
        if said != marked:
            value = "true" if marked else None
            await self._actor.patch_merge(PODS, pod, {"metadata": {"annotations": {keys.EVICTION_IN_PROGRESS: value}}})

    async def _announce_target(self, vmi: Object) -> None:
        """Marks the target pod when its domain runs, for network plugins; in Go's time format."""
        state = (vmi.get("status") or {}).get("migrationState") or {}
        if not state.get("targetNodeDomainReadyTimestamp") or state.get("failed"):
            return
        pod = self._actor.caches.pods.get(vmi["metadata"]["namespace"], state.get("targetPod", ""))
        if pod is not None and keys.TARGET_READY not in annotations_of(pod) and not is_terminal(pod):
            await self._actor.patch_merge(PODS, pod, {"metadata": {"annotations": {keys.TARGET_READY: go_time()}}})

    def _wanted(self, vmi: Object, pods: list[Object], current: Object | None) -> Object:
        wanted: dict[str, Any] = dict(in_its_phase(vmi, pods, current).get("status") or {})
        wanted["activePods"] = {pod["metadata"]["uid"]: pod["spec"].get("nodeName", "") for pod in pods}
        if not wanted["activePods"]:
            del wanted["activePods"]
        if wanted["phase"] == "Running":
            wanted["conditions"] = requested(vmi, with_condition(wanted.get("conditions"), ready(vmi, current)))
        if wanted["phase"] == "Running" and current is not None:
            wanted.setdefault("launcherContainerImageVersion", current["spec"]["containers"][0]["image"])
            wanted["interfaces"] = interfaces(wanted, current)
        metadata = vmi["metadata"]
        if wanted["phase"] == "Scheduled" and wanted.get("nodeName"):
            metadata = {**metadata, "labels": {**labels_of(vmi), keys.NODE_NAME: wanted["nodeName"]}}
        return {**vmi, "metadata": metadata, "status": wanted}

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        if after is not None:
            self._controller.queue.add(key_of(after))

    def _on_pod(self, before: Object | None, after: Object | None) -> None:
        pod = after or before
        for owner in (pod or {"metadata": {}})["metadata"].get("ownerReferences", ()):
            if pod is not None and owner["kind"] == "VirtualMachineInstance":
                self._controller.queue.add((pod["metadata"]["namespace"], owner["name"]))
