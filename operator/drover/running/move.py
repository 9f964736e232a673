"""Where each VM's move stands: an ordered table over facts, the first match is the step. It is not a state machine: a
step is never stored, only observed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from drover.api.reasons import Outcome
from drover.api.report import Attempt
from drover.api.shared import Step, Steps, Switchover, Waiting
from drover.facts.index import Index
from drover.facts.kubevirt import VMIM, MigrationState
from drover.facts.snapshot import Snapshot
from drover.planning.proposal import Assignment
from drover.planning.site.arriving import towards
from drover.running.view import Case, View


@dataclass(frozen=True, slots=True)
class Move:
    """A VM's move as its status shows it. `waiting` is why it does not go on; `error` how its last attempt failed."""

    uid: str
    namespace: str
    name: str
    step: Step
    source: str
    target: str = ""
    why: str = ""
    attempt: int = 0
    vmim: str = ""
    steps: Steps = field(default_factory=Steps)
    switchover: Switchover | None = None
    waiting: Waiting | None = None
    error: str = ""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    def held(self, waiting: Waiting, step: Step = "Queued") -> "Move":
        """The same move, waiting."""
        return replace(self, waiting=waiting, step=step)


def state_of(case: Case) -> MigrationState | None:
    """The migration state of the case's last migration, from the VMI, or from the copy the VMIM gets at its end."""
    if case.vmim is None:
        return None
    state = case.vmi.state_of(case.vmim.uid) if case.vmi is not None else None
    copy = case.vmim.status.migration_state
    return state or (copy if copy is not None and copy.migration_uid == case.vmim.uid else None)


def switched_over(case: Case) -> bool:
    """Whether the guest has gone over (or is going, in post-copy): from here a migration can only finish."""
    state = state_of(case)
    if state is None or state.failed:
        return False
    return state.end_timestamp is not None or state.mode == "PostCopy"


def _started(case: Case) -> bool:
    state = state_of(case)
    return (state is not None and state.start_timestamp is not None) or (
        case.vmim is not None and case.vmim.phase == "Running"
    )


def _outcome(case: Case) -> Outcome | None:
    return case.record.outcome if case.record is not None else None


STEPS: tuple[tuple[Step, Callable[[Case], bool]], ...] = (
    ("Switchover", lambda case: case.in_flight and switched_over(case)),
    ("PreCopy", lambda case: case.in_flight and _started(case)),
    ("PreparingTarget", lambda case: case.in_flight),
    ("Failed", lambda case: _outcome(case) is Outcome.VERIFICATION_FAILED),
    ("Verifying", lambda case: _outcome(case) is Outcome.SUCCEEDED or _just_succeeded(case)),
    ("Queued", lambda case: case.to_move or case.lingers),
)


def _just_succeeded(case: Case) -> bool:
    """KubeVirt calls it a success, and the record is not written yet."""
    if case.vmim is None or case.vmim.phase != "Succeeded" or case.record is None:
        return case.vmim is not None and case.vmim.phase == "Succeeded"
    return all(a.uid != case.vmim.uid for a in case.record.attempts)


def step_of(case: Case) -> Step:
    """The step a case is in; one that matches nothing else is done: its guest is where it should be."""
    return next((step for step, holds in STEPS if holds(case)), "Done")


def observe(case: Case, view: View, planned: Assignment | None, snapshot: Snapshot, index: Index) -> Move:
    """The move as it stands, without a word on why it waits."""
    last = case.record.attempts[-1] if case.record and case.record.attempts else None
    step = step_of(case)
    source = case.vmi.node if case.vmi is not None else (last.source if last else "")
    base = Move(case.uid, case.namespace, case.name, step, source, attempt=case.attempts, error=_error(last))
    if case.vmim is not None and (case.in_flight or step == "Verifying"):
        return _flying(base, case, queued_since(case, view), snapshot, index)
    if last is not None and step in ("Verifying", "Done", "Failed"):
        return _landed(base, last)
    if planned is not None and step == "Queued":
        return replace(base, target=planned.target, why=planned.why, steps=Steps(queued=queued_since(case, view)))
    return replace(base, steps=Steps(queued=queued_since(case, view)))


def _error(last: Attempt | None) -> str:
    if last is None or last.outcome in (Outcome.SUCCEEDED, Outcome.DONE):
        return ""
    return last.error or ""


def queued_since(case: Case, view: View) -> datetime | None:
    """It waits since its last attempt ended, or since the run started. An attempt does not wait for itself."""
    attempts = case.record.attempts if case.record is not None else ()
    mine = case.vmim.attempt if case.vmim is not None else 0
    earlier = [a.ended_at for a in attempts if a.number != mine and a.ended_at is not None]
    if case.vmim is None or case.vmim.final:
        earlier = [a.ended_at for a in attempts if a.ended_at is not None and a.number <= case.attempts]
    return max(earlier, default=view.run.started_at if view.run is not None else None)


def _flying(base: Move, case: Case, queued: datetime | None, snapshot: Snapshot, index: Index) -> Move:
    vmim, state = case.vmim, state_of(case)
    assert vmim is not None
    target = towards(vmim, snapshot, index)
    return replace(
        base,
        source=source_of(case, target),
        target=target,
        why=vmim.metadata.annotations.why,
        vmim=vmim.name,
        steps=steps_of(vmim, state, queued),
        switchover=switchover_of(state),
    )


def source_of(case: Case, target: str) -> str:
    """The node the case's migration leaves: its state says so after hand-off, before that it is where the VMI is.

    The empty string if nobody knows any more: the guest is on the target, and the state is another migration's by now.
    """
    state = state_of(case)
    if state is not None and state.source_node:
        return state.source_node
    return case.vmi.node if case.vmi is not None and case.vmi.node != target else ""


def _landed(base: Move, last: Attempt) -> Move:
    return replace(
        base,
        source=last.source,
        target=last.target,
        why=last.why or "",
        vmim=last.migration,
        steps=last.steps or Steps(),
        switchover=_recorded_switchover(last),
    )


def _recorded_switchover(last: Attempt) -> Switchover | None:
    if last.steps is None or last.steps.switchover is None:
        return None
    return Switchover(at=last.steps.switchover, mode=last.mode, from_=last.source, to=last.target)


def steps_of(vmim: VMIM, state: MigrationState | None, queued: datetime | None) -> Steps:
    """When the migration entered each step, from KubeVirt's own timestamps (second resolution)."""
    flipped = state is not None and not state.failed
    return Steps(
        queued=queued,
        preparing_target=vmim.metadata.creation_timestamp,
        pre_copy=(state.start_timestamp if state else None) or vmim.entered("Running"),
        switchover=state.end_timestamp if state is not None and flipped else None,
        verifying=vmim.entered("Succeeded"),
    )


def switchover_of(state: MigrationState | None) -> Switchover | None:
    """The moment the guest went over, if it has."""
    if state is None or state.failed or state.end_timestamp is None:
        return None
    return Switchover(at=state.end_timestamp, mode=state.mode or None, from_=state.source_node, to=state.target_node)
