"""Why a queued VM does not start: an ordered list of gates, the first that is shut is the reason. Nothing waits in
silence."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from drover.api.reasons import Reason, WaitReason
from drover.api.shared import FailurePolicy, Waiting
from drover.facts.kubevirt import LONGEST_LABEL, VMI
from drover.facts.snapshot import Refusal
from drover.planning.demand import attachment, quota
from drover.planning.proposal import Assignment, Proposal
from drover.running import ledger
from drover.running.preflight import Hold, brief
from drover.running.round import Round
from drover.running.slots import Allowed
from drover.running.views import Case, View

REFUSED_FIRST = timedelta(seconds=1)
REFUSED_LONGEST = timedelta(minutes=5)
CLAIMING = frozenset(
    {
        WaitReason.PLANNING,
        WaitReason.CLUSTER_LIMIT,
        WaitReason.SOURCE_LIMIT,
        WaitReason.TARGET_LIMIT,
        WaitReason.AWAITING_MOVE,
        WaitReason.BACKOFF,
        WaitReason.REFUSED,
    }
)
"""A VM that waits for one of these is about to be moved by its plan, and a younger plan leaves it alone. One that is
paused or blocked is not."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A queued VM at the gates."""

    case: Case
    vmi: VMI
    view: View
    proposal: Proposal | None
    limits: Allowed | None
    hold: Hold | None
    round: Round

    @property
    def planned(self) -> Assignment | None:
        return self.proposal.assignments.get(self.case.uid) if self.proposal is not None else None


def wait(
    reason: WaitReason,
    message: str,
    suggestion: str = "",
    until: datetime | None = None,
    by: list[str] | None = None,
) -> Waiting:
    """A reason to wait, cut to what a status holds."""
    return Waiting(
        reason=reason,
        message=brief(message),
        until=f"{until:%Y-%m-%dT%H:%M:%SZ}" if until is not None else None,
        blocked_by=tuple(by[:10]) if by else None,
        suggestion=brief(suggestion) or None,
    )


def _running_elsewhere(c: Candidate) -> Waiting | None:
    """Another migration of the VM is in flight: adopted, never fought."""
    for vmim in c.round.index.in_flight.get((c.case.namespace, c.case.name), ()):
        if vmim.plan_uid and vmim.plan_uid != c.view.plan.uid:
            return wait(WaitReason.OTHER_PLAN, f"another plan migrates it ({vmim.name})", by=[vmim.name])
        whose = "an earlier run of this plan migrates it" if vmim.plan_uid else "somebody else migrates it"
        return wait(WaitReason.FOREIGN_MIGRATION, f"{whose} ({vmim.name}, {vmim.phase or 'new'})", by=[vmim.name])
    owner = c.round.claimed.get(c.case.uid)
    if owner is not None and owner.uid != c.view.plan.uid:
        return wait(WaitReason.OTHER_PLAN, f"{owner} moves it first", by=[str(owner)])
    return None


def _lingers(c: Candidate) -> Waiting | None:
    """The guest is elsewhere, and a pod of it is still here: the node is not empty before that has ended."""
    if not c.case.lingers:
        return None
    return wait(WaitReason.PODS_ENDING, "its guest is elsewhere, a pod of it here has not ended", "wait for it to end")


def _unrecorded(c: Candidate) -> Waiting | None:
    """What its last migration came to has to be on record first: the retry is counted, and its result is not lost."""
    if c.case.unrecorded or (c.case.record is not None and c.case.record.outcome in ledger.OPEN):
        return wait(WaitReason.PLANNING, "the end of its last migration is being recorded")
    return None


def _not_running(c: Candidate) -> Waiting | None:
    vmi = c.vmi
    if vmi.metadata.deletion_timestamp is not None:
        return wait(WaitReason.PODS_ENDING, "the VM is being stopped", "wait for it to end")
    if not vmi.running:
        message = f"the VMI is {vmi.status.phase or 'new'}, and only a Running one can be migrated"
        return wait(WaitReason.NOT_RUNNING, message, "wait until it runs, or stop it")
    return None


def _not_migratable(c: Candidate) -> Waiting | None:
    """KubeVirt's own word; and a name that cannot be the label by which it finds the migration of a VM."""
    name = c.vmi.metadata.name
    if len(name) > LONGEST_LABEL:
        message = f"KubeVirt cannot migrate it: its name has {len(name)} characters, and more than {LONGEST_LABEL}"
        fix = "shut the VM down for the maintenance, and give it a shorter name"
        return wait(WaitReason.NOT_MIGRATABLE, f"{message} are no label", fix)
    condition = c.vmi.not_migratable()
    if condition is None:
        return None
    message = f"KubeVirt cannot migrate it: {condition.reason}: {condition.message}"
    return wait(WaitReason.NOT_MIGRATABLE, message, "remove the cause, or shut the VM down for the maintenance")


