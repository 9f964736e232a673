"""Is a slot free in the cluster, on the node it leaves and on the one it goes to?"""

from drover.api.reasons import WaitReason
from drover.api.shared import Waiting
from drover.running.gates.candidate import Candidate, wait

BY_ITSELF = "a slot becomes free when one of them ends"


def cluster_limit(c: Candidate) -> Waiting | None:
    assert c.limits is not None
    slots = c.round.slots
    if slots.total < c.limits.total:
        return None
    message = f"{slots.total} migrations are in flight in the cluster, and {c.limits.total} may be"
    return wait(WaitReason.CLUSTER_LIMIT, message, BY_ITSELF, by=slots.holders)


def source_limit(c: Candidate) -> Waiting | None:
    assert c.limits is not None
    assert c.planned is not None
    node, slots = c.planned.source, c.round.slots
    by, most = slots.outbound.get(node), c.limits.per_source
    return _node_limit(WaitReason.SOURCE_LIMIT, f"leave {node}", slots.by_source[node], most, by)


def target_limit(c: Candidate) -> Waiting | None:
    assert c.limits is not None
    assert c.planned is not None
    node, slots = c.planned.target, c.round.slots
    by, most = slots.inbound.get(node), c.limits.per_target
    return _node_limit(WaitReason.TARGET_LIMIT, f"go to {node}", slots.by_target[node], most, by)


def _node_limit(reason: WaitReason, what: str, count: int, most: int, by: list[str] | None) -> Waiting | None:
    if count < most:
        return None
    return wait(reason, f"{count} migrations {what}, and {most} may", BY_ITSELF, by=by)
