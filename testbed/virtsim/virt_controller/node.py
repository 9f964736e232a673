"""virt-controller's node controller: silent virt-handlers, and the VMs lost with them (watch/node/node.go)."""

from collections.abc import Callable
from datetime import datetime

from virtsim.cluster.actor import Actor
from virtsim.cluster.controller import Controller
from virtsim.objects import keys, times
from virtsim.objects.pods import annotations_of, is_terminal, labels_of
from virtsim.objects.resources import NODES, VMIS, Key, Object, key_of
from virtsim.objects.times import seconds_since
from virtsim.virt_controller.vmi_status import FINAL

WORKERS = 3
SILENT_SECONDS = 300.0
RECHECK_SECONDS = 60.0
UNRESPONSIVE = "NodeUnresponsive"

Clock = Callable[[], datetime]


def is_unresponsive(node: Object | None, moment: datetime) -> bool:
    """Whether its last heartbeat is older than five minutes. A node that is gone is; one that never had a heartbeat,
    or has one that is no time, is not."""
    if node is None:
        return True
    heartbeat = annotations_of(node).get(keys.HEARTBEAT)
    try:
        return heartbeat is not None and seconds_since(heartbeat, moment) > SILENT_SECONDS
    except (ValueError, TypeError):
        return False


def is_alive(pod: Object) -> bool:
    """Whether something of a launcher still runs; one whose containers have all terminated does not."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    stopped = bool(statuses) and all("terminated" in (entry.get("state") or {}) for entry in statuses)
    return not is_terminal(pod) and not stopped


class NodeController:
    """Reconciles nodes, each once a minute and whenever it or a VMI on it changes."""

    def __init__(self, actor: Actor, clock: Clock = lambda: times.wall_clock()) -> None:
        self._actor = actor
        self._clock = clock
        self._controller = Controller("node", self.reconcile, WORKERS)

    async def run(self) -> None:
        await self._controller.run((self._actor.caches.nodes, self._on_node), (self._actor.caches.vmis, self._on_vmi))

    async def reconcile(self, key: Key) -> float | None:
        node = self._actor.caches.nodes.get(*key)
        if is_unresponsive(node, self._clock()):
            if node is not None and labels_of(node).get(keys.SCHEDULABLE) == "true":
                await self._mark(node)
            for vmi in self._lost(key[1]):
                await self._fail(vmi)
        return None if node is None else RECHECK_SECONDS

    async def _mark(self, node: Object) -> None:
        said = "virt-handler is not responsive, marking node as unresponsive"
        self._actor.events.normal({**node, "apiVersion": "v1", "kind": "Node"}, UNRESPONSIVE, said)
        await self._actor.patch_merge(NODES, node, {"metadata": {"labels": {keys.SCHEDULABLE: "false"}}})

    def _lost(self, node: str) -> list[Object]:
        """The VMIs of a node that are not over and have no alive pod there."""
        caches = self._actor.caches
        active = [vmi for vmi in caches.vmis.by("node", node) if vmi["status"].get("phase") not in FINAL]
        return [vmi for vmi in active if not any(is_alive(pod) for pod in self._pods(vmi, node))]

    def _pods(self, vmi: Object, node: str) -> list[Object]:
        owned = self._actor.caches.pods.by("owner", vmi["metadata"]["uid"])
        return [pod for pod in owned if pod["spec"].get("nodeName") == node]

    async def _fail(self, vmi: Object) -> None:
        node = vmi["status"]["nodeName"]
        said = f"virt-handler on node {node} is not responsive, marking VMI as failed"
        self._actor.events.normal(vmi, UNRESPONSIVE, said)
        operations = [
            {"op": "replace", "path": "/status/phase", "value": "Failed"},
            {"op": "add", "path": "/status/reason", "value": UNRESPONSIVE},
        ]
        await self._actor.patch_json(VMIS, vmi, operations)

    def _on_node(self, before: Object | None, after: Object | None) -> None:
        node = after or before
        if node is not None:
            self._controller.queue.add(key_of(node))

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        node = ((after or {}).get("status") or {}).get("nodeName")
        if node:
            self._controller.queue.add(("", node))