def _source_silent(c: Candidate) -> Waiting | None:
    """The source's virt-handler tells the guest to go (kubevirt pkg/virt-handler/migration-source.go): without it the
    target would be prepared, and hold a slot for ever."""
    node = c.round.snapshot.node(c.vmi.node)
    if node is None or not node.silent:
        return None
    message = f"virt-handler on {node.name} has been silent for 5 minutes, and it is what sends the VM"
    return wait(WaitReason.HANDLER_SILENT, message, f"see why virt-handler does not run on {node.name}")


def _held(c: Candidate) -> Waiting | None:
    """What holds the whole plan. A rehearsal or a pause does not hide that a VM fits nowhere: that is what is asked."""
    if c.hold is None:
        return None
    if c.hold.reason in (Reason.DRY_RUN_COMPUTED, Reason.PAUSED):
        return _fits_nowhere(c) or _quota(c) or c.hold.waiting
    return c.hold.waiting


def _awaits_cordon(c: Candidate) -> Waiting | None:
    evacuate, node = c.view.plan.spec.evacuate, c.round.snapshot.node(c.vmi.node)
    if evacuate is None or evacuate.cordon == "Ignore" or node is None or node.cordoned or c.case.extra:
        return None
    if evacuate.cordon == "Apply":
        return wait(WaitReason.AWAITING_CORDON, f"{node.name} is about to be cordoned")
    return wait(WaitReason.AWAITING_CORDON, f"{node.name} is not cordoned", f"kubectl cordon {node.name}")


def _not_started(c: Candidate) -> Waiting | None:
    return wait(WaitReason.PLANNING, "the run is about to start") if c.view.run is None else None


def _pods_ending(c: Candidate) -> Waiting | None:
    """KubeVirt waits while more than one pod of the VMI is alive (migration.go), so a slot would be wasted."""
    source = c.round.index.source_pod(c.vmi)
    others = [pod.metadata.name for pod in c.round.index.pods_of(c.vmi) if pod is not source]
    if not others:
        return None
    return wait(WaitReason.PODS_ENDING, f"an earlier pod of it has not ended: {', '.join(others)}", by=others)


def _retries_spent(c: Candidate) -> Waiting | None:
    if c.case.record is None:
        return None
    policy = c.view.plan.spec.failure_policy or FailurePolicy()
    mark = c.round.fingerprint(c.case)
    if not ledger.retries_spent(c.case.record, mark, policy):
        return None
    count = ledger.failures(c.case.record, mark)
    last = c.case.record.attempts[-1].error if c.case.record else None
    fix = "remove the cause; a change of the VM, of the nodes that could take it, or another runID starts afresh"
    return wait(WaitReason.RETRIES_SPENT, f"{count} attempts failed, the last with: {last}", fix)


def _backoff(c: Candidate) -> Waiting | None:
    policy = c.view.plan.spec.failure_policy or FailurePolicy()
    until = ledger.backoff_until(c.case.record, policy)
    if until is None or c.round.past(until):
        return None
    last = c.case.record.attempts[-1].error if c.case.record else None
    return wait(WaitReason.BACKOFF, f"tried again at {until:%H:%M:%S} UTC; the last attempt: {last}", until=until)


def backoff(refusal: Refusal, now: datetime) -> datetime:
    """When a refused write may be tried again: after 1 s, doubling up to 5 min."""
    if refusal.at > now:
        # Refused in the future: the clock was put back, and nobody knows how long ago it was.
        return now
    return refusal.at + min(REFUSED_FIRST * (1 << min(refusal.tries - 1, 12)), REFUSED_LONGEST)


def _refused(c: Candidate) -> Waiting | None:
    """The API server or a webhook refused to create the migration: back off, doubling from 1 s to 5 min."""
    refusal = c.round.snapshot.refusals.get(f"start {c.case.uid}")
    if refusal is None:
        return None
    until = backoff(refusal, c.round.now)
    if c.round.past(until):
        return None
    return wait(WaitReason.REFUSED, f"{refusal.reason}: {refusal.message}", "see the message", until)


def _unplaced(c: Candidate) -> Waiting | None:
    if c.proposal is None:
        return wait(WaitReason.PLANNING, "its target is being computed")
    if c.planned is not None:
        return None
    return _fits_nowhere(c) or wait(WaitReason.PLANNING, "its target is being computed")


