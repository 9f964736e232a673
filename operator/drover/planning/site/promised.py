"""Room that is free and promised to a pod that waits: others were preempted for it and have not ended yet."""

from collections.abc import Iterable

from drover.facts.index import Index
from drover.facts.pod import Pod
from drover.facts.snapshot import Snapshot
from drover.facts.wire import key_of
from drover.planning.demand.vmclass import DEFAULT_SCHEDULER


def promised(snapshot: Snapshot, index: Index) -> Iterable[tuple[str, Pod]]:
    """The nodes on which the scheduler keeps room for a pod, and that pod: one that others were preempted for, of the
    default scheduler. It keeps the room against pods of the same or a lower priority (framework addGENominatedPods);
    here against all VMs unless every launcher pod has a higher one. Targets that are pinned are `inbound` already.
    """
    waiting = [pod for pod in snapshot.pods.values() if pod.expected and not pod.terminal]
    if not waiting:
        return
    least = min((pod.spec.priority for pods in index.launchers.values() for pod in pods), default=0)
    coming = {vmim.uid for vmims in index.in_flight.values() for vmim in vmims if vmim.pinned_to}
    for pod in sorted(waiting, key=key_of):
        ours = pod.spec.scheduler_name == DEFAULT_SCHEDULER and pod.spec.priority >= least
        if ours and not (pod.migration_uid and pod.migration_uid in coming):
            yield pod.expected, pod
