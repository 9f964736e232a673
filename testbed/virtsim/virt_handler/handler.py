"""The virt-handlers of all nodes in one controller (pkg/virt-handler/{vm,migration-source,migration-target}.go)."""

from virtsim.cluster.actor import Actor
from virtsim.cluster.controller import Controller
from virtsim.objects import keys
from virtsim.objects.kubevirt import feature_gates
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.nodes import handler_runs, is_lost
from virtsim.objects.pods import annotations_of, is_ready, is_terminal, labels_of
from virtsim.objects.resources import VMIS, Key, Object, key_of
from virtsim.objects.switches import amount
from virtsim.options import Options
from virtsim.virt_handler.domain import started, with_migratability
from virtsim.virt_handler.sight import READY, Sight
from virtsim.virt_handler.steps import OBSERVED_WITHIN_SECONDS, Side, next_step
from virtsim.virt_handler.transfers import Transfers

WORKERS = 10
SYNC_RETRY_SECONDS = 5.0
"""When a step that failed is tried again."""

NODE_SWITCHES = (keys.HANDLER_STOPPED, keys.NODE_LOST, keys.LINK_SPEED)


class Handler:
    """Reconciles VMIs: starts their domains, keeps LiveMigratable, and does both ends of their migrations.

    Every write is a PUT of the whole VMI with its resourceVersion: whoever was faster wins, the other looks again.
    """

    def __init__(self, actor: Actor, options: Options) -> None:
        self._actor = actor
        self._controller = Controller("virt-handler", self.reconcile, WORKERS)
        self._migrating: dict[Key, None] = {}
        self.transfers = Transfers(options, self._controller.queue.add)

    async def run(self) -> None:
        caches = self._actor.caches
        caches.nodes.subscribe(self._on_node)
        self.transfers.resume(caches.vmis)
        caches.vmis.subscribe(self._on_vmi)
        caches.pods.subscribe(self._on_pod)
        try:
            await self._controller.run()
        finally:
            self.transfers.close()

    async def reconcile(self, key: Key) -> float | None:
        vmi = self._actor.caches.vmis.get(*key)
        status = (vmi or {}).get("status") or {}
        if vmi is None or is_being_deleted(vmi):
            return None
        if status.get("phase") == "Running" and _migrates(vmi):
            return await self._migrate(vmi)
        if not handler_runs(self._node(status.get("nodeName"))):
            return None
        if status.get("phase") == "Scheduled":
            await self._start(vmi)
        elif status.get("phase") == "Running":
            await self._keep_migratability(vmi)
        return None

    async def _start(self, vmi: Object) -> None:
        pod = self._actor.caches.current_pod(vmi)
        if pod is not None and is_ready(pod):
            await self._actor.update(VMIS, started(vmi, pod, feature_gates(self._actor.caches.kubevirts)))
            self._actor.events.normal(vmi, "Started", "VirtualMachineInstance started.")

    async def _keep_migratability(self, vmi: Object) -> None:
        """Only while the VM is not migrating: the condition may be stale during a migration."""
        now = with_migratability(vmi, feature_gates(self._actor.caches.kubevirts))
        if now is not vmi:
            await self._actor.update(VMIS, now)

    async def _migrate(self, vmi: Object) -> float | None:
        sight = self._look(vmi)
        step = next_step(sight, self._silent(sight))
        if step is None:
            return self._patience(sight)
        for event in step.before(sight):
            self._tell(vmi, *event)
        wanted = step.change(sight)
        if wanted is vmi:
            return self.transfers.real(SYNC_RETRY_SECONDS)
        self.transfers.begin(await self._actor.update(VMIS, wanted))
        for event in step.after(sight):
            self._tell(vmi, *event)
        return None

    def _look(self, vmi: Object) -> Sight:
        state = vmi["status"]["migrationState"]
        target = self._actor.caches.pods.get(vmi["metadata"]["namespace"], state["targetPod"])
        ready = target is not None and is_ready(target)
        job = self.transfers.job(vmi)
        since_end = 0.0 if job is None or job.ended is None else self.transfers.now - job.ended
        cut_off = any(is_lost(self._node(state.get(side))) for side in ("sourceNode", "targetNode"))
        return Sight(vmi, state, ready, job, since_end, cut_off)

    def _silent(self, sight: Sight) -> list[Side]:
        sides: tuple[tuple[Side, str], ...] = (("source", "sourceNode"), ("target", "targetNode"))
        return [side for side, node in sides if not handler_runs(self._node(sight.state.get(node)))]

    def _patience(self, sight: Sight) -> float | None:
        """Seconds until the source stops waiting for the target to see the domain; None if it does not wait."""
        if not sight.moved or sight.has(READY):
            return None
        left = OBSERVED_WITHIN_SECONDS - sight.since_end
        return self.transfers.real(left) if left > 0 else None

    def _node(self, name: str | None) -> Object | None:
        return self._actor.caches.nodes.get("", name or "")

    def _tell(self, vmi: Object, kind: str, reason: str, message: str) -> None:
        tell = self._actor.events.normal if kind == "Normal" else self._actor.events.warning
        tell(vmi, reason, message)

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        vmi = after or before
        if vmi is None:
            return
        key = key_of(vmi)
        self.transfers.observe(key, after)
        self._migrating.pop(key, None)
        if after is not None:
            if _migrates(after):
                self._migrating[key] = None
            self._controller.queue.add(key)

    def _on_pod(self, before: Object | None, after: Object | None) -> None:
        """A launcher that became ready, or ended, may be what a VMI waits for."""
        pod = after or before
        changed = after is None or is_ready(after) or is_terminal(after)
        if pod is not None and changed and keys.DOMAIN in annotations_of(pod):
            self._controller.queue.add((pod["metadata"]["namespace"], annotations_of(pod)[keys.DOMAIN]))

    def _on_node(self, before: Object | None, after: Object | None) -> None:
        """Its virt-handler may have stopped or come back, its network may be another."""
        if before is not None and after is not None and _switches(before) == _switches(after):
            return
        node = after or before
        if node is None or (before is None and not any(_switches(node))):
            return
        name = node["metadata"]["name"]
        self.transfers.set_link(name, 0.0 if is_lost(after) else amount(after, keys.LINK_SPEED))
        concerned = [key_of(vmi) for vmi in self._actor.caches.vmis.by("node", name)]
        for key in (*concerned, *self._migrating):
            self._controller.queue.add(key)


def _migrates(vmi: Object) -> bool:
    return keys.MIGRATION_TARGET_NODE in labels_of(vmi) and bool((vmi.get("status") or {}).get("migrationState"))


def _switches(node: Object) -> tuple[str | None, ...]:
    return tuple(annotations_of(node).get(key) for key in NODE_SWITCHES)
