"""virt-launcher: what goes on inside a launcher pod, and when it ends (pkg/virt-launcher)."""

from dataclasses import dataclass
from typing import Any

from virtsim.objects import keys, quantity
from virtsim.objects.overhead import guest_memory
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import Object
from virtsim.options import Options
from virtsim.virt_handler.transfer import deadline_seconds, precopy

OVER = ("Succeeded", "Failed")
ABORTED = "Live migration has been aborted"
FORCED_FAILURE = "Failed migration to satisfy functional test condition"
LIBVIRT_FAILURE = "virError(Code=9, Domain=10, Message='operation failed: migration out job: unexpectedly failed')"


@dataclass(frozen=True, slots=True)
class MigrationJob:
    """How the source's migration job will go: when it ends (real seconds after its start) and, if it fails, why."""

    seconds: float
    failure: str | None


def migration_job(vmi: Object, options: Options) -> MigrationJob:
    """The job of the migration in the VMI's state, by the guest's memory and dirty rate and its configuration."""
    annotations = annotations_of(vmi)
    configuration: dict[str, Any] = vmi["status"]["migrationState"].get("migrationConfiguration") or {}
    memory = guest_memory(vmi["spec"]["domain"])
    deadline = deadline_seconds(memory, int(configuration.get("completionTimeoutPerGiB", 0)))
    rate = float(quantity.parse(annotations.get(keys.DIRTY_RATE, "0")))
    transfer = precopy(memory, rate, _bandwidth(configuration, options), deadline)
    seconds = float(annotations.get(keys.MIGRATION_SECONDS, transfer.seconds)) / options.speed_up
    if (failure := _injected(annotations)) is not None:
        return MigrationJob(seconds / 2, failure)
    return MigrationJob(seconds, None if transfer.converges else ABORTED)


def exit_phase(pod: Object, vmi: Object | None) -> str | None:
    """The phase in which this launcher ends now, or None while it runs.

    A source whose VM has moved on ends well; a target that will never get its VM is told to exit and ends in Failed.
    """
    status = (vmi or {}).get("status") or {}
    state = status.get("migrationState") or {}
    name = pod["metadata"]["name"]
    if state.get("sourcePod") == name and state.get("completed") and not state.get("failed"):
        return "Succeeded"
    is_target = keys.MIGRATION_JOB_UID in labels_of(pod) and status.get("nodeName") != pod["spec"].get("nodeName")
    if (state.get("targetPod") == name and state.get("failed")) or (is_target and status.get("phase") in OVER):
        return "Failed"
    return None


def waits_for_domain(pod: Object, vmi: Object | None) -> bool:
    """Whether this launcher is a target in which no domain has appeared yet; its qemu time-out then runs."""
    uid = labels_of(pod).get(keys.MIGRATION_JOB_UID)
    if uid is None or vmi is None:
        return False
    state = (vmi.get("status") or {}).get("migrationState") or {}
    if state.get("targetPod") == pod["metadata"]["name"]:
        return not state.get("targetNodeDomainDetected")
    home: str | None = (vmi.get("status") or {}).get("nodeName")
    here: str | None = pod["spec"].get("nodeName")
    return home != here


def qemu_timeout_seconds(pod: Object) -> int | None:
    """How long this launcher waits for its domain before it gives up, from its own command line."""
    command = pod["spec"]["containers"][0].get("command") or []
    flag = "--qemu-timeout"
    return int(command[command.index(flag) + 1].removesuffix("s")) if flag in command else None


def _bandwidth(configuration: dict[str, Any], options: Options) -> float:
    """Bytes/s: KubeVirt's per-migration bandwidth, where 0 means no limit but the link's."""
    limit = float(quantity.parse(configuration.get("bandwidthPerMigration", "0")))
    return min(limit, options.link_speed) if limit > 0 else options.link_speed


def _injected(annotations: dict[str, str]) -> str | None:
    if keys.FORCE_FAILURE in annotations:
        return FORCED_FAILURE
    wish = annotations.get(keys.FAIL, "")
    if wish in ("", "false"):
        return None
    return LIBVIRT_FAILURE if wish == "true" else wish
