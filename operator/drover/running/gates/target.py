"""Has it a target that still holds, and may it go there yet?"""

from drover.api.reasons import WaitReason
from drover.api.shared import Waiting
from drover.running import ledger
from drover.running.gates.candidate import Candidate, wait


def unplaced(c: Candidate) -> Waiting | None:
    if c.proposal is None:
        return wait(WaitReason.PLANNING, "its target is being computed")
    if c.planned is not None:
        return None
    return fits_nowhere(c) or wait(WaitReason.PLANNING, "its target is being computed")


def fits_nowhere(c: Candidate) -> Waiting | None:
    refused = c.proposal.refused.get(c.case.uid) if c.proposal is not None else None
    if refused is None:
        return None
    release = ledger.next_release(c.case.record, c.round.now)
    if release is not None:
        c.round.wake.append(release)
    reason = WaitReason.NO_ROOM if refused.eligible else WaitReason.NO_ELIGIBLE_TARGET
    return wait(reason, refused.message, refused.suggestion, release)


def outdated(c: Candidate) -> Waiting | None:
    """The target was computed on other facts: the VM has moved since, or the target has gone, was refused, is cordoned
    or being emptied by now."""
    assert c.planned is not None
    target = c.planned.target
    node = c.round.snapshot.node(target)
    if (
        c.vmi.node == c.planned.source
        and target not in ledger.refused_targets(c.case.record, c.round.now)
        and target not in c.round.taken
        and node is not None
        and not node.cordoned
        and not _another_may_do(c, target)
    ):
        return None
    return wait(WaitReason.PLANNING, "its target is being computed")


def _another_may_do(c: Candidate, target: str) -> bool:
    """Whether the VM failed on its target and the nodes have changed since it was chosen: a better one may be there."""
    if target not in ledger.failed_targets(c.case.record):
        return False
    mark = c.proposal.nodes if c.proposal is not None else ""
    return bool(mark) and mark != c.round.nodes_mark


def awaits_others(c: Candidate) -> Waiting | None:
    """Others have to have arrived, and left where they were, before its target will do."""
    assert c.planned is not None
    names = [name for uid, node in c.planned.after if (name := _underway(uid, node, c))]
    if not names:
        return None
    message = f"its target {c.planned.target} will do only when {', '.join(names)} has moved"
    return wait(WaitReason.AWAITING_MOVE, message, "it goes on by itself", by=names)


def _underway(uid: str, node: str, c: Candidate) -> str:
    """The VM's name, unless its guest is on the node and no pod of it anywhere else."""
    vmi = c.round.index.vmis_by_uid.get(uid)
    if vmi is None or vmi.final:
        return ""
    arrived = vmi.node == node and all(pod.node == node for pod in c.round.index.pods_of(vmi))
    return "" if arrived else f"{vmi.metadata.namespace}/{vmi.metadata.name}"
