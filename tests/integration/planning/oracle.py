"""What the real kube-scheduler says of pods on a fleet: all its default filters, each node for itself.

How it is asked, and why the answer is exact:

- A pod that asks is created unbound and unpinned. kube-scheduler filters all nodes for it in one cycle and tells our
  extender which passed (`extender`); the extender refuses those too, so the pod is never assumed nor bound and takes no
  room, no port and no neighbour away from the next. Pods that are not assigned count in no filter. So all VMs of a
  fleet ask at once, and each is answered as if it were alone.
- Not pinned: topology spread counts only nodes that the pod's nodeSelector admits, and a pin to one node would switch
  it off. All other filters look at one node at a time and say the same with and without a pin; a disagreement is asked
  again with a pin, for its message.
- Every node is looked at: below 100 nodes the scheduler stops at nothing (numFeasibleNodesToFind), and
  percentageOfNodesToScore is 100 besides.
- The scheduler has seen the whole fleet before it is asked (`loading`), and nothing moves meanwhile: no controllers run
  but the one for ServiceAccounts, so nobody taints, evicts, binds volumes or collects pods whose VMI is no object.
- What the planner sees is read back from the API server, with all its defaults, as the operator would see it.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from controlplane.cluster import start
from tests.integration.planning import loading
from tests.integration.planning.extender import ASKING, Extender, listening
from tests.integration.planning.fleets.draft import Draft, Object
from tests.integration.planning.reasons import reasons
from tests.integration.planning.target import PROBE
from virtsim.cluster.client import Client, connect
from virtsim.objects.resources import NAMESPACES, NODES, PODS, Resource

_PATIENCE = 60.0
_READ: Mapping[str, Resource] = {
    "nodes": NODES,
    "pods": PODS,
    "namespaces": NAMESPACES,
    "persistentvolumes": loading.VOLUMES,
    "persistentvolumeclaims": loading.CLAIMS,
    "csinodes": loading.CSI_NODES,
    "volumeattachments": loading.ATTACHMENTS,
}


@dataclass(frozen=True)
class Heard:
    """The nodes a pod fits on, and the scheduler's message, which counts reasons over all nodes."""

    fits: frozenset[str]
    message: str

    def reasons(self) -> Counter[str]:
        return reasons(self.message)


@dataclass(frozen=True)
class Oracle:
    """A control plane whose scheduler answers and binds nothing."""

    client: Client
    extender: Extender

    @asynccontextmanager
    async def holding(self, draft: Draft) -> AsyncIterator[dict[str, list[Object]]]:
        """The fleet while it is there, as the API server has it: objects by the plural of their resource."""
        try:
            await loading.load(self.client, draft, self._fits)
            yield {plural: (await self.client.list(kind))["items"] for plural, kind in _READ.items()}
        finally:
            await loading.clear(self.client)

    async def ask(self, pods: Sequence[Object]) -> list[Heard]:
        """What the scheduler says of each of these unbound pods."""
        if not pods:
            return []
        version = (await self.client.list(PODS, limit="1"))["metadata"]["resourceVersion"]
        made = await asyncio.gather(*(self.client.create(PODS, _probe(pod)) for pod in pods))
        uids = [pod["metadata"]["uid"] for pod in made]
        async with asyncio.timeout(_PATIENCE):
            messages = await self._messages(set(uids), version)
        await self._forget({pod["metadata"]["namespace"] for pod in pods})
        return [Heard(self.extender.fits.pop(uid, frozenset()), messages[uid]) for uid in uids]

    async def _fits(self, pods: list[Object]) -> list[frozenset[str]]:
        return [heard.fits for heard in await self.ask(pods)]

    async def _messages(self, wanted: set[str], version: str) -> dict[str, str]:
        """The messages of these pods, from a watch that begins before they were made."""
        found: dict[str, str] = {}
        query = {"watch": "true", "labelSelector": PROBE, "resourceVersion": version}
        async with self.client.stream(PODS.path(), query) as lines:
            async for line in lines.content:
                pod = json.loads(line)["object"]
                message = _unschedulable(pod)
                if message is not None and pod["metadata"]["uid"] in wanted:
                    found[pod["metadata"]["uid"]] = message
                if found.keys() == wanted:
                    break
        return found

    async def _forget(self, namespaces: set[str]) -> None:
        for name in namespaces:
            await self.client.request("DELETE", PODS.path(name), {"labelSelector": PROBE})


@asynccontextmanager
async def an_oracle() -> AsyncIterator[Oracle]:
    """A control plane of its own, empty."""
    async with listening() as extender:
        with start("oracle", controllers="serviceaccount-controller", scheduling=extender.scheduling()) as cluster:
            async with connect(str(cluster.kubeconfig)) as client:
                await loading.prepare(client)
                yield Oracle(client, extender)


def _probe(pod: Object) -> Object:
    metadata = pod["metadata"]
    spec = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
    labels = {**metadata["labels"], PROBE: "true"}
    return {"metadata": {**metadata, "labels": labels}, "spec": {**spec, "schedulerName": ASKING}}


def _unschedulable(pod: Object) -> str | None:
    """The scheduler's message. Raises AssertionError if it failed instead of answering."""
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "PodScheduled":
            assert condition["status"] == "False", "a pod that only asks was bound"
            assert condition["reason"] == "Unschedulable", condition
            return str(condition["message"])
    return None
