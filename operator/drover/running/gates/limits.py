"""Is a slot free in the cluster, on the node it leaves and on the one it goes to?"""

from drover.api.reasons import WaitReason
from drover.api.shared import Waiting
from drover.running.gates.candidate import Candidate, wait


def cluster_limit(c: Candidate) -> Waiting | None:
    assert c.limits is not None
    slots = c.round.slots
    if slots.total < c.limits.total:
        return None
    message = f"{slots.total} migrations are in flight in the cluster, and {c.limits.total} may be"
    return wait(WaitReason.CLUSTER_LIMIT, message, "a slot becomes free when one of them ends", by=slots.holders)


def source_limit(c: Candidate) -> Waiting | None:
    assert c.limits is not None
    assert c.planned is not None
    count = c.round.slots.by_source[c.planned.source]
    if count < c.limits.per_source:
        return None
    message = f"{count} migrations leave {c.planned.source}, and {c.limits.per_source} may"
    by = c.round.slots.outbound.get(c.planned.source)
    return wait(WaitReason.SOURCE_LIMIT, message, "a slot becomes free when one of them ends", by=by)


def target_limit(c: Candidate) -> Waiting | None:
    assert c.limits is not None
    assert c.planned is not None
    count = c.round.slots.by_target[c.planned.target]
    if count < c.limits.per_target:
        return None
    message = f"{count} migrations go to {c.planned.target}, and {c.limits.per_target} may"
    by = c.round.slots.inbound.get(c.planned.target)
    return wait(WaitReason.TARGET_LIMIT, message, "a slot becomes free when one of them ends", by=by)
