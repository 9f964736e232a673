"""Keeps the simulated nodes Ready: Leases, and virt-handler's heartbeat (pkg/virt-handler/heartbeat)."""

import asyncio
import logging
from datetime import UTC, datetime

import aiohttp

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import MERGE_PATCH, ApiError
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.nodes import handler_runs, healthy, heartbeat, is_lost
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import LEASES, NODES, Object

logger = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
RENEWAL_SECONDS = 10.0
SLOWEST_RENEWAL_SECONDS = 20.0
MOST_RENEWALS_A_SECOND = 10
"""Two cores have other things to do in a fleet of 500 nodes. A node is lost after 50 s without renewal."""
LEASE_SECONDS = 40
HEARTBEAT_SECONDS = 60.0
"""KubeVirt's heartbeat comes every minute or two."""
AT_ONCE = 20


class Heartbeats:
    """Renews the Lease of every simulated node in turn, a few nodes at a time, spread over the period."""

    def __init__(self, kubelet: Actor, handler: Actor) -> None:
        self._kubelet = kubelet
        self._handler = handler

    async def run(self) -> None:
        turn = 1  # the nodes come with a heartbeat
        while True:
            nodes = [node for node in self._kubelet.caches.nodes if keys.SIMULATED_NODE in labels_of(node)]
            period = renewal_seconds(len(nodes))
            tells = turn % round(HEARTBEAT_SECONDS / period) == 0
            chunks = [nodes[start : start + AT_ONCE] for start in range(0, len(nodes), AT_ONCE)]
            for chunk in chunks:
                await asyncio.gather(*(self._beat(node["metadata"]["name"], tells) for node in chunk))
                await asyncio.sleep(period / len(chunks))
            if not chunks:
                await asyncio.sleep(1.0)
            turn += 1

    async def _beat(self, name: str, tells: bool) -> None:
        """Says that a node lives, if it does: it is looked at anew. Sometimes virt-handler `tells` it, too."""
        node = self._kubelet.caches.nodes.get("", name)
        if node is None or is_lost(node):
            return
        try:
            await self.renew(node)
            if not is_true(node, "Ready"):
                await self._kubelet.patch_status(NODES, node, {"conditions": healthy()})
            if tells and handler_runs(node):
                await self._handler.patch_merge(NODES, node, heartbeat())
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            logger.info("node %s: %s", name, error or type(error).__name__)

    async def renew(self, node: Object) -> None:
        """One renewal; the first one creates the Lease."""
        name = node["metadata"]["name"]
        renewed = {"spec": {"renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}
        try:
            await self._kubelet.client.patch(LEASES, LEASE_NAMESPACE, name, renewed, MERGE_PATCH)
        except ApiError as error:
            if error.code != 404:
                raise
            await self._create(node, renewed)

    async def _create(self, node: Object, renewed: Object) -> None:
        """The loader and the heartbeat may both be the first: either one's Lease will do."""
        try:
            await self._kubelet.client.create(LEASES, _lease(node, renewed))
        except ApiError as error:
            if error.code != 409:
                raise


def renewal_seconds(nodes: int) -> float:
    """The time between two renewals of one node's Lease: kubelet's 10 s, and up to 20 s for more than 100 nodes."""
    return min(max(RENEWAL_SECONDS, nodes / MOST_RENEWALS_A_SECOND), SLOWEST_RENEWAL_SECONDS)


def _lease(node: Object, renewed: Object) -> Object:
    name, uid = node["metadata"]["name"], node["metadata"]["uid"]
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": LEASE_NAMESPACE,
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}],
        },
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, **renewed["spec"]},
    }
