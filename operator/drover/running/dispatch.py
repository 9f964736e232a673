"""Which VMs of a plan start now: those that no gate stops, in their order, while there are slots."""

from drover.api.reasons import WaitReason
from drover.api.shared import Waiting
from drover.facts.kubevirt import HOSTNAME
from drover.planning.proposal import Proposal
from drover.running.actions import ObjectRef, StartMigration
from drover.running.gates.candidate import Candidate, wait
from drover.running.gates.order import CLAIMING, GATES, goes_with_room
from drover.running.making_way import with_extra
from drover.running.move import Move, observe
from drover.running.names import migration_name
from drover.running.preflight import Hold
from drover.running.round import Round
from drover.running.slots import Allowed
from drover.running.view import Case, View


def dispatch(
    view: View, proposal: Proposal | None, limits: Allowed | None, hold: Hold | None, shared: Round
) -> tuple[list[Move], list[StartMigration]]:
    """The moves of a plan, each that is queued with its reason, and those that start. Takes the slots it gives."""
    moves: list[Move] = []
    starts: list[StartMigration] = []
    for case in _in_order(view, proposal):
        planned = proposal.assignments.get(case.uid) if proposal is not None else None
        here = observe(case, view, planned, shared.snapshot, shared.index)
        if here.step == "PreparingTarget":
            here = _preparing(here, case, shared)
        if here.step == "Failed":
            here = here.held(_unverified(here), "Failed")
        if here.step == "Queued" and case.vmi is not None:
            candidate = Candidate(case, case.vmi, view, proposal, limits, hold, shared)
            here = _queued(here, candidate, starts)
            if here.waiting is not None and here.waiting.reason in CLAIMING:
                shared.claimed.setdefault(case.uid, view.ref)
        moves.append(here)
    return moves, starts


def joined(view: View, proposal: Proposal | None, limits: Allowed | None, hold: Hold | None, shared: Round) -> View:
    """The view with those that make room: only for VMs that would go if there were any. While the plan is held it
    shows them all."""

    def ready(case: Case) -> bool:
        if hold is not None or case.vmi is None:
            return hold is not None
        return goes_with_room(Candidate(case, case.vmi, view, proposal, limits, hold, shared))

    return with_extra(view, proposal, shared.index, ready)


def _in_order(view: View, proposal: Proposal | None) -> list[Case]:
    """The plan's VMs: those tried less often first, so that one that keeps failing holds nobody up; then as the
    timetable has them; then by name."""
    known = proposal.timetable.order if proposal is not None and proposal.timetable is not None else ()
    place = {uid: n for n, uid in enumerate(known)}
    counted = (case for case in view.cases if case.counts)
    return sorted(counted, key=lambda case: (case.attempts, place.get(case.uid, len(place)), case.key))


def _queued(here: Move, candidate: Candidate, starts: list[StartMigration]) -> Move:
    for gate in GATES:
        waiting = gate(candidate)
        if waiting is not None:
            failed = waiting.reason == WaitReason.RETRIES_SPENT
            return here.held(waiting, "Failed" if failed else "Queued")
    start = _start(candidate)
    starts.append(start)
    candidate.round.slots.take(start.name, frozenset({start.source}), start.target)
    return here.held(wait(WaitReason.PLANNING, f"its migration to {start.target} is being created"))


def _start(c: Candidate) -> StartMigration:
    planned = c.planned
    assert planned is not None
    target = c.round.snapshot.node(planned.target)
    assert target is not None
    attempt = c.case.attempts + 1
    return StartMigration(
        plan=c.view.ref,
        run=c.view.run_id,
        vmi=ObjectRef("VirtualMachineInstance", c.case.name, c.case.uid, c.case.namespace, "kubevirt.io/v1"),
        source=planned.source,
        target=planned.target,
        hostname=target.labels.get(HOSTNAME, target.name),
        attempt=attempt,
        name=migration_name(c.view.plan.uid, c.view.run_id, c.vmi, attempt),
        why=planned.why,
        extra=planned.extra,
    )


def _unverified(here: Move) -> Waiting:
    """It is not well after its migration: another one would do harm (rule 7)."""
    fix = "look after the VM: once it is Ready on its target it is done; another runID starts afresh"
    return wait(WaitReason.VERIFICATION_FAILED, here.error, fix)


def _preparing(here: Move, case: Case, shared: Round) -> Move:
    """A migration whose target pod does not come: say what KubeVirt or the scheduler says."""
    vmim = case.vmim
    assert vmim is not None
    pod = shared.index.targets.get(vmim.uid)
    message = pod.unschedulable() if pod is not None and not pod.node else None
    if message is not None:
        return here.held(wait(WaitReason.TARGET_PENDING, f"the scheduler: {message}"), "PreparingTarget")
    blocked = vmim.blocked_by()
    if pod is None and blocked is not None:
        return here.held(wait(WaitReason.TARGET_PENDING, f"KubeVirt: {blocked}"), "PreparingTarget")
    return here
