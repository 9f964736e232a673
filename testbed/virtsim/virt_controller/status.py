"""The parts of a VMIM's status beside its phase: conditions, and the source pod while it is Pending."""

from virtsim.cluster.client import ApiError
from virtsim.objects.conditions import condition, with_condition, without_condition
from virtsim.objects.migrations import phase_of
from virtsim.objects.phases import with_status
from virtsim.objects.resources import Object
from virtsim.objects.times import now
from virtsim.virt_controller.view import View

ABORT_REQUESTED = "migrationAbortRequested"
REJECTED_BY_QUOTA = "migrationRejectedByResourceQuota"


def conditioned(vmim: Object, kind: str, **said: str) -> Object:
    """The VMIM with one of KubeVirt's conditions: most are bare, with a probe time and neither reason nor message."""
    entry = {"type": kind, "status": "True", **said, "lastProbeTime": now(), "lastTransitionTime": None}
    conditions = with_condition((vmim.get("status") or {}).get("conditions"), entry)
    return with_status(vmim, conditions=conditions)


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
