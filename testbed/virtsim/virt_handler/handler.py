"""The virt-handlers of all nodes in one controller (pkg/virt-handler/{vm,migration-source,migration-target}.go)."""

import asyncio

from virtsim.cluster.actor import Actor
from virtsim.cluster.controller import Controller
from virtsim.objects import keys
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.pods import annotations_of, is_ready, is_terminal, labels_of
from virtsim.objects.resources import VMIS, Key, Object, key_of
from virtsim.objects.times import seconds_since
from virtsim.options import Options
from virtsim.virt_handler.domain import started, with_migratability
from virtsim.virt_handler.launcher import migration_job
from virtsim.virt_handler.steps import Sight, next_step

WORKERS = 10


class Handler:
    """Reconciles VMIs: starts their domains, keeps LiveMigratable, and does both ends of their migrations.

    Every write is a PUT of the whole VMI with its resourceVersion: whoever was faster wins, the other looks again.
    """

    def __init__(self, actor: Actor, options: Options) -> None:
        self._actor = actor
        self._options = options
        self._controller = Controller("virt-handler", self.reconcile, WORKERS)
        self._started: dict[str, float] = {}

    async def run(self) -> None:
        self._actor.caches.vmis.subscribe(self._on_vmi)
        self._actor.caches.pods.subscribe(self._on_pod)
        await self._controller.run()

    async def reconcile(self, key: Key) -> float | None:
        vmi = self._actor.caches.vmis.get(*key)
        status = (vmi or {}).get("status") or {}
        if vmi is None or is_being_deleted(vmi):
            return None
        if status.get("phase") == "Scheduled":
            await self._start(vmi)
        elif status.get("phase") == "Running" and self._migrates(vmi):
            return await self._migrate(vmi)
        elif status.get("phase") == "Running":
            await self._keep_migratability(vmi)
        return None

    async def _start(self, vmi: Object) -> None:
        pod = self._actor.caches.current_pod(vmi)
        if pod is not None and is_ready(pod):
            await self._actor.update(VMIS, started(vmi, pod))
            self._actor.events.normal(vmi, "Started", "VirtualMachineInstance started.")

    async def _keep_migratability(self, vmi: Object) -> None:
        """Only while the VM is not migrating: the condition may be stale during a migration."""
        now = with_migratability(vmi)
        if now is not vmi:
            await self._actor.update(VMIS, now)

    def _migrates(self, vmi: Object) -> bool:
        return keys.MIGRATION_TARGET_NODE in labels_of(vmi) and bool(vmi["status"].get("migrationState"))

    async def _migrate(self, vmi: Object) -> float | None:
        sight = self._look(vmi)
        step = next_step(sight)
        if step is None:
            return max(0.0, sight.job.seconds - sight.age) if sight.target_ready else None
        wanted = step.change(sight)
        if wanted is vmi:
            return None
        for event in step.before(sight):
            self._tell(vmi, *event)
        await self._actor.update(VMIS, wanted)
        for event in step.after(sight):
            self._tell(vmi, *event)
        return None

    def _look(self, vmi: Object) -> Sight:
        state = vmi["status"]["migrationState"]
        target = self._actor.caches.pods.get(vmi["metadata"]["namespace"], state["targetPod"])
        ready = target is not None and is_ready(target)
        return Sight(vmi, state, ready, migration_job(vmi, self._options), self._age(state))

    def _age(self, state: Object) -> float:
        """Seconds since the job began. A process that was started later has only the timestamp, cut to the second."""
        uid, start = state["migrationUid"], state.get("startTimestamp")
        if start is None or state.get("endTimestamp"):
            self._started.pop(uid, None)
            return 0.0
        clock = asyncio.get_running_loop().time()
        return clock - self._started.setdefault(uid, clock - max(0.0, seconds_since(start) - 1.0))

    def _tell(self, vmi: Object, kind: str, reason: str, message: str) -> None:
        tell = self._actor.events.normal if kind == "Normal" else self._actor.events.warning
        tell(vmi, reason, message)

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        if after is not None:
            self._controller.queue.add(key_of(after))

    def _on_pod(self, before: Object | None, after: Object | None) -> None:
        """A launcher that became ready, or ended, may be what a VMI waits for."""
        if after is not None and (is_ready(after) or is_terminal(after)) and keys.DOMAIN in annotations_of(after):
            self._controller.queue.add((after["metadata"]["namespace"], annotations_of(after)[keys.DOMAIN]))
