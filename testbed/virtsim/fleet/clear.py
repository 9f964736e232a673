"""Takes a fleet out of the cluster again, for whoever uses one cluster for several fleets."""

from collections.abc import Iterable

from virtsim.cluster.actor import Actor
from virtsim.fleet.crowd import each
from virtsim.objects import keys
from virtsim.objects.nodes import is_lost
from virtsim.objects.pods import is_launcher, labels_of
from virtsim.objects.resources import NODES, PODS, VMIMS, VMIS, VMS, Object, Resource


async def clear(actor: Actor) -> None:
    """Deletes VMIMs, VMs, VMIs with their pods, and simulated nodes; returns when they are gone. Namespaces stay."""
    caches = actor.caches
    await _find([node for node in caches.nodes if is_lost(node)], actor)
    await _delete(actor, VMIMS, caches.vmims)
    await _delete(actor, VMS, caches.vms)
    await _delete(actor, VMIS, caches.vmis)
    for store in (caches.vmims, caches.vms, caches.vmis):
        await store.until(store.is_empty)
    await _delete(actor, PODS, [pod for pod in caches.pods if is_launcher(pod)], grace_seconds=0)
    await _delete(actor, NODES, [node for node in caches.nodes if keys.SIMULATED_NODE in labels_of(node)])


async def _find(lost: Iterable[Object], actor: Actor) -> None:
    """Brings lost nodes back: on a lost one no pod ever ends."""
    for node in lost:
        await actor.patch_merge(NODES, node, {"metadata": {"annotations": {keys.NODE_LOST: None}}})


async def _delete(
    actor: Actor, resource: Resource, objects: Iterable[Object], grace_seconds: int | None = None
) -> None:
    async def one(obj: Object) -> None:
        await actor.delete(resource, obj, grace_seconds)

    await each(objects, one)
