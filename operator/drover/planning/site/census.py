"""From a Snapshot to its occupants: every VM once, and every other pod."""

from collections.abc import Callable, Mapping

from drover.facts.index import Index
from drover.facts.kubevirt import VMI
from drover.facts.pod import Pod
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of
from drover.planning.demand.terms import bonds
from drover.planning.site.arriving import towards
from drover.planning.site.population import Occupant

Positions = Mapping[str, int]
"""The positions of nodes by their names."""


def occupants(
    snapshot: Snapshot, index: Index, position: Positions, concerns: Callable[[Pod], bool] = lambda _: True
) -> list[Occupant]:
    """Every VM once, every other bound pod, and what further pods a VM has, if they concern anybody; nothing that is
    terminal."""
    found: list[Occupant] = []
    for pod, vmi in index.present:
        if not pod.node or not concerns(pod):
            continue
        if vmi is None:
            found.append(_pod(pod, snapshot, position))
        elif _stands_for(pod, vmi, index):
            found.append(as_occupant(vmi, pod, snapshot, index, position))
        else:
            found.append(_occupant(pod.uid, pod, None, snapshot, position))
    return sorted(found, key=lambda occupant: occupant.uid)


def _stands_for(pod: Pod, vmi: VMI, index: Index) -> bool:
    """Whether the VM is counted by this pod of it: the one its guest runs in; another only while there is none."""
    pods = index.pods_of(vmi)
    if len(pods) == 1 and pods[0] is pod:
        return True
    running = index.source_pod(vmi)
    if running is not None:
        return running is pod
    return min((each for each in index.pods_of(vmi) if each.node), key=key_of, default=pod) is pod


def _pod(pod: Pod, snapshot: Snapshot, position: Positions) -> Occupant:
    staying = pod.metadata.deletion_timestamp is None
    return _occupant(pod.uid, pod, position.get(pod.node) if staying else None, snapshot, position)


def as_occupant(vmi: VMI, pod: Pod, snapshot: Snapshot, index: Index, position: Positions) -> Occupant:
    """The VM whose guest runs in this pod."""
    heading = _heading(vmi, snapshot, index)
    staying = pod.metadata.deletion_timestamp is None
    home = position.get(heading or pod.node) if heading or staying else None
    return _occupant(vmi.uid, pod, home, snapshot, position)


def _occupant(uid: str, pod: Pod, home: int | None, snapshot: Snapshot, position: Positions) -> Occupant:
    labels, namespace, at = pod.metadata.labels, pod.metadata.namespace, position.get(pod.node)
    return Occupant(
        uid=uid,
        namespace=namespace,
        labels=labels,
        home=home,
        pods=(at,) if at is not None else (),
        bonds=bonds(pod.spec.affinity, namespace, labels, snapshot.namespaces),
    )


def _heading(vmi: VMI, snapshot: Snapshot, index: Index) -> str:
    flying = index.in_flight.get(key_of(vmi)) if index.in_flight else None
    if not flying:
        return ""
    return next((node for node in (towards(vmim, snapshot, index) for vmim in flying) if node), "")
