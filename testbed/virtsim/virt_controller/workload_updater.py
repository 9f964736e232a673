"""virt-controller's workload updater: brings running VMs to a new launcher, or finishes what a user changed of them
(pkg/virt-controller/watch/workload-updater/workload-updater.go).
"""

import asyncio
import hashlib

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.cluster.controller import Controller
from virtsim.objects.gates import prioritised
from virtsim.objects.migrations import is_migrating
from virtsim.objects.resources import KUBEVIRTS, PODS, VMIMS, Key, Object, key_of
from virtsim.virt_controller.configuration import launcher_image, migration_configuration
from virtsim.virt_controller.workload_updates import (
    Candidates,
    Strategy,
    candidates,
    changes_hardware,
    changes_volumes,
    is_deployed,
    is_ours,
    migration_of,
    strategy_of,
)

THROTTLE_SECONDS = 5.0
RECHECK_SECONDS = 30.0
OUTDATED = "outdatedVirtualMachineInstanceWorkloads"


class WorkloadUpdater:
    """Reconciles the KubeVirt CR, at most every five seconds."""

    def __init__(self, actor: Actor, image: str) -> None:
        self._actor = actor
        self._image = image
        self._controller = Controller("workload-update", self.reconcile, workers=1)
        self._last_batch: float | None = None
        self._turn = 0

    async def run(self) -> None:
        caches = self._actor.caches
        await self._controller.run(
            (caches.kubevirts, self._on_any), (caches.vmims, self._on_any), (caches.vmis, self._on_vmi)
        )

    async def reconcile(self, key: Key) -> float | None:
        kubevirt = self._actor.caches.kubevirts.get(*key)
        if kubevirt is None or not is_deployed(kubevirt):
            return None
        caches, strategy = self._actor.caches, strategy_of(kubevirt)
        found = candidates(caches.vmis, caches.vmims, launcher_image([kubevirt], self._image), strategy)
        try:
            await self._tell(kubevirt, found.outdated)
            await self._do(found, strategy)
        except ApiError:
            # Not the usual back-off: whatever was refused is looked at again as everything else here.
            return THROTTLE_SECONDS
        return RECHECK_SECONDS if found else None

    async def _tell(self, kubevirt: Object, outdated: int) -> None:
        if (kubevirt.get("status") or {}).get(OUTDATED) != outdated:
            await self._actor.patch_merge(KUBEVIRTS, kubevirt, {"status": {OUTDATED: outdated}}, "status")

    async def _do(self, found: Candidates, strategy: Strategy) -> None:
        """No more migrations than there are free slots, one batch of evictions at a time, and all aborts."""
        caches = self._actor.caches
        limit = int(migration_configuration(caches.kubevirts)["parallelMigrationsPerCluster"])
        room = max(0, limit - caches.vmims.count("class", "running"))
        for vmi in self._shuffled(found.migrate)[:room]:
            await self._migrate(vmi)
        for vmi in self._batch(found.evict, strategy):
            await self._evict(vmi)
        for vmi in found.abort:
            await self._abort(vmi)

    def _shuffled(self, vmis: list[Object]) -> list[Object]:
        """Another order each time, so that a few that cannot be moved do not hold up all others."""
        self._turn += 1
        seed = str(self._turn)
        return sorted(vmis, key=lambda vmi: hashlib.sha256(f"{seed}{vmi['metadata']['uid']}".encode()).digest())

    def _batch(self, vmis: list[Object], strategy: Strategy) -> list[Object]:
        clock = asyncio.get_running_loop().time()
        too_soon = self._last_batch is not None and clock <= self._last_batch + strategy.batch_seconds
        if too_soon or not vmis:
            return []
        self._last_batch = clock
        return vmis[: strategy.batch_size]

    async def _migrate(self, vmi: Object) -> None:
        try:
            wanted = prioritised(migration_of(vmi), self._actor.caches.kubevirts, self._actor.version)
            vmim = await self._actor.create(VMIMS, wanted)
        except ApiError as error:
            said = f"Error creating a Migration for automated workload update: {error.message}"
            self._actor.events.warning(vmi, "FailedCreate", said)
            raise
        said = f"Created Migration {vmim['metadata']['name']} for automated workload update"
        self._actor.events.normal(vmi, "SuccessfulCreate", said)

    async def _evict(self, vmi: Object) -> None:
        pod = self._actor.caches.current_pod(vmi)
        if pod is None:
            return
        metadata = {field: pod["metadata"][field] for field in ("name", "namespace")}
        try:
            await self._actor.client.create(
                PODS, {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}, "eviction"
            )
        except ApiError as error:
            said = f"Error deleting VMI during automated workload update: {error.message}"
            self._actor.events.warning(vmi, "FailedEvict", said)
            raise
        said = "Initiated eviction of VMI as part of automated workload update: <nil>"
        self._actor.events.normal(vmi, "SuccessfulEvict", said)

    async def _abort(self, vmi: Object) -> None:
        for vmim in self._actor.caches.vmims.by("vmi", "/".join(key_of(vmi))):
            if is_ours(vmim):
                await self._actor.delete(VMIMS, vmim)
                said = f"Aborted change for vmi: {vmi['metadata']['name']}"
                self._actor.events.normal(vmi, "SuccessfulChangeAbortion", said)

    def _on_any(self, before: Object | None, after: Object | None) -> None:
        for kubevirt in self._actor.caches.kubevirts:
            self._controller.queue.add_after(key_of(kubevirt), THROTTLE_SECONDS)

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        """Of all that happens to VMIs only a change that waits for a migration."""
        if before is None or after is None or is_migrating(after):
            return
        if changes_hardware(after) or changes_volumes(after):
            self._on_any(before, after)
