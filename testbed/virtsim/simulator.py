"""The simulated KubeVirt as a whole: started beside an API server, stopped without leaving it blocked."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from virtsim import identities
from virtsim.cluster.actor import Actor
from virtsim.cluster.caches import Caches, all_synced
from virtsim.cluster.client import Client, Identity, connect
from virtsim.cluster.events import Recorder
from virtsim.crds.install import install
from virtsim.fleet.clear import clear
from virtsim.fleet.load import Loader
from virtsim.fleet.spec import Fleet
from virtsim.kubelet.nodes import Heartbeats
from virtsim.kubelet.pods import Pods
from virtsim.metrics.server import metrics
from virtsim.options import Options
from virtsim.virt_api.server import serving
from virtsim.virt_controller.evacuation import EvacuationController
from virtsim.virt_controller.migration import MigrationController
from virtsim.virt_controller.vmi import VmiController
from virtsim.virt_handler.handler import Handler
from virtsim.virt_handler.nodes import NodeHandler
from virtsim.virt_handler.transfers import Transfers


@dataclass
class Simulator:
    """A running simulation: its caches may be read, its cluster changed through any client."""

    client: Client
    caches: Caches
    options: Options
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def clear(self) -> None:
        """Deletes the fleet: VMIMs, VMIs with their pods, nodes. Namespaces and definitions stay."""
        await _or_crash(self, clear(_actor(self, identities.ADMIN, "virtsim")))

    async def crashed(self) -> None:
        """Returns only by raising what stopped one of the components: none of them ends by itself."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _stop(self) -> None:
        """Ends all tasks. Raises what stopped one of them before."""
        crashed = [task for task in self._tasks if task.done() and not task.cancelled()]
        for task in self._tasks:
            task.cancel()
        await self.client.disconnect()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in crashed:
            task.result()


@asynccontextmanager
async def running(kubeconfig: str | Path, fleet: Fleet, options: Options | None = None) -> AsyncIterator[Simulator]:
    """Simulates a fleet on the cluster of a kubeconfig; entered when all its VMs are Running.

    On leaving, the webhooks are unregistered and everything stops; definitions and objects stay.
    Raises ForeignKubeVirtError if the cluster has somebody else's kubevirt.io definitions, and, on leaving, whatever
    stopped a component.
    """
    options = options or Options()
    # The webhooks have connections of their own: a request that waits for its admission must not keep the webhook
    # from asking the API server.
    async with connect(str(kubeconfig)) as client, connect(str(kubeconfig)) as reading:
        await install(client, added_node_selector=options.added_node_selector)
        simulator = Simulator(client, Caches(), options)
        try:
            transfers = await _start(simulator)
            async with serving(reading.acting_as(identities.APISERVER), options), _metrics(simulator, transfers):
                await _or_crash(simulator, _load(simulator, fleet))
                yield simulator
        finally:
            await simulator._stop()


def _metrics(simulator: Simulator, transfers: Transfers) -> AbstractAsyncContextManager[None]:
    options = simulator.options
    if options.metrics_port == 0:
        return nullcontext()
    return metrics(simulator.caches, transfers, options.listen_host, options.metrics_port)


async def _start(simulator: Simulator) -> Transfers:
    informers = simulator.caches.informers(simulator.client)
    for informer in informers:
        simulator._run("informer", informer.run())
    await _or_crash(simulator, all_synced(informers))
    controller = _actor(simulator, identities.CONTROLLER, "virtualmachine-controller")
    handler = _actor(simulator, identities.HANDLER, "virt-handler")
    kubelet = _actor(simulator, identities.KUBELET, "kubelet")
    options = simulator.options
    simulator._run("vmi", VmiController(controller, options.launcher_image).run())
    simulator._run("migration", MigrationController(controller, options.launcher_image).run())
    evacuating = _actor(simulator, identities.CONTROLLER, "evacuation-controller")
    simulator._run("evacuation", EvacuationController(evacuating).run())
    virt_handler = Handler(handler, options)
    simulator._run("virt-handler", virt_handler.run())
    simulator._run("virt-handler of nodes", NodeHandler(handler).run())
    simulator._run("kubelet", Pods(kubelet, options).run())
    simulator._run("heartbeats", Heartbeats(kubelet, handler).run())
    return virt_handler.transfers


async def _load(simulator: Simulator, fleet: Fleet) -> None:
    admin = _actor(simulator, identities.ADMIN, "virtsim")
    controller = _actor(simulator, identities.CONTROLLER, "virtualmachine-controller")
    kubelet = _actor(simulator, identities.KUBELET, "kubelet")
    await Loader(admin, controller, Heartbeats(kubelet, kubelet)).load(fleet)


def _actor(simulator: Simulator, identity: Identity, component: str) -> Actor:
    client = simulator.client.acting_as(identity)
    recorder = Recorder(client, component)
    simulator._run(f"events of {component}", recorder.run())
    return Actor(client, simulator.caches, recorder)


async def _or_crash(simulator: Simulator, work: Coroutine[Any, Any, None]) -> None:
    """Does the work, unless a component stops first: then raises what stopped it."""
    working = asyncio.ensure_future(work)
    crashing = asyncio.ensure_future(simulator.crashed())
    try:
        done, _ = await asyncio.wait({working, crashing}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        working.cancel()
        crashing.cancel()
        await asyncio.gather(working, crashing, return_exceptions=True)
