"""What keeps a pending migration from going on though nothing failed: backup, utility volumes (migration.go). Pure."""

from dataclasses import dataclass
from typing import Any

from virtsim.objects import keys
from virtsim.objects.conditions import condition, without_condition
from virtsim.objects.phases import with_status
from virtsim.objects.resources import Object
from virtsim.virt_controller.bare_conditions import conditioned
from virtsim.virt_controller.limits import requeue_seconds
from virtsim.virt_controller.view import View

BLOCKED_BY_BACKUP = "migrationBlockedByBackup"
BLOCKED_BY_UTILITY_VOLUMES = "migrationBlockedByUtilityVolumes"
CRITICAL = "system-critical"


@dataclass(frozen=True, slots=True)
class Block:
    """Why the phase stays: the VMIM's condition, the seconds after which to look again, and what it says meanwhile.

    `event` is (type, reason, message); `over` is set when the patience has ended, and the event then tells of the
    failure. `aborts` is the backup that has to be aborted first.
    """

    kind: str
    reason: str
    message: str
    again: float
    event: tuple[str, str, str] | None = None
    over: bool = False
    aborts: str = ""


def has_utility_volumes(vmi: Object) -> bool:
    return bool(vmi["spec"].get("utilityVolumes"))


def backup_of(vmi: Object) -> dict[str, Any] | None:
    """The backup that is under way, or None."""
    tracking: dict[str, Any] = (vmi.get("status") or {}).get("changedBlockTracking") or {}
    backup: dict[str, Any] | None = tracking.get("backupStatus")
    return backup if backup and backup.get("backupName") and not backup.get("completed") else None


def block(view: View, utility_timeout: int, age: int) -> Block | None:
    """What blocks a pending migration of this age (whole seconds), or None; a backup is looked for first."""
    return _by_backup(view) or _by_utility_volumes(view, utility_timeout, age)


def with_block(vmim: Object, found: Block | None) -> Object:
    """The VMIM with the condition of what blocks it, and without those that no longer do.

    Utility volumes are looked at only when no backup is under way: until then their condition stays as it is.
    """
    if found is not None and found.kind == BLOCKED_BY_BACKUP:
        return _told(vmim, found)
    vmim = _untold(vmim, BLOCKED_BY_BACKUP)
    if found is None:
        return _untold(vmim, BLOCKED_BY_UTILITY_VOLUMES)
    return vmim if found.over else _told(vmim, found)


def _by_backup(view: View) -> Block | None:
    backup = backup_of(view.vmi)
    if backup is None:
        return None
    name, again = backup["backupName"], requeue_seconds(view.vmim)
    if view.vmim["spec"].get("priority") != CRITICAL:
        return Block(BLOCKED_BY_BACKUP, "BackupInProgress", f"Waiting for backup {name} to complete", again)
    message = f"Aborting backup {name} for system-critical migration"
    first = condition(view.vmim, BLOCKED_BY_BACKUP) is None
    event = ("Normal", "BackupAbortedForMigration", message) if first else None
    return Block(BLOCKED_BY_BACKUP, "BackupInProgress", message, again, event, aborts=name if first else "")


def _by_utility_volumes(view: View, timeout: int, age: int) -> Block | None:
    if not has_utility_volumes(view.vmi):
        return None
    timeout = int(view.seconds(keys.UTILITY_VOLUMES_TIMEOUT, timeout))
    where = f"{view.vmi['metadata']['namespace']}/{view.vmi['metadata']['name']}"
    if age >= timeout:
        failed = (
            f"Migration timeout waiting for utility volumes to detach from VMI [{where}]. "
            f"Utility volumes still present after {age} seconds."
        )
        event = ("Warning", "FailedMigration", failed)
        return Block(BLOCKED_BY_UTILITY_VOLUMES, "", "", 0.0, event, over=True)
    left = timeout - age
    waiting = f"Migration waiting for utility volumes to detach from VMI [{where}]. Will timeout in {left} seconds."
    return Block(
        BLOCKED_BY_UTILITY_VOLUMES,
        "UtilityVolumesPresent",
        f"Migration is waiting for utility volumes to detach. Will timeout in {left} seconds.",
        float(left),
        ("Warning", "UtilityVolumeMigrationPending", waiting),
    )


def _told(vmim: Object, found: Block) -> Object:
    """A condition that is there already keeps its message, whatever the seconds or the backup in it."""
    if condition(vmim, found.kind) is not None:
        return vmim
    return conditioned(vmim, found.kind, reason=found.reason, message=found.message)


def _untold(vmim: Object, kind: str) -> Object:
    if condition(vmim, kind) is None:
        return vmim
    return with_status(vmim, conditions=without_condition(vmim["status"]["conditions"], kind))
