"""Watches the cluster for the demo, as any user could: lists and watches, nothing of Drover's or KubeVirt's inside."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from demo import facts
from demo.check import Machine, NodeState
from demo.facts import Object, Scene
from demo.fleet import NAMESPACE, NODE, PLAN
from demo.history import Sighting, in_order, sighting
from virtsim.cluster.client import Client, connect
from virtsim.cluster.informer import Informer
from virtsim.cluster.store import Store
from virtsim.objects.resources import EVENTS, NODES, PODS, VMIMS, VMIS, Resource

PLANS = Resource("drover.dev", "v1alpha1", "migrationplans", namespaced=False)
MAINTENANCES = Resource("drover.dev", "v1alpha1", "nodemaintenances", namespaced=False)
_WATCHED = (NODES, VMIS, VMIMS, EVENTS, PLANS, MAINTENANCES)
_OURS = "drover.dev/"


class Eyes:
    """What is in the cluster now, and every state of every migration since we looked first."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._stores = {resource: Store() for resource in _WATCHED}
        self._began = time.monotonic()
        self._sightings: list[Sighting] = []
        self._stores[VMIMS].subscribe(self._remember)

    def informers(self) -> list[Informer]:
        return [Informer(self.client, resource, store) for resource, store in self._stores.items()]

    def restart_clock(self) -> None:
        """`elapsed` counts from now."""
        self._began = time.monotonic()

    def maintenance(self) -> Object | None:
        return self._stores[MAINTENANCES].get("", NODE)

    def scene(self) -> Scene:
        return Scene(
            elapsed=time.monotonic() - self._began,
            now=datetime.now(UTC),
            nodes=facts.nodes(self._stores[NODES], self._stores[VMIS]),
            goal=facts.goal(self.maintenance()),
            moves=facts.moves(self._stores[PLANS].get("", PLAN)),
            events=facts.events(self._stores[EVENTS]),
            in_flight=facts.flying(list(self._stores[VMIMS])),
        )

    def sightings(self) -> list[Sighting]:
        """The states of all migrations, in the order of the store."""
        return in_order(self._sightings)

    def _remember(self, before: Object | None, after: Object | None) -> None:
        seen = after if after is not None else before
        if seen is not None:
            self._sightings.append(sighting(seen, gone=after is None))

    async def machines(self) -> dict[str, Machine]:
        """The fleet's VMs and their launcher pods, read now."""
        vmis = (await self.client.list(VMIS, NAMESPACE))["items"]
        pods = (await self.client.list(PODS, NAMESPACE, labelSelector="kubevirt.io=virt-launcher"))["items"]
        return {f"{NAMESPACE}/{vmi['metadata']['name']}": _machine(vmi, pods) for vmi in vmis}

    async def node_state(self) -> NodeState:
        """The node of the maintenance, read now."""
        return node_state(await self.client.get(NODES, "", NODE))


def _machine(vmi: Object, pods: list[Object]) -> Machine:
    uid, status = vmi["metadata"]["uid"], vmi["status"]
    mine = [pod for pod in pods if any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences", ()))]
    alive = [pod for pod in mine if pod["status"]["phase"] not in ("Succeeded", "Failed")]
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", ()))
    places = frozenset((pod["metadata"]["uid"], pod["spec"].get("nodeName", "")) for pod in alive)
    return Machine(status.get("nodeName", ""), status.get("phase") == "Running" and ready, places)


def node_state(node: Object) -> NodeState:
    """What of a node a maintenance may change, and its taints, which follow from that."""
    metadata, spec = node["metadata"], node["spec"]
    keys = [*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})]
    taints = [f"{taint['key']}:{taint['effect']}" for taint in spec.get("taints") or ()]
    marks = [key for key in keys if key.startswith(_OURS)]
    return NodeState(bool(spec.get("unschedulable")), tuple(sorted(taints)), tuple(sorted(marks)))


@asynccontextmanager
async def opened(kubeconfig: Path) -> AsyncIterator[Eyes]:
    """Eyes that have seen everything once and keep looking."""
    async with connect(str(kubeconfig)) as client:
        eyes = Eyes(client)
        informers = eyes.informers()
        looking = [asyncio.create_task(informer.run()) for informer in informers]
        try:
            await asyncio.gather(*(informer.synced.wait() for informer in informers))
            yield eyes
        finally:
            for task in looking:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)
