"""One plan with everything a round knows about it: its run, its nodes, its VMs and what became of them."""

from dataclasses import dataclass, field

from drover.api.plan import MigrationPlan, Run
from drover.api.reasons import Outcome
from drover.api.report import Record
from drover.facts.kubevirt import VMI, VMIM
from drover.planning.candidates import Nodes
from drover.running import ledger
from drover.running.actions import ObjectRef
from drover.running.ledger import Ledger
from drover.running.nodes import reference

MOVED = frozenset({Outcome.SUCCEEDED, Outcome.DONE, Outcome.VERIFICATION_FAILED})
RESUMED = frozenset({Outcome.REJECTED, Outcome.CANCELLED, Outcome.CANCELLED_BY_OTHERS})
"""Ends that say nothing against another attempt."""


@dataclass(frozen=True, slots=True)
class Case:
    """One VM of a plan: the VMI as it is now (None when it is gone), whether its guest still has to leave (`to_move`)
    or only a pod of it (`lingers`), our last migration of it in this run, its record, and whether it is moved only to
    make room for others (`extra`)."""

    uid: str
    namespace: str
    name: str
    vmi: VMI | None
    to_move: bool
    lingers: bool
    vmim: VMIM | None
    record: Record | None
    extra: bool = False

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def in_flight(self) -> bool:
        return self.vmim is not None and not self.vmim.final

    @property
    def counts(self) -> bool:
        """Whether it is one of the plan's VMs: one that ended before we had moved it is not any more, nor one that is
        where it was and may stay there."""
        alive = self.vmi is not None and not self.vmi.final
        wanted = self.to_move or self.lingers or not self._stayed
        return (alive and wanted) or self.in_flight or (self.record is not None and self.record.outcome in MOVED)

    @property
    def resumes(self) -> bool:
        """Whether a VM that was asked to make room may be asked once more: the scheduler refused it a target, or it was
        cancelled. One that arrived, or failed, is left alone."""
        return self.record is not None and self.record.outcome in RESUMED and not self.in_flight

    @property
    def _stayed(self) -> bool:
        """Whether its last attempt left it where it was."""
        if self.vmim is not None and self.vmim.phase == "Failed" and self.unrecorded:
            return True
        last = self.record.attempts[-1] if self.record is not None and self.record.attempts else None
        return last is not None and self.vmi is not None and self.vmi.node == last.source

    @property
    def attempts(self) -> int:
        """The highest attempt made so far."""
        recorded = [a.number for a in self.record.attempts] if self.record else []
        return max([0, *recorded, *([self.vmim.attempt] if self.vmim else [])])

    @property
    def unrecorded(self) -> bool:
        """Whether our last migration of it is not on record yet as ended."""
        if self.vmim is None:
            return False
        attempt = ledger.attempt_of(self.record, self.vmim)
        return attempt is None or attempt.outcome in ledger.OPEN


@dataclass(frozen=True, slots=True)
class View:
    """A plan and one of its runs. `earlier` are its runs before this one that have not come to their end: nothing of
    them starts any more, but what flies may end, and has to be on record."""

    plan: MigrationPlan
    run_id: str
    run: Run | None
    """The run in progress or finished; None before it starts, and in a dry run."""
    ledger: Ledger
    owner_ended: bool
    """Whether the maintenance that owns the plan is being ended: the plan is then, too."""
    cases: tuple[Case, ...] = ()
    own: tuple[VMIM, ...] = ()
    """Our migrations for this plan, of any run, but those that are gone and on record."""
    sources: Nodes = field(default_factory=Nodes)
    """What `evacuate.nodes` means now, or what it meant when the run started."""
    source_set: frozenset[str] = frozenset()
    lingering: tuple[str, ...] = ()
    """Launcher pods on the sources of VMs that are gone, as namespace/name. The node is not empty before they end."""
    earlier: "tuple[View, ...]" = ()
    illegible: tuple[str, ...] = ()
    """Its reports that cannot be read, by name: what was tried is not known, and nothing may be written over it."""

    @property
    def ref(self) -> ObjectRef:
        return reference(self.plan)

    @property
    def evacuates(self) -> bool:
        return self.plan.spec.evacuate is not None

    @property
    def dry(self) -> bool:
        return self.plan.spec.mode == "DryRun"

    @property
    def withdrawn(self) -> bool:
        return self.plan.metadata.deleting or self.plan.spec.intent == "Withdrawn" or self.owner_ended

    @property
    def finished(self) -> bool:
        return self.run is not None and self.run.finished_at is not None

    @property
    def flying(self) -> tuple[VMIM, ...]:
        return tuple(vmim for vmim in self.own if not vmim.final)
