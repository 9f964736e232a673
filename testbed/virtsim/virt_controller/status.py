"""What becomes of a VMIM's status in one reconcile: its conditions, and at most one phase (migration.go, updateStatus).

Pure: the migration controller tells and writes it.
"""

from dataclasses import dataclass

from virtsim.cluster.client import ApiError
from virtsim.objects.conditions import condition, is_true, without_condition
from virtsim.objects.migrations import phase_of
from virtsim.objects.phases import in_phase, with_status
from virtsim.objects.resources import Object
from virtsim.virt_controller.bare_conditions import conditioned
from virtsim.virt_controller.blocking import Block, with_block
from virtsim.virt_controller.phases import failure, next_phase
from virtsim.virt_controller.view import View

ABORT_REQUESTED = "migrationAbortRequested"
REJECTED_BY_QUOTA = "migrationRejectedByResourceQuota"
SUCCEEDED = ("Normal", "SuccessfulMigration", "Source node reported migration succeeded")


@dataclass(frozen=True, slots=True)
class Advance:
    """The VMIM as it should be next, and the event that goes with it as (type, reason, message)."""

    vmim: Object
    event: tuple[str, str, str] | None = None


def advance(view: View, blocked: Block | None = None, refusal: ApiError | None = None) -> Advance:
    """An end if there is a reason for one, else a requested abort, else a step if one is due, else what is.

    `blocked` is what holds it while it is Pending; `refusal` is what virt-controller's act was answered just before.
    """
    vmim = view.vmim
    reason = failure(view)
    if reason is not None:
        failed = in_phase(vmim, "Failed")
        canceled = view.deleted and not view.handed_off
        told = ("Warning", "FailedMigration", reason.message)
        return Advance(conditioned(failed, ABORT_REQUESTED) if canceled else failed, told)
    if view.deleted and not is_true(vmim, ABORT_REQUESTED):
        return Advance(conditioned(vmim, ABORT_REQUESTED))
    return _stepped(view, blocked, refusal)


def _stepped(view: View, blocked: Block | None, refusal: ApiError | None) -> Advance:
    vmim = with_block(view.vmim, blocked) if view.phase == "Pending" else view.vmim
    event = None if blocked is None else blocked.event
    phase = next_phase(view)
    if blocked is not None:
        vmim = in_phase(vmim, "Failed") if blocked.over else vmim
    elif phase is not None:
        vmim = in_phase(vmim, phase)
        event = SUCCEEDED if phase == "Succeeded" else None
    return Advance(with_source_pod(with_quota_condition(vmim, view, refusal), view), event)


def with_quota_condition(vmim: Object, view: View, refusal: ApiError | None) -> Object:
    """Says while Pending that a quota refused the target pod; takes it back in Scheduling, and nowhere else."""
    known = condition(vmim, REJECTED_BY_QUOTA) is not None
    if view.phase == "Scheduling" and known:
        return with_status(vmim, conditions=without_condition(vmim["status"]["conditions"], REJECTED_BY_QUOTA))
    refused = refusal is not None and "exceeded quota" in refusal.message
    if view.phase == "Pending" and view.target is None and refused and not known:
        return conditioned(vmim, REJECTED_BY_QUOTA)
    return vmim


def with_source_pod(vmim: Object, view: View) -> Object:
    """Whatever is written while it is Pending, or makes it so, names the pod that the VM is in."""
    if phase_of(vmim) != "Pending" or view.source is None:
        return vmim
    state = vmim["status"].get("migrationState") or {}
    name = view.source["metadata"]["name"]
    return vmim if state.get("sourcePod") == name else with_status(vmim, migrationState={**state, "sourcePod": name})
