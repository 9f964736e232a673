"""What is decided before the cluster was listed: nothing, and that is said.

A VM that is not in an incomplete list has not ended, and a migration that is not has not come to its end.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from drover.api.maintenance import NodeMaintenance
from drover.api.plan import MigrationPlan
from drover.api.reasons import MaintenancePhase, PlanPhase, Reason, WaitReason
from drover.api.shared import Condition, Waiting
from drover.facts.snapshot import Snapshot
from drover.running.actions import Decision
from drover.running.conditions import ACTIVE, settle, trio
from drover.running.preflight import WHEN_SILENT
from drover.running.status import since

BLIND = frozenset({"nodes", "pods", "vmis", "vmims"})
"""Without one of these in full nothing can be said of what is there and what is gone."""


def unsure(snapshot: Snapshot, now: datetime) -> Decision:
    """The decision of a round that does not know the cluster: no action, and statuses that say what is waited for."""
    message = f"not listed yet: {', '.join(sorted(snapshot.unlisted & BLIND))}"
    waiting = Waiting(reason=WaitReason.SNAPSHOT_STALE, message=message, suggestion=WHEN_SILENT)
    plans, maintenances = snapshot.plans.values(), snapshot.maintenances.values()
    return Decision(
        plans={p.name: p.status.model_copy(update=_held(p, PlanPhase.HELD, waiting, now)) for p in plans},
        maintenances={
            m.name: m.status.model_copy(update=_held(m, MaintenancePhase.HELD, waiting, now)) for m in maintenances
        },
    )


def _held(
    thing: MigrationPlan | NodeMaintenance, phase: PlanPhase | MaintenancePhase, waiting: Waiting, now: datetime
) -> dict[str, Any]:
    """What is new in the status; everything else stays as it was said last."""
    return {
        "observed_generation": thing.metadata.generation,
        "observed_at": now,
        "phase": phase,
        "reason": Reason.SNAPSHOT_STALE,
        "conditions": _conditions(thing, waiting, now),
        "waiting": since(waiting, thing.status.waiting, now),
    }


def _conditions(thing: MigrationPlan | NodeMaintenance, waiting: Waiting, now: datetime) -> tuple[Condition, ...]:
    """The trio anew, and everything else as it was."""
    new = trio(ACTIVE, Reason.SNAPSHOT_STALE, waiting.message)
    said = {each.type for each in new}
    kept: Iterable[Condition] = (each for each in thing.status.conditions if each.type not in said)
    return (*settle(new, thing.status.conditions, thing.metadata.generation, now), *kept)
