"""Sets a scene up and takes it down; at its end it asks what always holds."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.e2e import fleets, invariants
from tests.e2e.installing import Installed
from tests.e2e.operating import Operator
from tests.e2e.recorder import OURS, Recorder
from tests.e2e.scene import Scene
from virtsim.cluster.client import MERGE_PATCH, connect
from virtsim.fleet.spec import Fleet
from virtsim.objects.resources import PODS, Resource
from virtsim.options import Options
from virtsim.simulator import Simulator, running

Json = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A cluster with the chart in it, and an operator that most scenes share, one after the other."""

    installed: Installed
    operator: Operator

    @asynccontextmanager
    async def scene(
        self,
        nodes: list[Json],
        vms: list[Json],
        *,
        total: int = 5,
        per_source: int = 2,
        options: Options | None = None,
        started: bool = True,
        simulated: bool = True,
        waived: Sequence[str] = (),
    ) -> AsyncIterator[Scene]:
        """A fleet with Drover beside it; the limits are KubeVirt's.

        Not `started`, not `simulated`: the test starts Drover, or KubeVirt with the fleet, itself. `waived` are texts:
        what breaks a rule and contains one of them is meant.
        """
        namespace = f"e2e-{uuid.uuid4().hex[:8]}"
        fleet = fleets.fleet(nodes, vms, namespace, total, per_source)
        cluster = self.installed.cluster
        if not started:
            self.operator.kill()
        async with connect(str(cluster.kubeconfig)) as user, Recorder(user) as recorder, AsyncExitStack() as stack:
            scene = Scene(cluster, namespace, user, recorder, self.operator)
            scene.simulate = lambda: stack.enter_async_context(_simulated(self.installed, fleet, options))
            await asyncio.gather(
                scene.simulate() if simulated else asyncio.sleep(0),
                self.operator.start() if started and not self.operator.running else asyncio.sleep(0),
            )
            try:
                yield scene
                _check(scene, waived)
            except BaseException as error:
                error.add_note(scene.describe())
                self.operator.kill()
                raise
            finally:
                await self._clear(scene)

    async def _clear(self, scene: Scene) -> None:
        """What is left of ours; reports last, as Drover would write again what is not on record."""
        for resource in OURS:
            for thing in (await scene.user.list(resource))["items"]:
                name = thing["metadata"]["name"]
                await scene.user.delete(resource, "", name)
                if not self.operator.running and thing["metadata"].get("finalizers"):
                    await scene.user.patch(resource, "", name, {"metadata": {"finalizers": None}}, MERGE_PATCH)
            await scene.eventually(partial(_none_left, scene, resource), f"all {resource.plural} are gone")


def _none_left(scene: Scene, resource: Resource) -> bool:
    return not scene.all(resource)


def _check(scene: Scene, waived: Sequence[str]) -> None:
    broken = [
        *invariants.broken_by_starts(scene.recorder),
        *invariants.touched_by_kopf(scene.recorder),
        *invariants.refused(scene.audit),
        *invariants.complained(scene.operator.said(scene.since)),
    ]
    meant = [each for each in broken if any(text in each for text in waived)]
    assert broken == meant, "\n".join(each for each in broken if each not in meant)


@asynccontextmanager
async def _simulated(installed: Installed, fleet: Fleet, options: Options | None) -> AsyncIterator[Simulator]:
    async with running(installed.cluster.kubeconfig, fleet, options) as simulator:
        try:
            yield simulator
        finally:
            await _end_lost_pods(simulator)
            await simulator.clear()


async def _end_lost_pods(simulator: Simulator) -> None:
    """Pods of a node that was deleted have no kubelet that ends them; the control plane does it after 40 s."""
    nodes = {node["metadata"]["name"] for node in simulator.caches.nodes}
    for pod in simulator.caches.pods:
        if pod["spec"].get("nodeName") not in nodes:
            metadata = pod["metadata"]
            await simulator.client.delete(PODS, metadata["namespace"], metadata["name"], grace_seconds=0)
