"""Where migrations in flight go, and who is on the way to a node where no pod stands for it yet."""

from collections.abc import Iterable

from drover.facts.index import Index
from drover.facts.kubevirt import VMI, VMIM
from drover.facts.pod import Pod
from drover.facts.snapshot import Snapshot


def towards(vmim: VMIM, snapshot: Snapshot, index: Index) -> str:
    """The node a migration goes to, or the empty string while nobody knows."""
    vmi = snapshot.vmis.get(vmim.vmi_key)
    state = vmi.state_of(vmim.uid) if vmi is not None else None
    if state is not None and state.target_node:
        return state.target_node
    target = index.targets.get(vmim.uid)
    if target is not None and target.node:
        return target.node
    return index.hostnames.get(vmim.pinned_to, "")


def inbound(snapshot: Snapshot, index: Index) -> Iterable[tuple[str, VMI, Pod]]:
    """The VMs in flight towards a node that no bound target pod stands for yet, each with the pod it runs in."""
    for vmims in index.in_flight.values():
        for vmim in vmims:
            node, vmi = index.hostnames.get(vmim.pinned_to), snapshot.vmis.get(vmim.vmi_key)
            if node is None or vmi is None or _bound(index.targets.get(vmim.uid)) or vmi.node == node:
                continue
            pod = index.source_pod(vmi)
            if pod is not None:
                yield node, vmi, pod


def _bound(target: Pod | None) -> bool:
    return target is not None and bool(target.node)
