"""A plan's status, rendered from facts. The previous status gives only what time adds: since, transition times, and
progress that does not go back."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TypeVar

from drover.api.plan import MAX_LISTED, PlanStatus, Run, Summary, VMStatus
from drover.api.reasons import FindingReason, PlanPhase, Reason, WaitReason
from drover.api.shared import Condition, Finding, Model, Waiting
from drover.planning.proposal import Proposal
from drover.running import progress, times
from drover.running.conditions import ACTIVE, SETTLED, STUCK, Trio, condition, settle, trio
from drover.running.move import Move
from drover.running.preflight import Hold, brief
from drover.running.view import View

T = TypeVar("T", bound=Model)
STUCK_AFTER = timedelta(minutes=10)
MAX_FINDINGS = 50
FINDINGS_BYTES = 64 << 10
LISTED_BYTES = 128 << 10
"""Findings and VMs with the longest names and messages there can be leave a status below 256 KiB."""
TRIOS: Mapping[PlanPhase, Trio] = {
    PlanPhase.PLANNING: ACTIVE,
    PlanPhase.REHEARSED: SETTLED,
    PlanPhase.MIGRATING: ACTIVE,
    PlanPhase.WAITING: SETTLED,
    PlanPhase.HELD: ACTIVE,
    PlanPhase.BLOCKED: STUCK,
    PlanPhase.SUCCEEDED: SETTLED,
    PlanPhase.WITHDRAWN: SETTLED,
}
_RANK = {"Switchover": 0, "PreCopy": 0, "PreparingTarget": 0, "Verifying": 0, "Failed": 2, "Queued": 3, "Done": 4}


@dataclass(frozen=True, slots=True)
class Facts:
    """All a plan's status is rendered from."""

    view: View
    run: Run | None
    """As it is to be stored: just started, in progress, just finished, or one of an earlier runID."""
    moves: Sequence[Move]
    proposal: Proposal | None
    hold: Hold | None
    findings: Sequence[Finding]
    restored: bool
    """Whether nothing of the plan is left to undo: no migration in flight, no cordon of its own."""
    eta: float | None = None
    """Seconds until all is done that can be done."""

    @property
    def current(self) -> Run | None:
        """The run of the runID that is wanted."""
        return self.run if self.run is not None and self.run.id == self.view.run_id else None

    @property
    def finished(self) -> bool:
        return self.current is not None and self.current.finished_at is not None and not self.view.dry


@dataclass(frozen=True, slots=True)
class Verdict:
    phase: PlanPhase
    reason: Reason
    message: str


def render(facts: Facts, now: datetime) -> PlanStatus:
    """The whole status of a plan."""
    view, previous = facts.view, facts.view.plan.status
    summary = progress.summarize(facts.moves)
    planned = (
        progress.capacity_finding(facts.moves, facts.proposal),
        progress.uncertain_finding(facts.moves, facts.proposal),
        progress.room_finding(facts.moves, facts.proposal),
    )
    said = [each for each in planned if each is not None]
    found = [*facts.findings, *progress.blocked_findings(facts.moves, view), *said]
    verdict = judge(facts, summary, found)
    waiting = _plan_waiting(facts, verdict, previous.waiting, now)
    percent = _percent(facts, previous)
    listed = _listed(facts.moves, previous, now)
    generation = view.plan.metadata.generation
    return PlanStatus(
        observed_generation=generation,
        observed_at=now,
        phase=verdict.phase,
        goal="Evacuate" if view.evacuates else "Move",
        reason=verdict.reason,
        run=facts.run,
        conditions=settle(_conditions(facts, verdict, found, waiting, now), previous.conditions, generation, now),
        summary=summary,
        progress_percent=percent,
        eta=times.told(facts.eta, previous.eta),
        last_progress_time=_progressed(facts, percent, summary, now),
        proposal=times.proposed(facts.proposal, previous.proposal, now),
        findings=within(found[:MAX_FINDINGS], FINDINGS_BYTES),
        waiting=waiting,
        virtual_machines=listed,
    )


def judge(facts: Facts, summary: Summary, found: Sequence[Finding]) -> Verdict:
    """The phase, by the table of situations: the first that applies."""
    view = facts.view
    if view.withdrawn:
        return _withdrawn(facts)
    if view.dry:
        return _rehearsed(facts, summary)
    if facts.finished:
        return _finished(facts, summary)
    if facts.hold is not None:
        held = _held(facts, summary)
        if held is not None:
            return held
    return _in_progress(facts, summary, found)


