"""The simulated KubeVirt as a whole: started beside an API server, stopped without leaving it blocked."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from virtsim import identities
from virtsim.cluster.actor import Actor
from virtsim.cluster.caches import Caches, all_synced
from virtsim.cluster.chaos import Chaos, HarassedActor
from virtsim.cluster.client import Client, Identity, connect
from virtsim.cluster.etcd import beside, connected
from virtsim.cluster.events import Recorder
from virtsim.cluster.informer import Informer
from virtsim.crds.install import install
from virtsim.fleet.clear import clear
from virtsim.fleet.direct_path import DirectPath
from virtsim.fleet.fast_path import FastPath
from virtsim.fleet.load import Loader
from virtsim.fleet.places import places
from virtsim.fleet.spec import Fleet
from virtsim.fleet.started import Starter
from virtsim.fleet.vms import render
from virtsim.kubelet.nodes import Heartbeats
from virtsim.kubelet.pods import Pods
from virtsim.metrics.server import metrics
from virtsim.objects.resources import KUBEVIRTS, NODES, key_of
from virtsim.options import Options
from virtsim.virt_api.server import serving
from virtsim.virt_controller.configuration import cluster_node_selectors
from virtsim.virt_controller.process import virt_controller
from virtsim.virt_handler.handler import Handler
from virtsim.virt_handler.nodes import NodeHandler
from virtsim.virt_handler.transfers import Transfers


@dataclass
class Simulator:
    """A running simulation: its caches may be read, its cluster changed through any client."""

    client: Client
    caches: Caches
    options: Options
    chaos: Chaos
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def clear(self) -> None:
        """Deletes the fleet: VMIMs, VMs, VMIs with their pods, nodes. Namespaces and definitions stay."""
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
        await install(client, options.version)
        caches = Caches()
        simulator = Simulator(client, caches, options, Chaos(caches, client))
        try:
            async with serving(reading.acting_as(identities.APISERVER), options):
                transfers = await _start(simulator, fleet, beside(kubeconfig) if fleet.fast_path else None)
                async with _metrics(simulator, transfers):
                    yield simulator
        finally:
            await simulator._stop()


async def _start(simulator: Simulator, fleet: Fleet, etcd_url: str | None) -> Transfers:
    """Nodes first, then what the fast path writes, then those who would have to look at each of its writes."""
    informers = simulator.caches.informers(simulator.client, simulator.chaos.sink)
    foundation = [informer for informer in informers if informer.resource in (NODES, KUBEVIRTS)]
    kubelet, handler = (
        _actor(simulator, identities.KUBELET, "kubelet"),
        _actor(simulator, identities.HANDLER, "virt-handler"),
    )
    heartbeats = Heartbeats(kubelet, handler)
    admin = _actor(simulator, identities.ADMIN, "virtsim")
    loader = Loader(admin, _actor(simulator, identities.CONTROLLER, "virtualmachine-controller"), heartbeats)
    await _watch(simulator, foundation)
    simulator._run("heartbeats", heartbeats.run())
    await _or_crash(simulator, loader.prepare(fleet))
    if fleet.fast_path:
        await _or_crash(simulator, _start_fast(simulator, fleet, etcd_url))
    await _watch(simulator, [informer for informer in informers if informer not in foundation])
    transfers = _start_components(simulator, kubelet, handler)
    await _or_crash(simulator, loader.machines(fleet))
    return transfers


def _metrics(simulator: Simulator, transfers: Transfers) -> AbstractAsyncContextManager[None]:
    options = simulator.options
    if options.metrics_port == 0:
        return nullcontext()
    return metrics(simulator.caches, transfers, options.listen_host, options.metrics_port)


async def _watch(simulator: Simulator, informers: list[Informer]) -> None:
    for informer in informers:
        simulator._run("informer", informer.run())
    await _or_crash(simulator, all_synced(informers))


async def _start_fast(simulator: Simulator, fleet: Fleet, etcd_url: str | None) -> None:
    """The VMIs that have a place; a VirtualMachine makes its own, and kube-scheduler has places for the others."""
    client, options = simulator.client, simulator.options
    selectors = cluster_node_selectors(simulator.caches.kubevirts)
    starter = Starter(options.launcher_image, selectors, options.version)
    placed = places(fleet, simulator.caches.nodes, selectors)
    machines = [vmi for vmi in render(fleet) if key_of(vmi) in placed and vmi["kind"] == "VirtualMachineInstance"]
    if etcd_url is not None:
        async with connected(etcd_url) as etcd:
            machines = await DirectPath(client, etcd, starter).start(machines, placed)
    controller, kubelet, handler = map(
        client.acting_as, (identities.CONTROLLER, identities.KUBELET, identities.HANDLER)
    )
    await FastPath(controller, kubelet, handler, starter).start(machines, placed)


def _start_components(simulator: Simulator, kubelet: Actor, handler: Actor) -> Transfers:
    options = simulator.options
    acting = partial(_actor, simulator, identities.CONTROLLER)
    controllers = virt_controller(acting, options.launcher_image, options.version)
    simulator._run("virt-controller", simulator.chaos.restarting(controllers))
    virt_handler = Handler(handler, options)
    simulator._run("virt-handler", virt_handler.run())
    simulator._run("virt-handler of nodes", NodeHandler(handler).run())
    simulator._run("kubelet", Pods(kubelet, options).run())
    return virt_handler.transfers


def _actor(simulator: Simulator, identity: Identity, component: str) -> Actor:
    client = simulator.client.acting_as(identity)
    recorder = Recorder(client, component)
    simulator._run(f"events of {component}", recorder.run())
    version = simulator.options.version
    if identity in (identities.CONTROLLER, identities.HANDLER):
        return HarassedActor(client, simulator.caches, recorder, version, chaos=simulator.chaos)
    return Actor(client, simulator.caches, recorder, version)


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
