"""Does its plan start it now? Who else moves it, what holds the plan, and what its run waits for."""

from drover.api.reasons import Reason, WaitReason
from drover.api.shared import Waiting
from drover.running import ledger
from drover.running.gates.candidate import Candidate, wait
from drover.running.gates.target import fits_nowhere
from drover.running.gates.vm import over_quota


def running_elsewhere(c: Candidate) -> Waiting | None:
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


def unrecorded(c: Candidate) -> Waiting | None:
    """What its last migration came to has to be on record first: the retry is counted, and its result is not lost."""
    if c.case.unrecorded or (c.case.record is not None and c.case.record.outcome in ledger.OPEN):
        return wait(WaitReason.PLANNING, "the end of its last migration is being recorded")
    return None


def held(c: Candidate) -> Waiting | None:
    """What holds the whole plan. A rehearsal or a pause does not hide that a VM fits nowhere: that is what is asked."""
    if c.hold is None:
        return None
    if c.hold.reason in (Reason.DRY_RUN_COMPUTED, Reason.PAUSED):
        return fits_nowhere(c) or over_quota(c) or c.hold.waiting
    return c.hold.waiting


def awaits_cordon(c: Candidate) -> Waiting | None:
    evacuate, node = c.view.plan.spec.evacuate, c.round.snapshot.node(c.vmi.node)
    if evacuate is None or evacuate.cordon == "Ignore" or node is None or node.cordoned or c.case.extra:
        return None
    if evacuate.cordon == "Apply":
        return wait(WaitReason.AWAITING_CORDON, f"{node.name} is about to be cordoned")
    return wait(WaitReason.AWAITING_CORDON, f"{node.name} is not cordoned", f"kubectl cordon {node.name}")


def not_started(c: Candidate) -> Waiting | None:
    return wait(WaitReason.PLANNING, "the run is about to start") if c.view.run is None else None
