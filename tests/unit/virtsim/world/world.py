"""The cluster as a whole, and the moves a test may make in it."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from tests.unit.virtsim.world.clock import SteppedLoop
from tests.unit.virtsim.world.door import Door, Outcome
from tests.unit.virtsim.world.invariants import check
from tests.unit.virtsim.world.kubernetes import admit, collect_garbage, schedule, waiting_pods
from tests.unit.virtsim.world.objects import MACHINES, NAMESPACE, NODES_BY_NAME, a_kubevirt, a_node, a_vmi
from tests.unit.virtsim.world.processes import PROCESSES, Process
from tests.unit.virtsim.world.server import Server, Write
from tests.unit.virtsim.world.sight import Sight
from virtsim.objects.resources import KUBEVIRTS, NAMESPACES, NODES, VMIS, Key, Object, Resource
from virtsim.virt_controller.configuration import migration_configuration

LIMITS = (2, 1)
TURNS = 4
"""How many turns of the loop it takes until whoever was answered waits again."""


class World:
    """Three processes beside one server, under a loop whose clock the test moves."""

    def __init__(self, loop: SteppedLoop, *, atomic_admission: bool) -> None:
        self.loop = loop
        self.server = Server()
        self.server.admit = lambda writer, resource, obj: admit(self.server, resource, obj, atomic=atomic_admission)
        self.door = Door(self.server, self._limits)
        self.names = itertools.count(1)
        self.log: list[Write] = []
        self.processes = {name: Process(name, self.door) for name in PROCESSES}
        self.sight = Sight(self.server, self.door)
        self.server.watchers.append(self._on_write)

    async def begin(self) -> None:
        """Everything that is there in the beginning, and the processes that look at it."""
        for name in NODES_BY_NAME:
            self.server.create("admin", NODES, a_node(name))
        self.server.create("admin", NAMESPACES, {"metadata": {"name": NAMESPACE}})
        self.server.create("admin", KUBEVIRTS, a_kubevirt(*LIMITS))
        for name, (node, strategy) in MACHINES.items():
            self.server.create("admin", VMIS, a_vmi(name, node, strategy))
        for process in self.processes.values():
            process.start()
        await self.settle()

    async def end(self) -> None:
        for process in self.processes.values():
            await process.stop()

    async def settle(self) -> None:
        """Lets everybody run until all of them wait for the test."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        for process in self.processes.values():
            process.check()

    async def restart(self, name: str) -> None:
        await self.processes[name].stop()
        self.processes[name].start()
        await self.settle()

    async def answer(self, number: int, outcome: Outcome) -> None:
        """Answers one of the requests that wait, if any does."""
        if self.door.waiting:
            self.door.answer(self.door.waiting[number % len(self.door.waiting)], outcome)
            await self.settle()

    def coming(self) -> list[tuple[Process, Resource]]:
        return [(process, resource) for process in self.processes.values() for resource in process.coming()]

    async def round(self) -> bool:
        """Everything that is due is done, well and in order. Answers whether there was anything."""
        coming, waiting = self.coming(), list(self.door.waiting)
        for process, resource in coming:
            process.deliver(resource, 1000)
        for request in waiting:
            if request in self.door.waiting:
                self.door.answer(request)
        for pod in waiting_pods(self.server):
            schedule(self.server, pod, 0)
        collect_garbage(self.server)
        await self.settle()
        return bool(coming or waiting or self.coming() or self.door.waiting)

    async def tick(self, at_most: float) -> bool:
        """Moves the clock to the next timer, if one is due soon enough."""
        left = self.loop.next_timer()
        if left is None or left > at_most:
            return False
        self.loop.advance(left)
        await self.settle()
        return True

    async def run_until(self, so: Callable[[], bool], seconds: float) -> bool:
        """Runs without faults until something is so. Answers whether it came to be, within this time on the clock."""
        end = self.loop.time() + seconds
        while not so():
            if not await self.round() and not await self.tick(end - self.loop.time()):
                return False
        return True

    def change(self, resource: Resource, key: Key, change: Callable[[Object], Object], sub: str = "") -> None:
        """What a user, or fate, does to an object, if it is there."""
        if self.server.find(resource, *key) is not None:
            self.server.change("user", resource, key, change, sub)

    def _limits(self) -> tuple[int, int]:
        known: dict[str, Any] = migration_configuration(self.processes["virt-controller"].caches.kubevirts)
        return known["parallelMigrationsPerCluster"], known["parallelOutboundMigrationsPerNode"]

    def _on_write(self, write: Write) -> None:
        self.log.append(write)
        check(self.sight, write)
