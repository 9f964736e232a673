"""A fleet on the API server, and the certainty that the scheduler has seen all of it.

The scheduler watches each kind by itself, and each watch delivers in the order of writing. So the last object of each
kind is a landmark of ours, and two pods that ask about the landmarks get the expected answers only after all of it is
known. Pods need none: those that ask are written after those that are there, and come by the same watch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable
from http import HTTPStatus
from typing import Any

from tests.integration.planning.fleets.disks import a_claim, an_attachment
from tests.integration.planning.fleets.draft import HOSTNAME, NAMESPACES, Draft, Object, a_node, a_pod
from tests.integration.planning.fleets.nominees import priority_classes
from tests.integration.planning.fleets.room import HEAVY, OVERHEAD
from virtsim.cluster.client import JSON_PATCH, MERGE_PATCH, ApiError, Client
from virtsim.objects.resources import NAMESPACES as NAMESPACE_KIND
from virtsim.objects.resources import NODES, PODS, SERVICE_ACCOUNTS, Resource

VOLUMES = Resource("", "v1", "persistentvolumes", namespaced=False)
CLAIMS = Resource("", "v1", "persistentvolumeclaims")
CSI_NODES = Resource("storage.k8s.io", "v1", "csinodes", namespaced=False)
ATTACHMENTS = Resource("storage.k8s.io", "v1", "volumeattachments", namespaced=False)
RUNTIME_CLASSES = Resource("node.k8s.io", "v1", "runtimeclasses", namespaced=False)
PRIORITY_CLASSES = Resource("scheduling.k8s.io", "v1", "priorityclasses", namespaced=False)
LANDMARK = "oracle.example.com/landmark"
_DRIVER = "landmark.csi.example.com"
_LAST = NAMESPACES[-1]


async def prepare(client: Client) -> None:
    """What all fleets share: namespaces, the RuntimeClass with an overhead, priorities."""
    heavy = {"metadata": {"name": HEAVY}, "handler": HEAVY, "overhead": {"podFixed": OVERHEAD}}
    await client.create(RUNTIME_CLASSES, heavy)
    await _each(client.create(PRIORITY_CLASSES, each) for each in priority_classes())
    for name in NAMESPACES:
        await client.create(NAMESPACE_KIND, {"metadata": {"name": name}})
        await _write_account(client, name)


async def _write_account(client: Client, namespace: str) -> None:
    """Pods are refused without it; the controller-manager may be quicker."""
    try:
        await client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "default", "namespace": namespace}})
    except ApiError as error:
        if error.code != HTTPStatus.CONFLICT:
            raise


async def load(client: Client, draft: Draft, seen: Callable[[list[Object]], Awaitable[list[frozenset[str]]]]) -> None:
    """Writes the fleet. `seen` asks the scheduler which nodes pods fit on."""
    await _each(_write_volume(client, volume) for volume in draft.volumes)
    await _each(_write_claim(client, claim, draft.doomed) for claim in draft.claims)
    await _each(client.create(CSI_NODES, each) for each in draft.csi_nodes)
    await _each(client.create(ATTACHMENTS, each) for each in draft.attachments)
    await _each(_write_node(client, node) for node in draft.nodes)
    await _landmarks(client, draft)
    await _until_seen(draft, seen)
    await _each(_write_pod(client, draft, pod) for pod in draft.every_pod)


async def clear(client: Client) -> None:
    """Removes pods, nodes and what is attached to them. Volumes and claims stay: nothing uses them, and their names are
    not used again."""
    at_once = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
    await _each(client.request("DELETE", PODS.path(name), {}, at_once) for name in NAMESPACES)
    await client.request("DELETE", NODES.path(), {}, at_once)
    await client.request("DELETE", ATTACHMENTS.path(), {}, at_once)


async def _each(work: Iterable[Coroutine[Any, Any, object]]) -> None:
    """All at once. When one fails, none is still writing afterwards."""
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)


async def _write_node(client: Client, node: Object) -> None:
    """Created and then updated: at creation the API server taints every node as not ready."""
    made = await client.create(NODES, node)
    made["spec"]["taints"] = node["spec"]["taints"]
    await client.update(NODES, made)


async def _write_volume(client: Client, volume: Object) -> None:
    made = await client.create(VOLUMES, volume)
    made["status"] = {"phase": "Bound"}
    await client.update(VOLUMES, made, "status")


async def _write_claim(client: Client, claim: Object, doomed: Container[tuple[str, str]] = ()) -> None:
    """Bound unless it says otherwise. No controller lets go of one that is deleted."""
    made = await client.create(CLAIMS, claim)
    bound = {"phase": "Bound", "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"}}
    made["status"] = claim.get("status", bound)
    await client.update(CLAIMS, made, "status")
    key = claim["metadata"]["namespace"], claim["metadata"]["name"]
    if key in doomed:
        await client.delete(CLAIMS, *key)


async def _write_pod(client: Client, draft: Draft, pod: Object) -> None:
    await client.create(PODS, pod)
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    if "status" in pod:
        await client.patch(PODS, namespace, name, {"status": pod["status"]}, MERGE_PATCH, "status")
    if (namespace, name) in draft.terminating:
        await client.delete(PODS, namespace, name)


async def _landmarks(client: Client, draft: Draft) -> None:
    """The last of each kind; the node is one of the fleet like the others."""
    mark = f"{draft.key}-landmark"
    for name in (f"{mark}-1", f"{mark}-2", f"{mark}-3"):
        source = {"driver": _DRIVER, "volumeHandle": name}
        spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"], "storageClassName": "", "csi": source}
        claimed = {"claimRef": {"namespace": _LAST, "name": name}}
        await _write_volume(client, {"metadata": {"name": name}, "spec": {**spec, **claimed}})
        await _write_claim(client, a_claim(_LAST, name))
    driver = {"name": _DRIVER, "nodeID": mark, "topologyKeys": [], "allocatable": {"count": 2}}
    await client.create(CSI_NODES, {"metadata": {"name": mark}, "spec": {"drivers": [driver]}})
    await client.create(ATTACHMENTS, an_attachment(mark, mark, f"{mark}-3", _DRIVER))
    node = a_node(mark, "z0", "r0")
    node["metadata"]["labels"][LANDMARK] = draft.key
    await _write_node(client, node)
    draft.nodes.append(node)
    for name in NAMESPACES:
        labels = {"kubernetes.io/metadata.name": name, LANDMARK: draft.key, **draft.namespaces[name]}
        change = [{"op": "add", "path": "/metadata/labels", "value": labels}]
        await client.patch(NAMESPACE_KIND, "", name, change, JSON_PATCH)
    await client.create(PODS, a_pod(mark, _LAST, {LANDMARK: draft.key}, mark))


async def _until_seen(draft: Draft, seen: Callable[[list[Object]], Awaitable[list[frozenset[str]]]]) -> None:
    """One volume fits on the landmark, two are one too many: then its CSINode is known, and what is attached to it."""
    mark = f"{draft.key}-landmark"
    async with asyncio.timeout(30):
        while await seen([_asking(draft, 1), _asking(draft, 2)]) != [frozenset([mark]), frozenset()]:
            pass


def _asking(draft: Draft, volumes: int) -> Object:
    pod = a_pod(f"asks-for-{volumes}", _LAST, {}, "")
    near = {"labelSelector": {"matchLabels": {LANDMARK: draft.key}}, "topologyKey": HOSTNAME}
    near["namespaceSelector"] = {"matchLabels": {LANDMARK: draft.key}}
    claims = [{"claimName": f"{draft.key}-landmark-{n + 1}"} for n in range(volumes)]
    pod["spec"] |= {
        "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near]}},
        "volumes": [{"name": f"v{n}", "persistentVolumeClaim": claim} for n, claim in enumerate(claims)],
    }
    return pod
