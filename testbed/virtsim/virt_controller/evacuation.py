"""virt-controller's evacuation controller: a migration for each VM that has to leave its node
(pkg/virt-controller/watch/drain/evacuation/evacuation.go). It tries for ever, until the VM is moved or unmarked.
"""

from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.cluster.controller import Controller
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.eviction import is_marked, strategy_of
from virtsim.objects.gates import prioritised
from virtsim.objects.migrations import generated, is_being_deleted, is_final, is_migrating, vmi_key
from virtsim.objects.pods import annotations_of, is_terminal
from virtsim.objects.resources import VMIMS, Key, Object, key_of
from virtsim.versions import NEWEST
from virtsim.virt_controller.configuration import migration_configuration
from virtsim.virt_controller.evacuation_cap import LOOK_AGAIN_SECONDS, has_spot
from virtsim.virt_controller.vmi_status import FINAL

WORKERS = 3


class EvacuationController:
    """Reconciles VMIs; KubeVirt goes by nodes, which comes to the same since 1.9: all candidates at once."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        # Where spots are counted one VM comes after the other.
        workers = 1 if actor.version < NEWEST else WORKERS
        self._controller = Controller("evacuation", self.reconcile, workers)

    async def run(self) -> None:
        caches = self._actor.caches
        await self._controller.run(
            (caches.vmis, self._on_vmi),
            (caches.vmims, self._on_vmim),
            (caches.pods, self._on_pod),
            (caches.nodes, self._on_node),
        )

    async def reconcile(self, key: Key) -> float | None:
        vmi = self._actor.caches.vmis.get(*key)
        if vmi is None or not self._has_to_leave(vmi) or not self._may_be_moved(vmi):
            return None
        if not has_spot(self._actor.caches, self._actor.version, vmi):
            return LOOK_AGAIN_SECONDS
        wanted = prioritised(self._migration(vmi), self._actor.caches.kubevirts, self._actor.version)
        try:
            vmim = await self._actor.create(VMIMS, wanted)
        except ApiError as error:
            self._actor.events.warning(vmi, "FailedCreate", f"Error creating a Migration: {error.message}")
            raise
        self._actor.events.normal(vmi, "SuccessfulCreate", f"Created Migration {vmim['metadata']['name']}")
        return None

    def _has_to_leave(self, vmi: Object) -> bool:
        """By its mark, unless it is migrating; or by the drain taint of its node (deprecated)."""
        return (is_marked(vmi) and not is_migrating(vmi)) or self._is_drained(vmi)

    def _is_drained(self, vmi: Object) -> bool:
        node = self._actor.caches.nodes.get("", (vmi.get("status") or {}).get("nodeName", ""))
        key = migration_configuration(self._actor.caches.kubevirts)["nodeDrainTaintKey"]
        taints = ((node or {}).get("spec") or {}).get("taints") or ()
        return any(taint["key"] == key and taint["effect"] == "NoSchedule" for taint in taints)

    def _may_be_moved(self, vmi: Object) -> bool:
        caches = self._actor.caches
        over = is_being_deleted(vmi) or (vmi.get("status") or {}).get("phase") in FINAL
        wanted = strategy_of(vmi, caches.kubevirts) in ("LiveMigrate", "LiveMigrateIfPossible")
        if over or not wanted or not is_true(vmi, "LiveMigratable"):
            return False
        alive = [pod for pod in caches.pods.by("owner", vmi["metadata"]["uid"]) if not is_terminal(pod)]
        unfinished = [vmim for vmim in caches.vmims.by("vmi", "/".join(key_of(vmi))) if not is_final(vmim)]
        return len(alive) <= 1 and not unfinished

    def _migration(self, vmi: Object) -> dict[str, Any]:
        from_descheduler = annotations_of(vmi).get(keys.EVICTION_SOURCE) == "descheduler"
        priority = "system-maintenance" if from_descheduler else "system-critical"
        annotations = {keys.EVACUATION: vmi["status"]["nodeName"]}
        return generated(vmi, "kubevirt-evacuation-", priority, annotations=annotations)

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        if after is not None:
            self._controller.queue.add(key_of(after))

    def _on_vmim(self, before: Object | None, after: Object | None) -> None:
        vmim = after or before
        if vmim is not None and (after is None or is_final(after)):
            self._controller.queue.add(vmi_key(vmim))

    def _on_pod(self, before: Object | None, after: Object | None) -> None:
        pod = after or before
        if pod is not None and keys.DOMAIN in annotations_of(pod):
            self._controller.queue.add((pod["metadata"]["namespace"], annotations_of(pod)[keys.DOMAIN]))

    def _on_node(self, before: Object | None, after: Object | None) -> None:
        if after is None or (before or {}).get("spec", {}).get("taints") == after["spec"].get("taints"):
            return
        for vmi in self._actor.caches.vmis.by("node", after["metadata"]["name"]):
            self._controller.queue.add(key_of(vmi))
