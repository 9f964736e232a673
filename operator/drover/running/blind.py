"""What is decided before the cluster was listed: nothing, and that is said.

A VM that is not in an incomplete list has not ended, and a migration that is not has not come to its end.
"""

from collections.abc import Iterable
from datetime import datetime

from drover.api.maintenance import MaintenanceStatus, NodeMaintenance
from drover.api.plan import MigrationPlan, PlanStatus
from drover.api.reasons import MaintenancePhase, PlanPhase, Reason, WaitReason
from drover.api.shared import Condition, Waiting
from drover.facts.snapshot import Snapshot
from drover.running.actions import Decision
from drover.running.conditions import ACTIVE, settle, trio
from drover.running.status import since

BLIND = frozenset({"nodes", "pods", "vmis", "vmims"})
"""Without one of these in full nothing can be said of what is there and what is gone."""


def unsure(snapshot: Snapshot, now: datetime) -> Decision:
    """The decision of a round that does not know the cluster: no action, and statuses that say what is waited for."""
    message = f"not listed yet: {', '.join(sorted(snapshot.unlisted & BLIND))}"
    fix = "see whether the API server is well and whether Drover may list and watch these resources"
    waiting = Waiting(reason=WaitReason.SNAPSHOT_STALE, message=message, suggestion=fix)
    return Decision(
        plans={plan.name: _plan(plan, waiting, now) for plan in snapshot.plans.values()},
        maintenances={each.name: _maintenance(each, waiting, now) for each in snapshot.maintenances.values()},
    )


def _plan(plan: MigrationPlan, waiting: Waiting, now: datetime) -> PlanStatus:
    return plan.status.model_copy(
        update={
            "observed_generation": plan.metadata.generation,
            "observed_at": now,
            "phase": PlanPhase.HELD,
            "reason": Reason.SNAPSHOT_STALE,
            "conditions": _conditions(plan, waiting, now),
            "waiting": since(waiting, plan.status.waiting, now),
        }
    )


def _maintenance(maintenance: NodeMaintenance, waiting: Waiting, now: datetime) -> MaintenanceStatus:
    return maintenance.status.model_copy(
        update={
            "observed_generation": maintenance.metadata.generation,
            "observed_at": now,
            "phase": MaintenancePhase.HELD,
            "reason": Reason.SNAPSHOT_STALE,
            "conditions": _conditions(maintenance, waiting, now),
            "waiting": since(waiting, maintenance.status.waiting, now),
        }
    )


def _conditions(thing: MigrationPlan | NodeMaintenance, waiting: Waiting, now: datetime) -> tuple[Condition, ...]:
    """The trio anew, and everything else as it was."""
    new = trio(ACTIVE, Reason.SNAPSHOT_STALE, waiting.message)
    said = {each.type for each in new}
    kept: Iterable[Condition] = (each for each in thing.status.conditions if each.type not in said)
    return (*settle(new, thing.status.conditions, thing.metadata.generation, now), *kept)
