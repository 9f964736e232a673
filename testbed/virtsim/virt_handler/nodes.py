"""What a virt-handler says of its node when it stops and when it comes back (pkg/virt-handler/heartbeat)."""

from virtsim.cluster.actor import Actor
from virtsim.cluster.controller import Controller
from virtsim.objects import keys
from virtsim.objects.nodes import handler_runs, heartbeat, is_lost, stopping
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import NODES, Key, Object, key_of

WORKERS = 4


class NodeHandler:
    """Reconciles nodes whose virt-handler was stopped or started by an annotation; heartbeats go on elsewhere."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._controller = Controller("virt-handler of nodes", self.reconcile, WORKERS)
        self._returning: set[Key] = set()

    async def run(self) -> None:
        await self._controller.run((self._actor.caches.nodes, self._on_node))

    async def reconcile(self, key: Key) -> None:
        node = self._actor.caches.nodes.get(*key)
        if node is None or is_lost(node):
            return
        if not handler_runs(node):
            if labels_of(node).get(keys.SCHEDULABLE) == "true":
                await self._actor.patch_merge(NODES, node, stopping())
        elif key in self._returning:
            await self._actor.patch_merge(NODES, node, heartbeat())
            self._returning.discard(key)

    def _on_node(self, before: Object | None, after: Object | None) -> None:
        """Only a change of its own switches counts: what else becomes of the label is the next heartbeat's business."""
        node = after or before
        if node is None or keys.SIMULATED_NODE not in labels_of(node):
            return
        key, runs = key_of(node), after is not None and handler_runs(after)
        if before is not None and not handler_runs(before) and runs:
            self._returning.add(key)
        elif not runs:
            self._returning.discard(key)
        if after is not None and (key in self._returning or not runs):
            self._controller.queue.add(key)
