"""The conditions of a VMIM: most have neither reason nor message, all a probe time and no transition time."""

from virtsim.objects.conditions import with_condition
from virtsim.objects.phases import with_status
from virtsim.objects.resources import Object
from virtsim.objects.times import now


def conditioned(vmim: Object, kind: str, **said: str) -> Object:
    """The VMIM with a condition that is True; `said` is its reason and message, if it has them."""
    entry = {"type": kind, "status": "True", **said, "lastProbeTime": now(), "lastTransitionTime": None}
    conditions = with_condition((vmim.get("status") or {}).get("conditions"), entry)
    return with_status(vmim, conditions=conditions)
