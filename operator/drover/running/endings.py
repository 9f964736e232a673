"""Attempts that ended, or that we end: what goes into a VM's record, before KubeVirt can collect the migration.

An attempt of ours that is to be cancelled is first recorded as Cancelling or Rejecting and only deleted when that is
stored, so that nothing is lost whatever happens in between.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from drover.api.reasons import EventReason, Outcome
from drover.api.report import Attempt, Record, RejectedTarget
from drover.api.shared import Verify
from drover.facts.duration import duration, words
from drover.facts.kubevirt import FINAL, HANDED_OFF, UNSTARTED, VMIM, MigrationState
from drover.planning.site.arriving import towards
from drover.running import ledger, move
from drover.running.actions import CancelMigration, ObjectRef, SaveRecords, Tell
from drover.running.preflight import brief
from drover.running.round import Round
from drover.running.view import Case, View
from drover.running.views import is_there

REJECTED_AFTER = timedelta(seconds=3)
"""The scheduler's no is believed after this: a moment for its own caches."""
STALLED_AFTER = timedelta(minutes=2)
"""KubeVirt has no time-out for a migration without a target pod (migration.go, phase Pending): this one is ours."""
RECORDED = 300
"""Characters of an error that are kept: many records share a report."""
UNKNOWN = "unknown"
NO_REASON = "KubeVirt gave no reason; the Events of the migration may"


@dataclass(slots=True)
class Endings:
    """What a plan's attempts need: records to store, migrations to delete, Events to tell."""

    saves: list[SaveRecords] = field(default_factory=list)
    cancels: list[CancelMigration] = field(default_factory=list)
    tells: list[Tell] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scene:
    """A case and what it is judged by."""

    case: Case
    view: View
    round: Round

    @property
    def now(self) -> datetime:
        return self.round.now

    @property
    def record(self) -> Record:
        """The case's record, or an empty one."""
        case = self.case
        empty = Record(namespace=case.namespace, name=case.name, uid=case.uid, outcome=Outcome.CANCELLING)
        return case.record or empty


def endings(view: View, shared: Round) -> Endings:
    """All that ended or is to be ended in the plan's runs."""
    result = Endings()
    if view.illegible:
        return result
    for each in (view, *view.earlier):
        changed: list[Record] = []
        for case in each.cases:
            updated = _updated(Scene(case, each, shared))
            if updated is not None and updated != case.record:
                changed.append(updated)
                result.tells.extend(_tell(case, updated, each))
            result.cancels.extend(_cancel(case))
        result.saves.extend(ledger.save(each.ledger, changed))
    return result


def _updated(scene: Scene) -> Record | None:
    ended = _ended(scene) or _to_end(scene)
    return _verified(scene, ended or scene.record) or ended


def _ended(scene: Scene) -> Record | None:
    """The record with the end of the case's last migration, if it ended and that is news."""
    vmim, record = scene.case.vmim, scene.record
    if vmim is None:
        return _orphaned(scene)
    if not vmim.final and is_there(vmim, scene.round.snapshot):
        return None
    known, state = ledger.attempt_of(record, vmim), move.state_of(scene.case)
    if known is not None and known.outcome not in ledger.OPEN:
        return _with_reason(record, known, state)
    outcome, error = _verdict(vmim, state, known)
    return ledger.with_attempt(record, _attempt(scene, vmim, outcome, error))


def _with_reason(record: Record, known: Attempt, state: MigrationState | None) -> Record | None:
    """KubeVirt writes the reason of a failure after the failure: it is added when it comes."""
    if known.error != NO_REASON or state is None or not state.failure_reason:
        return None
    return ledger.with_attempt(record, known.model_copy(update={"error": brief(state.failure_reason, RECORDED)}))