def _fits_nowhere(c: Candidate) -> Waiting | None:
    refused = c.proposal.refused.get(c.case.uid) if c.proposal is not None else None
    if refused is None:
        return None
    release = ledger.next_release(c.case.record, c.round.now)
    if release is not None:
        c.round.wake.append(release)
    reason = WaitReason.NO_ROOM if refused.eligible else WaitReason.NO_ELIGIBLE_TARGET
    return wait(reason, refused.message, refused.suggestion, release)


def _backup(c: Candidate) -> Waiting | None:
    """KubeVirt would make a target pod and let it wait (migration.go)."""
    backup = c.vmi.backup()
    if backup:
        return wait(WaitReason.BACKUP_IN_PROGRESS, f"a backup of it is being made ({backup})", "it ends by itself")
    if c.vmi.spec.utility_volumes:
        names = ", ".join(volume.name for volume in c.vmi.spec.utility_volumes)
        return wait(WaitReason.BACKUP_IN_PROGRESS, f"utility volumes are attached: {names}", "detach them")
    return None


def _quota(c: Candidate) -> Waiting | None:
    """KubeVirt would try to create the target pod again and again, and the migration would never end."""
    pod = c.round.index.source_pod(c.vmi)
    if pod is None or c.case.namespace not in c.round.index.quotas:
        return None
    pods = attachment.migration_pods(c.vmi, pod, c.round.snapshot.kubevirt)
    words = quota.exceeded(pods, c.case.namespace, c.round.index)
    if words is None:
        return None
    moving = [vmim.name for (space, _), vmims in c.round.index.in_flight.items() if space == c.case.namespace
              for vmim in vmims]  # fmt: skip
    if moving:
        message = f"{words} while others of its namespace move"
        return wait(WaitReason.AWAITING_MOVE, message, "it goes on when they have arrived", by=moving)
    fix = "raise the quota, or stop something in the namespace: a VM that moves has two pods until it has arrived"
    return wait(WaitReason.QUOTA_EXCEEDED, words, fix)


def _outdated(c: Candidate) -> Waiting | None:
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


def _awaits_others(c: Candidate) -> Waiting | None:
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


def _cluster_limit(c: Candidate) -> Waiting | None:
    assert c.limits is not None
    slots = c.round.slots
    if slots.total < c.limits.total:
        return None
    message = f"{slots.total} migrations are in flight in the cluster, and {c.limits.total} may be"
    return wait(WaitReason.CLUSTER_LIMIT, message, "a slot becomes free when one of them ends", by=slots.holders)


def _source_limit(c: Candidate) -> Waiting | None:
    assert c.limits is not None
    assert c.planned is not None
    count = c.round.slots.by_source[c.planned.source]
    if count < c.limits.per_source:
        return None
    message = f"{count} migrations leave {c.planned.source}, and {c.limits.per_source} may"
    by = c.round.slots.outbound.get(c.planned.source)
    return wait(WaitReason.SOURCE_LIMIT, message, "a slot becomes free when one of them ends", by=by)


def _target_limit(c: Candidate) -> Waiting | None:
    assert c.limits is not None
    assert c.planned is not None
    count = c.round.slots.by_target[c.planned.target]
    if count < c.limits.per_target:
        return None
    message = f"{count} migrations go to {c.planned.target}, and {c.limits.per_target} may"
    by = c.round.slots.inbound.get(c.planned.target)
    return wait(WaitReason.TARGET_LIMIT, message, "a slot becomes free when one of them ends", by=by)


GATES: tuple[Callable[[Candidate], Waiting | None], ...] = (
    _running_elsewhere,
    _lingers,
    _not_running,
    _not_migratable,
    _source_silent,
    _held,
    _unrecorded,
    _retries_spent,
    _awaits_cordon,
    _pods_ending,
    _backoff,
    _unplaced,
    _not_started,
    _outdated,
    _backup,
    _quota,
    _refused,
    _awaits_others,
    _cluster_limit,
    _source_limit,
    _target_limit,
)

STUCK: tuple[Callable[[Candidate], Waiting | None], ...] = (
    _running_elsewhere,
    _not_running,
    _not_migratable,
    _source_silent,
    _retries_spent,
    _awaits_cordon,
    _pods_ending,
    _backup,
    _quota,
)
"""What room does not help against, and time alone may not either."""


def goes_with_room(candidate: Candidate) -> bool:
    """Whether others should make room for the VM now: it would use it."""
    found = (gate(candidate) for gate in STUCK)
    return all(each is None or each.reason == WaitReason.AWAITING_MOVE for each in found)
