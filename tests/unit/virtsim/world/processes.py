"""KubeVirt's processes: each with caches of its own, fed by watches whose events the test delivers, each mortal."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, cast

from tests.unit.virtsim.world.door import Door, WorldClient
from tests.unit.virtsim.world.server import RESOURCES, Write
from virtsim import identities
from virtsim.cluster.actor import Actor
from virtsim.cluster.caches import Caches
from virtsim.cluster.client import Client, Identity
from virtsim.cluster.events import Recorder
from virtsim.kubelet.pods import Pods
from virtsim.objects.resources import Resource
from virtsim.options import Options
from virtsim.virt_controller.evacuation import EvacuationController
from virtsim.virt_controller.migration import MigrationController
from virtsim.virt_controller.vmi import VmiController
from virtsim.virt_handler.handler import Handler

OPTIONS = Options()
Work = Coroutine[Any, Any, None]
Build = Callable[[Callable[[Identity, str], Actor]], list[Work]]


def _virt_controller(actor: Callable[[Identity, str], Actor]) -> list[Work]:
    controller = actor(identities.CONTROLLER, "virtualmachine-controller")
    evacuating = actor(identities.CONTROLLER, "evacuation-controller")
    image = OPTIONS.launcher_image
    return [
        VmiController(controller, image).run(),
        MigrationController(controller, image).run(),
        EvacuationController(evacuating).run(),
    ]


PROCESSES: dict[str, Build] = {
    "virt-controller": _virt_controller,
    "virt-handler": lambda actor: [Handler(actor(identities.HANDLER, "virt-handler"), OPTIONS).run()],
    "kubelet": lambda actor: [Pods(actor(identities.KUBELET, "kubelet"), OPTIONS).run()],
}


class Process:
    """One of them, alive. All of its components share its caches, as in KubeVirt."""

    def __init__(self, name: str, door: Door) -> None:
        self.name = name
        self.caches = Caches()
        self._door = door
        self._told: dict[Resource, list[Write]] = {resource: [] for resource in RESOURCES}
        self._coming: dict[Resource, deque[Write]] = {resource: deque() for resource in RESOURCES}
        self._tasks: list[asyncio.Task[None]] = []
        door.server.watchers.append(self._on_write)

    def start(self) -> None:
        """With caches freshly listed, and nothing else remembered."""
        self.caches = Caches()
        for resource in RESOURCES:
            self.relist(resource)
            self._told[resource].clear()
        self._tasks = [asyncio.create_task(work) for work in PROCESSES[self.name](self._actor)]

    async def stop(self) -> None:
        """In the middle of whatever it does: requests that wait at the door are never done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._door.close(self.name)

    def check(self) -> None:
        """Raises what stopped one of its components, which nothing may."""
        for task in self._tasks:
            if task.done():
                task.result()

    def coming(self) -> list[Resource]:
        """The watches that have something to tell."""
        return [resource for resource, events in self._coming.items() if events]

    def deliver(self, resource: Resource, count: int = 1) -> None:
        """The next events of one watch."""
        for _ in range(min(count, len(self._coming[resource]))):
            event = self._coming[resource].popleft()
            self._told[resource].append(event)
            self._take(event)

    def repeat(self, resource: Resource, count: int) -> None:
        """A watch that begins anew at an older version tells its last events once more."""
        for event in self._told[resource][-count:]:
            self._take(event)

    def relist(self, resource: Resource) -> None:
        """A watch that was lost: listed anew."""
        store = self.caches.of(resource)
        assert store is not None
        self._coming[resource].clear()
        objects = self._door.server.all(resource)
        for obj in objects:
            store.observe({**obj, "metadata": {**obj["metadata"]}})
        store.keep_only({obj["metadata"]["uid"] for obj in objects}, self._door.server.version)

    def _take(self, event: Write) -> None:
        store = self.caches.of(event.resource)
        assert store is not None
        if event.after is None:
            store.forget(event.obj)
        else:
            store.observe({**event.after, "metadata": {**event.after["metadata"]}})

    def _on_write(self, write: Write) -> None:
        if write.resource in self._coming:
            self._coming[write.resource].append(write)

    def _actor(self, identity: Identity, component: str) -> Actor:
        client = cast(Client, WorldClient(self._door, self.name, identity))
        return Actor(client, self.caches, Recorder(client, component))