def _orphaned(scene: Scene) -> Record | None:
    """The record with the end of an attempt that was being cancelled when its migration went and nobody saw how."""
    record = scene.record
    last = record.attempts[-1] if record.attempts else None
    if last is None or last.outcome not in ledger.OPEN:
        return None
    state = scene.case.vmi.state_of(last.uid) if scene.case.vmi is not None else None
    if state is not None and state.completed and not state.failed:
        return ledger.with_attempt(record, last.model_copy(update={"outcome": Outcome.SUCCEEDED, "error": None}))
    outcome = Outcome.REJECTED if last.outcome is Outcome.REJECTING else Outcome.CANCELLED
    return ledger.with_attempt(record, last.model_copy(update={"outcome": outcome, "ended_at": scene.now}))


def _verdict(vmim: VMIM, state: MigrationState | None, known: Attempt | None) -> tuple[Outcome, str | None]:
    """How it ended. A migration that vanished is judged by the VMI's state (KubeVirt collects all but five of a VM)."""
    completed = state is not None and state.completed and not state.failed
    if vmim.phase == "Succeeded" or (not vmim.final and completed):
        return Outcome.SUCCEEDED, None
    if known is not None and known.outcome is Outcome.REJECTING:
        return Outcome.REJECTED, known.error
    if known is not None and known.outcome is Outcome.CANCELLING:
        return Outcome.CANCELLED, known.error
    if vmim.aborted or (not vmim.final and not (state is not None and state.failed)):
        return Outcome.CANCELLED_BY_OTHERS, "somebody deleted the migration"
    return Outcome.FAILED, (state.failure_reason if state is not None else "") or NO_REASON


def _to_end(scene: Scene) -> Record | None:
    """The record with an attempt we are about to end: withdrawn, refused by the scheduler, or never begun."""
    vmim, view, record = scene.case.vmim, scene.view, scene.record
    if vmim is None or vmim.final or vmim.deleting or _open(scene.case) or move.switched_over(scene.case):
        return None
    if view.withdrawn:
        why = "the plan was deleted" if view.plan.metadata.deleting else "the plan was withdrawn"
        return ledger.with_attempt(record, _attempt(scene, vmim, Outcome.CANCELLING, why))
    refusal = _refused(scene, vmim)
    if refusal is not None:
        node = towards(vmim, scene.round.snapshot, scene.round.index) or vmim.pinned_to
        record = ledger.with_rejection(
            record, RejectedTarget(node=node, at=scene.now, message=brief(refusal, RECORDED))
        )
    ended = refusal or _stalled(scene, vmim)
    return ledger.with_attempt(record, _attempt(scene, vmim, Outcome.REJECTING, ended)) if ended else None


def _open(case: Case) -> bool:
    """Whether the end of the case's migration is on record as wanted, and not as come."""
    attempts = case.record.attempts if case.record else ()
    return any(case.vmim and a.number == case.vmim.attempt and a.outcome in ledger.OPEN for a in attempts)


def _refused(scene: Scene, vmim: VMIM) -> str | None:
    """The scheduler's words, when it has refused the target pod for a moment."""
    pod = scene.round.index.targets.get(vmim.uid)
    if pod is None or pod.node or vmim.phase in HANDED_OFF:
        return None
    message = pod.unschedulable()
    created = pod.metadata.creation_timestamp
    if message is None or created is None or not scene.round.past(created + REJECTED_AFTER):
        return None
    return message


def _stalled(scene: Scene, vmim: VMIM) -> str | None:
    created = vmim.metadata.creation_timestamp
    if vmim.phase not in UNSTARTED or vmim.uid in scene.round.index.targets or created is None:
        return None
    if not scene.round.past(created + STALLED_AFTER):
        return None
    return f"KubeVirt made no target pod within {words(STALLED_AFTER)}: {vmim.blocked_by() or 'no condition says why'}"


def _attempt(scene: Scene, vmim: VMIM, outcome: Outcome, error: str | None) -> Attempt:
    case, state = scene.case, move.state_of(scene.case)
    target = towards(vmim, scene.round.snapshot, scene.round.index)
    ended = next((t for phase in FINAL if (t := vmim.entered(phase)) is not None), None)
    return Attempt(
        number=vmim.attempt,
        migration=vmim.name,
        uid=vmim.uid,
        source=move.source_of(case, target) or UNKNOWN,
        target=target or vmim.pinned_to or UNKNOWN,
        why=brief(vmim.metadata.annotations.why, RECORDED) or None,
        outcome=outcome,
        ended_at=ended or scene.now,
        mode=(state.mode or None) if state is not None else None,
        steps=move.steps_of(vmim, state, move.queued_since(case, scene.view)),
        error=brief(error, RECORDED) if error else None,
        fingerprint=scene.round.fingerprint(case),
    )