def _finished(facts: Facts, summary: Summary) -> Verdict:
    left = [move.key for move in facts.moves if progress.is_left(move, facts.view)]
    if left:
        message = brief(f"{summary.vms} VMs moved; left on purpose: {', '.join(left[:10])}")
        return Verdict(PlanPhase.SUCCEEDED, Reason.VIRTUAL_MACHINES_LEFT, message)
    reason = Reason.ALL_MOVED if facts.moves else Reason.NOTHING_TO_MOVE
    return Verdict(PlanPhase.SUCCEEDED, reason, f"{summary.vms} VMs are where they should be")


def _withdrawn(facts: Facts) -> Verdict:
    if facts.restored:
        return Verdict(PlanPhase.WITHDRAWN, Reason.UNDONE, "withdrawn; nothing is left to undo")
    return Verdict(PlanPhase.MIGRATING, Reason.UNDOING, "being undone: what has not switched over is cancelled")


def _rehearsed(facts: Facts, summary: Summary) -> Verdict:
    if facts.proposal is None:
        return Verdict(PlanPhase.PLANNING, Reason.COMPUTING, "the dry run is being computed")
    if facts.hold is not None and facts.hold.reason is not Reason.DRY_RUN_COMPUTED:
        return Verdict(_hold_phase(facts.hold), facts.hold.reason, facts.hold.waiting.message)
    count = len(facts.proposal.assignments)
    return Verdict(PlanPhase.REHEARSED, Reason.DRY_RUN_COMPUTED, f"{count} of {summary.total} VMs would move")


def _hold_phase(hold: Hold) -> PlanPhase:
    if hold.reason in (Reason.KUBEVIRT_UNAVAILABLE, Reason.KUBEVIRT_UPGRADING, Reason.SNAPSHOT_STALE):
        return PlanPhase.HELD
    return PlanPhase.WAITING if hold.reason is Reason.PAUSED else PlanPhase.BLOCKED


def _held(facts: Facts, summary: Summary) -> Verdict | None:
    hold = facts.hold
    assert hold is not None
    phase = _hold_phase(hold)
    if phase is not PlanPhase.HELD and summary.running:
        return Verdict(
            PlanPhase.MIGRATING, hold.reason, f"{summary.running} VMs move to their end; {hold.waiting.message}"
        )
    return Verdict(phase, hold.reason, hold.waiting.message)


def _in_progress(facts: Facts, summary: Summary, found: Sequence[Finding]) -> Verdict:
    if summary.running:
        return Verdict(PlanPhase.MIGRATING, Reason.MOVING, f"{summary.vms} done, {summary.running} move")
    cordons = [each for each in found if each.reason == FindingReason.SOURCE_SCHEDULABLE]
    if cordons and all(_awaits_cordon(move) for move in facts.moves if move.step == "Queued"):
        return Verdict(PlanPhase.BLOCKED, Reason.AWAITING_CORDON, cordons[0].message)
    if facts.current is None or summary.waiting or facts.view.lingering:
        reason = Reason.COMPUTING if facts.current is None else Reason.MOVING
        phase = PlanPhase.PLANNING if facts.current is None else PlanPhase.MIGRATING
        return Verdict(phase, reason, f"{summary.vms} done, {summary.waiting} wait")
    reasons = [each for each in found if each.severity == "Blocker"]
    if not reasons:
        return Verdict(PlanPhase.MIGRATING, Reason.MOVING, f"{summary.vms} done")
    message = reasons[0].message
    only = {each.reason for each in reasons} == {FindingReason.NOTHING_SELECTED}
    return Verdict(PlanPhase.BLOCKED, Reason.NOTHING_SELECTED if only else Reason.VIRTUAL_MACHINES_BLOCKED, message)


def _awaits_cordon(move: Move) -> bool:
    return move.waiting is not None and move.waiting.reason == Reason.AWAITING_CORDON


def _conditions(
    facts: Facts, verdict: Verdict, found: Sequence[Finding], waiting: Waiting | None, now: datetime
) -> list[Condition]:
    which = TRIOS[verdict.phase]
    if verdict.phase is PlanPhase.HELD and waiting is not None and waiting.since is not None:
        which = STUCK if now - waiting.since >= STUCK_AFTER else ACTIVE
    blockers = [each for each in found if each.severity == "Blocker"]
    return [
        *trio(which, verdict.reason, verdict.message),
        condition(
            "PreflightPassed",
            not blockers,
            blockers[0].reason if blockers else Reason.AS_WANTED,
            blockers[0].message if blockers else "nothing stands in the way",
        ),
        condition("Succeeded", facts.finished, verdict.reason, verdict.message),
    ]


