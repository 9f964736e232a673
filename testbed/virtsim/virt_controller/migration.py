"""virt-controller's migration controller (pkg/virt-controller/watch/migration/migration.go)."""

import heapq

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.cluster.controller import Controller
from virtsim.objects import keys
from virtsim.objects.conditions import condition
from virtsim.objects.migrations import is_being_deleted, is_final, owned_state, phase_of
from virtsim.objects.phases import in_phase
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import VMIMS, Key, Object, key_of
from virtsim.objects.times import seconds_since
from virtsim.virt_controller import garbage
from virtsim.virt_controller.backups import abort_backup
from virtsim.virt_controller.blocking import Block, block
from virtsim.virt_controller.configuration import migration_configuration
from virtsim.virt_controller.limits import ACTIVE_PRIORITY, queue_priority
from virtsim.virt_controller.status import REJECTED_BY_QUOTA, advance
from virtsim.virt_controller.sync import Sync
from virtsim.virt_controller.view import View, look

WORKERS = 3


class MigrationController:
    """Reconciles VMIMs: acts for the phase it is in, then takes it at most one phase further."""

    def __init__(self, actor: Actor, image: str) -> None:
        self._actor = actor
        self._sync = Sync(actor, image)
        self._controller = Controller("migration", self.reconcile, WORKERS, self._priority)

    async def run(self) -> None:
        caches = self._actor.caches
        await self._controller.run(
            (caches.vmims, self._on_vmim),
            (caches.vmis, self._on_vmi),
            (caches.pods, self._on_pod),
            (caches.quotas, self._on_quota),
        )

    async def reconcile(self, key: Key) -> float | None:
        vmim = self._actor.caches.vmims.get(*key)
        if vmim is None:
            return None
        if keys.LATEST_API_VERSION not in annotations_of(vmim):
            await self._mark_api_version(vmim)
            return None
        view = look(self._actor.caches, vmim)
        if view is None:
            await self._without_vmi(vmim)
            return None
        again, refusal = await self._act(view)
        blocked = await self._update_status(view, refusal)
        if refusal is not None:
            raise refusal
        return min((seconds for seconds in (again, blocked) if seconds is not None), default=None)

    async def _act(self, view: View) -> tuple[float | None, ApiError | None]:
        """When to look again, or the refusal that it met: the status is updated all the same, then it is retried."""
        try:
            return await self._sync.act(view), None
        except ApiError as error:
            return None, error

    async def _mark_api_version(self, vmim: Object) -> None:
        """Its very first write, by which an observer sees that virt-controller took the migration up."""
        versions = {keys.LATEST_API_VERSION: "v1", keys.STORAGE_API_VERSION: "v1"}
        metadata = {**vmim["metadata"], "annotations": {**annotations_of(vmim), **versions}}
        await self._actor.update(VMIMS, {**vmim, "metadata": metadata})

    async def _without_vmi(self, vmim: Object) -> None:
        """A migration whose VMI is gone is deleted; it ends in Failed first, so that its finalizer goes."""
        if not is_being_deleted(vmim):
            await self._actor.delete(VMIMS, vmim)
        elif is_final(vmim):
            await garbage.finalize(self._actor, vmim, {})
        else:
            self._actor.events.warning(vmim, "FailedMigration", "Migration failed because vmi does not exist.")
            await self._actor.update(VMIMS, in_phase(vmim, "Failed"), "status")

    async def _update_status(self, view: View, refusal: ApiError | None) -> float | None:
        """Writes at most one phase, from what was seen before the act. Answers when to look again."""
        if is_final(view.vmim):
            await self._after_the_end(view, refusal)
            return None
        blocked = self._block(view)
        if blocked is not None and blocked.aborts:
            await abort_backup(self._actor, view.vmi, view.vmim)
        ahead = advance(view, blocked, refusal)
        if ahead.event is not None:
            self._actor.events.tell(view.vmim, *ahead.event)
        if ahead.vmim is not view.vmim:
            await self._actor.update(VMIMS, ahead.vmim, "status")
        return blocked.again if blocked is not None and not blocked.over else None

    def _block(self, view: View) -> Block | None:
        if view.phase != "Pending" or view.deleted:
            return None
        age = int(seconds_since(view.vmim["metadata"]["creationTimestamp"]))
        patience = migration_configuration(self._actor.caches.kubevirts)["utilityVolumesTimeout"]
        return block(view, int(patience), age)

    async def _after_the_end(self, view: View, refusal: ApiError | None) -> None:
        """From what was seen before the act, so that the copied state may lag by one reconcile, as KubeVirt's does."""
        await garbage.finalize(self._actor, view.vmim, view.vmi)
        if refusal is None:
            await garbage.collect(self._actor, view.vmim)
            self._wake_pending()

    def _wake_pending(self) -> None:
        """A slot may be free: the best of those that wait look at once, not at their next appointment."""
        caches = self._actor.caches
        count = int(migration_configuration(caches.kubevirts)["parallelMigrationsPerCluster"])
        waiting = [vmim for vmim in caches.vmims.by("class", "pending") if phase_of(vmim) == "Pending"]
        for vmim in heapq.nlargest(count, waiting, key=queue_priority):
            self._add(vmim)

    def _priority(self, key: Key) -> int:
        """Who has a target pod comes before all who wait for one, also when only a timer brings it back."""
        vmim = self._actor.caches.vmims.get(*key)
        if vmim is None:
            return 0
        has_pod = self._actor.caches.pods.count("migration", vmim["metadata"]["uid"]) > 0
        return ACTIVE_PRIORITY if has_pod else queue_priority(vmim)

    def _add(self, vmim: Object) -> None:
        self._controller.queue.add(key_of(vmim), queue_priority(vmim))

    def _on_vmim(self, before: Object | None, after: Object | None) -> None:
        if after is not None:
            self._add(after)

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        vmi = after or before
        if vmi is not None:
            for vmim in self._actor.caches.vmims.by("vmi", "/".join(key_of(vmi))):
                if after is None or not is_final(vmim) or owned_state(vmi, vmim) is not None:
                    self._add(vmim)

    def _on_pod(self, before: Object | None, after: Object | None) -> None:
        pod = after or before
        if pod is not None and keys.MIGRATION_JOB_UID in labels_of(pod):
            name = annotations_of(pod).get(keys.MIGRATION_JOB_NAME, "")
            if self._actor.caches.vmims.get(pod["metadata"]["namespace"], name) is not None:
                self._controller.queue.add((pod["metadata"]["namespace"], name), ACTIVE_PRIORITY)

    def _on_quota(self, before: Object | None, after: Object | None) -> None:
        """A quota that changed or went may let in who was refused by one."""
        if before is None:
            return
        for vmim in self._actor.caches.vmims.by("class", "pending"):
            same_namespace = vmim["metadata"]["namespace"] == before["metadata"]["namespace"]
            if same_namespace and condition(vmim, REJECTED_BY_QUOTA) is not None:
                self._add(vmim)