def _verified(scene: Scene, record: Record) -> Record | None:
    """The record with the verdict on a migration KubeVirt called a success: the VMI is Ready on the target, and its
    source pod has ended. A late yes is still a yes."""
    if not record.attempts or record.outcome not in (Outcome.SUCCEEDED, Outcome.VERIFICATION_FAILED):
        return None
    last = record.attempts[-1]
    lacking = _lacking(scene, last)
    if lacking is None:
        steps = last.steps.model_copy(update={"done": scene.now}) if last.steps else None
        done = last.model_copy(update={"outcome": Outcome.DONE, "steps": steps, "error": None})
        return ledger.with_attempt(record, done)
    timeout = (scene.view.plan.spec.verify or Verify()).timeout
    if not scene.round.past((last.ended_at or scene.now) + duration(timeout)):
        return None
    error = brief(f"not verified within {timeout}: {lacking}", RECORDED)
    return ledger.with_attempt(record, last.model_copy(update={"outcome": Outcome.VERIFICATION_FAILED, "error": error}))


def _lacking(scene: Scene, last: Attempt) -> str | None:
    """What a success still lacks, or None. A VM that has ended since lacks nothing: there is none left to be unwell."""
    vmi = scene.case.vmi
    if vmi is None or vmi.final:
        return None
    if vmi.node == last.source:
        return f"the VMI is still on {last.source}"
    if any(pod.node == last.source for pod in scene.round.index.pods_of(vmi)):
        return f"its source pod on {last.source} has not ended"
    return None if vmi.ready else "the VMI is not Ready"


def _tell(case: Case, record: Record, view: View) -> Iterable[Tell]:
    """Events for an attempt that ended, on the VMI (if it is there) and on the plan."""
    last = record.attempts[-1]
    before = next((a for a in case.record.attempts if a.number == last.number), None) if case.record else None
    if before is not None and before.outcome is last.outcome:
        return
    told = _words(case, last)
    if told is None:
        return
    kind, reason, message = told
    once = f"{last.migration}-{last.outcome}"
    if case.vmi is not None:
        about = ObjectRef("VirtualMachineInstance", case.name, case.uid, case.namespace, "kubevirt.io/v1")
        yield Tell(about, kind, reason, message, once)
    yield Tell(view.ref, kind, reason, f"{case.key}: {message}", once)


def _words(case: Case, last: Attempt) -> tuple[Literal["Normal", "Warning"], EventReason, str] | None:
    where = f"from {last.source} to {last.target} (attempt {last.number})"
    match last.outcome:
        case Outcome.DONE:
            return "Normal", EventReason.MIGRATION_ENDED, f"moved {where}, verified"
        case Outcome.FAILED | Outcome.VERIFICATION_FAILED:
            return "Warning", EventReason.MIGRATION_FAILED, f"migration {where} failed: {last.error}"
        case Outcome.REJECTING:
            return "Warning", EventReason.TARGET_REJECTED, f"migration {where} cannot begin: {last.error}"
        case Outcome.CANCELLED | Outcome.CANCELLED_BY_OTHERS:
            return "Normal", EventReason.MIGRATION_ENDED, f"migration {where} was cancelled: {last.error}"
    return None


def _cancel(case: Case) -> Iterable[CancelMigration]:
    """Delete what is recorded as ending. If it switched over in the meantime it is left to finish."""
    vmim = case.vmim
    if vmim is None or vmim.final or vmim.deleting or not _open(case) or move.switched_over(case):
        return
    why = next((a.error for a in (case.record.attempts if case.record else ()) if a.number == vmim.attempt), None)
    yield CancelMigration(vmim.metadata.namespace, vmim.name, vmim.uid, why or "")
