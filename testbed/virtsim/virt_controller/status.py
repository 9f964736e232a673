"""What becomes of a VMIM's status in one reconcile: its conditions, and at most one phase (migration.go, updateStatus).

Pure: the migration controller tells and writes it.
"""

from dataclasses import dataclass
from typing import Any

from virtsim.objects.conditions import condition, is_true, with_condition, without_condition
from virtsim.objects.phases import in_phase, with_status
from virtsim.objects.resources import Object
from virtsim.objects.times import now
from virtsim.virt_controller.phases import failure, next_phase
from virtsim.virt_controller.view import View

ABORT_REQUESTED = "migrationAbortRequested"
REJECTED_BY_QUOTA = "migrationRejectedByResourceQuota"


@dataclass(frozen=True, slots=True)
class Advance:
    """The VMIM as it should be next, and the event that goes with it as (type, reason, message)."""

    vmim: Object
    event: tuple[str, str, str] | None = None


def advance(view: View) -> Advance:
    """An end if there is a reason for one, else a requested abort, else a step if one is due, else what is."""
    vmim = view.vmim
    reason = failure(view)
    if reason is not None:
        failed = in_phase(vmim, "Failed")
        canceled = view.deleted and not view.handed_off
        told = ("Warning", "FailedMigration", reason.message)
        return Advance(conditioned(failed, ABORT_REQUESTED) if canceled else failed, told)
    if view.deleted and not is_true(vmim, ABORT_REQUESTED):
        return Advance(conditioned(vmim, ABORT_REQUESTED))
    return _stepped(view)


def conditioned(vmim: Object, kind: str) -> Object:
    """The VMIM with one of KubeVirt's bare conditions: no reason, no message, a probe time."""
    entry = {"type": kind, "status": "True", "lastProbeTime": now(), "lastTransitionTime": None}
    conditions = with_condition((vmim.get("status") or {}).get("conditions"), entry)
    return with_status(vmim, conditions=conditions)


def _stepped(view: View) -> Advance:
    vmim = view.vmim
    if view.phase == "Scheduling" and condition(vmim, REJECTED_BY_QUOTA) is not None:
        # Here and nowhere else: a quota that was in the way may be seen until the target pod is.
        vmim = with_status(vmim, conditions=without_condition(vmim["status"]["conditions"], REJECTED_BY_QUOTA))
    phase = next_phase(view)
    if phase is None:
        return Advance(vmim)
    fields: dict[str, Any] = {}
    if phase == "Pending" and view.source is not None:
        fields["migrationState"] = {"sourcePod": view.source["metadata"]["name"]}
    succeeded = ("Normal", "SuccessfulMigration", "Source node reported migration succeeded")
    return Advance(in_phase(vmim, phase, **fields), succeeded if phase == "Succeeded" else None)
