"""VMs that no plan wants moved: which of them could leave a node, and which are about to."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from drover.facts.index import Index
from drover.facts.kubevirt import LONGEST_LABEL, VMI
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of
from drover.planning.barred import bars
from drover.planning.demand import quota
from drover.planning.demand.attachment import migration_pods
from drover.planning.demand.vmclass import demand
from drover.planning.placing.mover import Mover
from drover.planning.site import survey
from drover.planning.site.arriving import towards
from drover.planning.site.fleet import Fleet

LIVE = (None, "LiveMigrate", "LiveMigrateIfPossible")
"""Eviction strategies by which a VM is migrated (kubevirt api/core/v1/types.go); None is as the cluster has it."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A VM (by UID) that is on its way to the node `target` and still holds `amounts` on `node`."""

    uid: str
    node: str
    target: str
    amounts: Mapping[str, int]


def leaving(snapshot: Snapshot, relations: Index) -> Iterable[Leaving]:
    """What VMs in flight will leave behind, of those whose target is known, and those that have just arrived."""
    for key, vmims in sorted(relations.in_flight.items()):
        vmi = snapshot.vmis.get(key)
        target = towards(vmims[0], snapshot, relations) if len(vmims) == 1 else ""
        if vmi is None or not target:
            continue
        for pod in relations.pods_of(vmi):
            if pod.node and pod.node != target:
                yield Leaving(vmi.uid, pod.node, target, demand(vmi, pod))
    for uid in sorted(uid for uid, pods in relations.launchers.items() if len(pods) > 1):
        vmi = relations.vmis_by_uid.get(uid)
        if vmi is not None and vmi.running and key_of(vmi) not in relations.in_flight:
            # Its guest has arrived, and KubeVirt ends the pod it came from.
            left = (pod for pod in relations.pods_of(vmi) if pod.node and pod.node != vmi.node)
            yield from (Leaving(uid, pod.node, vmi.node, demand(vmi, pod)) for pod in left)


def could_leave(
    nodes: Iterable[str],
    kept: Container[str],
    avoid: Mapping[str, Iterable[str]],
    snapshot: Snapshot,
    relations: Index,
    fleet: Fleet,
) -> list[Mover]:
    """The VMs on these nodes that may be asked to go elsewhere, each with nodes it may not go to: none that is `kept`
    (by UID), none that others have to be near, none that KubeVirt would not migrate now, that a silent virt-handler
    would have to send or that its namespace's quota holds. `avoid`: nodes by UID where the scheduler has refused it."""
    near = {terms for terms in (each.bonds.near for each in fleet.neighbours.population.occupants) if terms}
    followed = {uid for terms in near for uid in fleet.neighbours.meant(terms)}
    found = []
    for node in nodes:
        if fleet.nodes[fleet.position[node]].silent:
            continue
        for vmi in relations.guests.get(node, ()):
            if vmi.uid in kept or vmi.uid in followed or not _moves(vmi, relations):
                continue
            if _beyond_quota(vmi, snapshot, relations):
                continue
            guest = survey.guest(vmi, snapshot, relations, fleet.position)
            if guest is not None:
                found.append(Mover(guest, bars(vmi, relations, avoid.get(vmi.uid, ()))))
    return found


def _moves(vmi: VMI, relations: Index) -> bool:
    """Whether it is a VM that could be migrated at once."""
    return (
        vmi.running
        and vmi.metadata.deletion_timestamp is None
        and vmi.not_migratable() is None
        and vmi.spec.eviction_strategy in LIVE
        and len(vmi.metadata.name) <= LONGEST_LABEL
        and not relations.in_flight.get(key_of(vmi))
        and not vmi.backup()
        and not vmi.spec.utility_volumes
        and len(relations.pods_of(vmi)) == 1
    )


def _beyond_quota(vmi: VMI, snapshot: Snapshot, relations: Index) -> bool:
    """Whether a quota forbids a second pod of it, and not only until others of its namespace have arrived."""
    namespace, pod = vmi.metadata.namespace, relations.source_pod(vmi)
    if pod is None or namespace not in relations.quotas:
        return False
    if quota.exceeded(migration_pods(vmi, pod, snapshot.kubevirt), namespace, relations) is None:
        return False
    return not any(space == namespace for space, _ in relations.in_flight)
