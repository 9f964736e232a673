"""virt-controller's migration controller (pkg/virt-controller/watch/migration/migration.go)."""

import heapq
from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.cluster.controller import Controller
from virtsim.objects import keys
from virtsim.objects.conditions import is_true, without_condition
from virtsim.objects.migrations import is_being_deleted, is_final, phase_of
from virtsim.objects.phases import in_phase
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import VMIMS, Key, Object, key_of
from virtsim.virt_controller import garbage
from virtsim.virt_controller.configuration import migration_configuration
from virtsim.virt_controller.limits import ACTIVE_PRIORITY, queue_priority
from virtsim.virt_controller.phases import failure, next_phase
from virtsim.virt_controller.status import ABORT_REQUESTED, REJECTED_BY_QUOTA, conditioned
from virtsim.virt_controller.sync import Sync
from virtsim.virt_controller.view import View, look

WORKERS = 3


class MigrationController:
    """Reconciles VMIMs: acts for the phase it is in, then takes it at most one phase further."""

    def __init__(self, actor: Actor, image: str) -> None:
        self._actor = actor
        self._sync = Sync(actor, image)
        self._controller = Controller("migration", self.reconcile, WORKERS)

    async def run(self) -> None:
        caches = self._actor.caches
        await self._controller.run(
            (caches.vmims, self._on_vmim), (caches.vmis, self._on_vmi), (caches.pods, self._on_pod)
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
        again = await self._sync.act(view)
        await self._update_status(view)
        return again

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

    async def _update_status(self, view: View) -> None:
        """At most one phase: an end if there is a reason for one, else a requested abort, else one step."""
        vmim = view.vmim
        if is_final(vmim):
            await self._after_the_end(vmim)
        elif (reason := failure(view)) is not None:
            self._actor.events.warning(vmim, "FailedMigration", reason.message)
            failed = in_phase(vmim, "Failed")
            await self._write(conditioned(failed, ABORT_REQUESTED) if view.deleted and not view.handed_off else failed)
        elif view.deleted and not is_true(vmim, ABORT_REQUESTED):
            await self._write(conditioned(vmim, ABORT_REQUESTED))
        elif (phase := next_phase(view)) is not None:
            await self._enter(view, phase)

    async def _enter(self, view: View, phase: str) -> None:
        vmim = view.vmim
        fields: dict[str, Any] = {}
        if phase == "Pending" and view.source is not None:
            fields["migrationState"] = {"sourcePod": view.source["metadata"]["name"]}
        if phase == "Scheduled" and is_true(vmim, REJECTED_BY_QUOTA):
            fields["conditions"] = without_condition(vmim["status"]["conditions"], REJECTED_BY_QUOTA)
        await self._write(in_phase(vmim, phase, **fields))
        if phase == "Succeeded":
            self._actor.events.normal(vmim, "SuccessfulMigration", "Source node reported migration succeeded")

    async def _write(self, vmim: Object) -> None:
        await self._actor.update(VMIMS, vmim, "status")

    async def _after_the_end(self, vmim: Object) -> None:
        vmi = self._actor.caches.vmis.get(vmim["metadata"]["namespace"], vmim["spec"]["vmiName"])
        await garbage.finalize(self._actor, vmim, vmi or {})
        await garbage.collect(self._actor, vmim)
        self._wake_pending()

    def _wake_pending(self) -> None:
        """A slot may be free: the best of those that wait look at once, not at their next appointment."""
        caches = self._actor.caches
        count = int(migration_configuration(caches.kubevirts)["parallelMigrationsPerCluster"])
        waiting = [vmim for vmim in caches.vmims.by("class", "pending") if phase_of(vmim) == "Pending"]
        for vmim in heapq.nlargest(count, waiting, key=queue_priority):
            self._add(vmim)

    def _add(self, vmim: Object) -> None:
        self._controller.queue.add(key_of(vmim), queue_priority(vmim))

    def _on_vmim(self, before: Object | None, after: Object | None) -> None:
        if after is not None:
            self._add(after)

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        """What is over is looked at once more when its VMI is gone: then it goes, too."""
        vmi = after or before
        if vmi is not None:
            for vmim in self._actor.caches.vmims.by("vmi", "/".join(key_of(vmi))):
                if after is None or not is_final(vmim):
                    self._add(vmim)

    def _on_pod(self, before: Object | None, after: Object | None) -> None:
        pod = after or before
        if pod is not None and keys.MIGRATION_JOB_UID in labels_of(pod):
            name = annotations_of(pod).get(keys.MIGRATION_JOB_NAME, "")
            if self._actor.caches.vmims.get(pod["metadata"]["namespace"], name) is not None:
                self._controller.queue.add((pod["metadata"]["namespace"], name), ACTIVE_PRIORITY)
