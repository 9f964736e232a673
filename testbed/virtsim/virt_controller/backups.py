"""Backups as far as migrations wait for them: begun and ended by an annotation, aborted by a critical migration.

virt-controller asks virt-handler through a subresource (pkg/storage/cbt); here the VMI's status is written at once.
"""

from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.objects import keys
from virtsim.objects.phases import with_status
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import VMIS, Object
from virtsim.objects.times import now
from virtsim.virt_controller.blocking import backup_of

PATH = "/status/changedBlockTracking/backupStatus"


def with_backup(vmi: Object) -> Object:
    """The VMI with the backup that its annotation names under way, or ended once the annotation is gone."""
    name, running = annotations_of(vmi).get(keys.BACKUP), backup_of(vmi)
    known: dict[str, Any] = (vmi.get("status") or {}).get("changedBlockTracking") or {}
    if running is not None and running["backupName"] != name:
        return _with(vmi, {**running, "completed": True, "endTimestamp": now()})
    if name and (known.get("backupStatus") or {}).get("backupName") != name:
        return _with(vmi, {"backupName": name, "startTimestamp": now()})
    return vmi


async def abort_backup(actor: Actor, vmi: Object, vmim: Object) -> None:
    """Ends the backup that is under way, for a critical migration. Raises ApiError, and tells it."""
    running = backup_of(vmi)
    if running is None:
        return
    ended = {**running, "completed": True, "failed": True, "endTimestamp": now()}
    operations = [{"op": "test", "path": PATH, "value": running}, {"op": "replace", "path": PATH, "value": ended}]
    try:
        await actor.patch_json(VMIS, vmi, operations)
    except ApiError as error:
        said = f"Failed to abort backup {running['backupName']} for critical migration: {error.message}"
        actor.events.warning(vmim, "BackupAbortFailed", said)
        raise


def _with(vmi: Object, backup: dict[str, Any]) -> Object:
    tracking = (vmi.get("status") or {}).get("changedBlockTracking") or {}
    return with_status(vmi, changedBlockTracking={"state": "Enabled", **tracking, "backupStatus": backup})