def _percent(facts: Facts, previous: PlanStatus) -> int:
    """It never goes back within a run, whatever joins the plan late."""
    now = 100 if facts.finished else progress.percent(facts.moves, facts.view)
    same_run = facts.current is not None and previous.run is not None and previous.run.id == facts.current.id
    return max(now, previous.progress_percent or 0) if same_run else now


def _progressed(facts: Facts, percent: int, summary: Summary, now: datetime) -> datetime | None:
    previous = facts.view.plan.status
    before = previous.summary.done if previous.summary is not None else 0
    if percent > (previous.progress_percent or 0) or summary.done > before:
        return now
    return previous.last_progress_time


def since(waiting: Waiting, before: Waiting | None, now: datetime) -> Waiting:
    """The waiting with when its reason began."""
    same = before is not None and before.reason == waiting.reason
    return waiting.model_copy(update={"since": (before.since if same and before is not None else None) or now})


def _plan_waiting(facts: Facts, verdict: Verdict, before: Waiting | None, now: datetime) -> Waiting | None:
    """Why the plan as a whole does not move: nothing of it runs."""
    if verdict.phase in (PlanPhase.SUCCEEDED, PlanPhase.WITHDRAWN, PlanPhase.REHEARSED):
        return None
    if any(move.step in progress.IN_FLIGHT for move in facts.moves):
        return None
    if facts.hold is not None:
        return since(facts.hold.waiting, before, now)
    waits = [move.waiting for move in facts.moves if move.waiting is not None]
    if facts.view.lingering and not waits:
        return since(_lingering(facts.view.lingering), before, now)
    if not waits:
        return since(Waiting(reason=verdict.reason, message=brief(verdict.message)), before, now)
    most = Counter(each.reason for each in waits).most_common(1)[0][0]
    return since(next(each for each in waits if each.reason == most), before, now)


def _lingering(pods: Sequence[str]) -> Waiting:
    return Waiting(
        reason=WaitReason.PODS_ENDING,
        message=brief(f"pods of VMs that are gone have not ended: {', '.join(pods[:10])}"),
        suggestion="wait for them to end; delete one that hangs",
        blocked_by=tuple(pods[:10]),
    )


def _listed(moves: Sequence[Move], previous: PlanStatus, now: datetime) -> tuple[VMStatus, ...]:
    """The first 100: running, then blocked and failed, then waiting, then done."""
    before = {(vm.namespace, vm.name): vm.waiting for vm in previous.virtual_machines if vm.waiting is not None}
    ordered = sorted(moves, key=lambda move: (1 if progress.is_blocked(move) else _RANK[move.step], move.key))
    listed = [_vm(move, before.get((move.namespace, move.name)), now) for move in ordered[:MAX_LISTED]]
    return within(listed, LISTED_BYTES)


def within(things: Sequence[T], budget: int) -> tuple[T, ...]:
    """As many of them, from the first on, as fit so many bytes of JSON."""
    sizes = accumulate(len(thing.model_dump_json(by_alias=True, exclude_none=True).encode()) for thing in things)
    return tuple(thing for thing, size in zip(things, sizes, strict=True) if size <= budget)


def _vm(move: Move, before: Waiting | None, now: datetime) -> VMStatus:
    waiting = since(_short(move.waiting), before, now) if move.waiting else None
    return VMStatus(
        namespace=move.namespace,
        name=move.name,
        step="Blocked" if progress.is_blocked(move) else move.step,
        source=move.source,
        target=move.target or None,
        why=brief(move.why, 200) or None,
        attempt=move.attempt or None,
        migration=move.vmim or None,
        steps=move.steps,
        switchover=move.switchover,
        waiting=waiting,
        error=brief(move.error, 400) or None,
    )


def _short(waiting: Waiting) -> Waiting:
    """A hundred VMs have to share a status."""
    suggestion = brief(waiting.suggestion, 200) if waiting.suggestion else None
    return waiting.model_copy(update={"message": brief(waiting.message, 400), "suggestion": suggestion})
