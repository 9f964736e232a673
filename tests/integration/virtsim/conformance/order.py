"""Orders across objects that the flow of data fixes: a write that depends on another is stored after it."""

from tests.integration.virtsim.recording import Recording, Write
from virtsim.objects.resources import PODS, VMIMS, VMIS

AFTER = (
    ("Pending", "target pod"),
    ("target pod", "Scheduling"),
    ("Scheduled", "hand-over"),
    ("hand-over", "PreparingTarget"),
    ("targetNodeAddress", "TargetReady"),
    ("targetNodeAddress", "startTimestamp"),
    ("startTimestamp", "Running"),
    ("startTimestamp", "targetNodeDomainReadyTimestamp"),
    ("targetNodeDomainReadyTimestamp", "flip"),
    ("flip", "completed"),
    ("completed", "Succeeded"),
    ("completed", "target label removed"),
)
"""Pairs of moments of one migration: the first comes before the second wherever both are seen."""


def out_of_order(taken: Recording, vm: str, vmim: str, target: str | None) -> list[str]:
    """The pairs that one migration has the other way round; `target` is its pod's name."""
    seen = _moments(taken, vm, vmim, target)
    return [f"{later} before {first}" for first, later in AFTER if seen.get(first, 0) > seen.get(later, float("inf"))]


def _moments(taken: Recording, vm: str, vmim: str, target: str | None) -> dict[str, int]:
    writes = taken.writes.get((VMIMS.plural, vmim), [])
    seen = {write.set["phase"]: write.version for write in writes if "phase" in write.set}
    if target is not None:
        seen["target pod"] = taken.writes[PODS.plural, target][0].version
    uid = taken.last(VMIMS.plural, vmim)["metadata"].get("uid")
    for write in taken.writes.get((VMIS.plural, vm), []):
        if ((write.obj.get("status") or {}).get("migrationState") or {}).get("migrationUid") == uid:
            for moment in _of_the_vmi(write):
                seen.setdefault(moment, write.version)
    return seen


def _of_the_vmi(write: Write) -> list[str]:
    """The moments that a write to a VMI is."""
    state = {path.removeprefix("migrationState.") for path in write.set if path.startswith("migrationState.")}
    moments = [*state]
    if "migrationUid" in state:
        moments.append("hand-over")
    if "nodeName" in write.set and "endTimestamp" in state:
        moments.append("flip")
    if "labels.kubevirt.io/migrationTargetNodeName" in write.unset:
        moments.append("target label removed")
    return moments
