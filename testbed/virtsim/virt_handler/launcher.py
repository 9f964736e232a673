"""virt-launcher: when a launcher pod ends, and how (pkg/virt-launcher, cmd/virt-launcher)."""

from virtsim.objects import keys
from virtsim.objects.migrations import is_final, phase_of
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import Object
from virtsim.objects.switches import is_on

FINAL = ("Succeeded", "Failed")
CRASHES_AT = ("Pending", "Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running")
"""The phases a target may be told to crash in; one that was too fast to be caught is caught in the next."""


def exit_phase(pod: Object, vmi: Object | None, vmim: Object | None = None) -> str | None:
    """The phase in which this launcher ends now, or None while it runs; `vmim` is the migration that made the pod.

    A source whose VM has moved on ends well, unless it is told to crash at its end. A target that will never get its VM
    is told to exit, which is a panic (Failed); where the guest ran already, the launcher ends with it (Succeeded).
    Both take so long that virt-controller has ended the migration by then, for the source's reason and not for the pod.
    """
    status = (vmi or {}).get("status") or {}
    state = status.get("migrationState") or {}
    name = pod["metadata"]["name"]
    if _crashes(pod, vmi, vmim):
        return "Failed"
    if state.get("sourcePod") == name and state.get("completed") and not state.get("failed"):
        return "Failed" if is_on(vmi, keys.SOURCE_EXIT_ERROR) else "Succeeded"
    if state.get("targetPod") == name and state.get("failed"):
        if vmim is not None and not is_final(vmim):
            return None
        return "Succeeded" if state.get("targetNodeDomainReadyTimestamp") else "Failed"
    if status.get("phase") not in FINAL:
        return None
    is_target = keys.MIGRATION_JOB_UID in labels_of(pod) and status.get("nodeName") != pod["spec"].get("nodeName")
    return "Failed" if is_target else "Succeeded"


def waits_for_domain(pod: Object, vmi: Object | None) -> bool:
    """Whether this launcher is a target in which no domain has appeared yet; its qemu time-out then runs.

    The incoming domain appears when the source's job begins, whether or not the target's virt-handler has seen it.
    """
    uid = labels_of(pod).get(keys.MIGRATION_JOB_UID)
    if uid is None or vmi is None:
        return False
    state = (vmi.get("status") or {}).get("migrationState") or {}
    if state.get("targetPod") == pod["metadata"]["name"]:
        return not (state.get("targetNodeDomainDetected") or state.get("startTimestamp"))
    home: str | None = (vmi.get("status") or {}).get("nodeName")
    here: str | None = pod["spec"].get("nodeName")
    return home != here


def qemu_timeout_seconds(pod: Object) -> int | None:
    """How long this launcher waits for its domain before it gives up, from its own command line."""
    command = pod["spec"]["containers"][0].get("command") or []
    flag = "--qemu-timeout"
    return int(command[command.index(flag) + 1].removesuffix("s")) if flag in command else None


def _crashes(pod: Object, vmi: Object | None, vmim: Object | None) -> bool:
    """Whether this target is to crash in the phase that its migration has reached, before its VM is in it."""
    wish = "" if vmi is None else annotations_of(vmi).get(keys.TARGET_CRASH_AT, "")
    uid = labels_of(pod).get(keys.MIGRATION_JOB_UID)
    if vmi is None or vmim is None or wish not in CRASHES_AT or uid != vmim["metadata"]["uid"]:
        return False
    arrived = vmi["status"].get("nodeName") == pod["spec"].get("nodeName")
    phase = phase_of(vmim)
    return not arrived and phase in CRASHES_AT and CRASHES_AT.index(phase) >= CRASHES_AT.index(wish)
