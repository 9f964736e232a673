"""The conditions of a VMIM: no reason, no message, a probe time."""

from virtsim.objects.conditions import with_condition
from virtsim.objects.phases import with_status
from virtsim.objects.resources import Object
from virtsim.objects.times import now

ABORT_REQUESTED = "migrationAbortRequested"
REJECTED_BY_QUOTA = "migrationRejectedByResourceQuota"


def conditioned(vmim: Object, kind: str) -> Object:
    """The VMIM with one of KubeVirt's bare conditions: no reason, no message, a probe time."""
    entry = {"type": kind, "status": "True", "lastProbeTime": now(), "lastTransitionTime": None}
    conditions = with_condition((vmim.get("status") or {}).get("conditions"), entry)
    return with_status(vmim, conditions=conditions)
