"""What a VMI becomes with each write of a virt-handler, and what is told of it
(pkg/virt-handler/migration-{source,target}.go). Pure but for the time of day.
"""

import hashlib
from typing import Any

from virtsim.objects import keys
from virtsim.objects.conditions import is_true, with_condition, without_condition
from virtsim.objects.phases import in_phase, with_status
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import Object
from virtsim.objects.times import now
from virtsim.virt_handler.hotplug import finalized

Told = tuple[str, str, str]
"""Type, reason and message of an Event."""

ADDRESS = "10.0.0.9"
NEVER_OBSERVED = (
    "The VirtualMachineInstance's domain was never observed on the target after the migration completed within the "
    "timeout period."
)
PAUSED_BY_MONITOR = "PausedByMigrationMonitor"


def prepared(vmi: Object) -> Object:
    """The target's proxies listen."""
    return _with_state(vmi, targetNodeAddress=ADDRESS, targetDirectMigrationNodePorts=ports(vmi))


def listening(vmi: Object) -> list[Told]:
    numbers = ",".join(ports(vmi))
    return [("Normal", "PreparingTarget", f"Migration Target is listening at {ADDRESS}, on ports: {numbers}")]


def ports(vmi: Object) -> dict[str, int]:
    """The proxies' listen ports, random on a real node, here a hash: for libvirt (0), memory (49152), disks (49153)."""
    digest = hashlib.sha256(vmi["status"]["migrationState"]["migrationUid"].encode()).digest()
    first = 32768 + int.from_bytes(digest[:2], "big") % 9000
    purposes = (0, 49152, 49153) if vmi["status"].get("migrationMethod") == "BlockMigration" else (0, 49152)
    return {str(first + 9000 * number): purpose for number, purpose in enumerate(purposes)}


def started(vmi: Object) -> Object:
    return _with_state(vmi, startTimestamp=now(), mode="PreCopy")


def in_mode(vmi: Object, mode: str) -> Object:
    """The job's other mode. A guest that the monitor suspended says so, unless a user had paused it already."""
    changed = _with_state(vmi, mode=mode)
    if mode != "Paused" or is_true(vmi, "Paused"):
        return changed
    entry = {
        "type": "Paused",
        "status": "True",
        "reason": PAUSED_BY_MONITOR,
        "message": "VMI was paused by the migration monitor",
        "lastProbeTime": now(),
        "lastTransitionTime": now(),
    }
    return with_status(changed, conditions=with_condition(vmi["status"].get("conditions"), entry))


def failed(vmi: Object, reason: str, **fields: Any) -> Object:
    """The end of a failed job. The guest goes on where it was."""
    ended = _with_state(vmi, endTimestamp=now(), completed=True, failed=True, failureReason=reason, **fields)
    return _resumed(ended)


def failure_told(vmi: Object, reason: str) -> list[Told]:
    uid = vmi["status"]["migrationState"]["migrationUid"]
    return [("Warning", "Migrated", f"VirtualMachineInstance migration uid {uid} failed. reason:{reason}")]


def guest_lost(vmi: Object, reason: str) -> Object:
    """A failure in post-copy, which somebody may have written already: neither side has the whole guest."""
    return in_phase(vmi if vmi["status"]["migrationState"].get("failed") else failed(vmi, reason), "Failed")


def never_observed(vmi: Object) -> Object:
    """The guest has left the source and is not known to be on the target: nobody has it."""
    return in_phase(_with_state(vmi, endTimestamp=now(), completed=True, failed=True), "Failed")


def never_observed_told() -> list[Told]:
    return [("Warning", "Migrated", NEVER_OBSERVED)]


def domain_detected(vmi: Object) -> Object:
    return _with_state(vmi, targetNodeDomainDetected=True)


def domain_ready(vmi: Object) -> Object:
    """The guest runs on the target. Whatever wanted it to migrate has its wish."""
    ready = _with_state(vmi, targetNodeDomainReadyTimestamp=now())
    return _without_conditions(ready, "MigrationRequired")


def flipped(vmi: Object) -> Object:
    """The VM's owner changes: labels and status in one request. Empty strings are left out, as Go's omitempty does."""
    state = vmi["status"]["migrationState"]
    vmi = _resumed(_with_state(vmi, endTimestamp=now()))
    gone = ("evacuationNodeName", "launcherContainerImageVersion")
    status = {field: value for field, value in vmi["status"].items() if field not in gone}
    if overhead := state.get("targetMemoryOverhead"):
        status["memory"] = {**(status.get("memory") or {}), "memoryOverhead": overhead}
    labels = {label: value for label, value in labels_of(vmi).items() if label != keys.OUTDATED_LAUNCHER}
    annotations = {key: value for key, value in annotations_of(vmi).items() if key != keys.EVICTION_SOURCE}
    labels[keys.NODE_NAME] = state["targetNode"]
    metadata = {**vmi["metadata"], "labels": labels, "annotations": annotations}
    status |= {"nodeName": state["targetNode"], "migrationTransport": "Unix"}
    return {**vmi, "metadata": metadata, "status": status}


def migrated(vmi: Object) -> list[Told]:
    node = vmi["status"]["migrationState"]["targetNode"]
    return [("Normal", "Migrated", f"The VirtualMachineInstance migrated to node {node}.")]


def completed(vmi: Object) -> Object:
    """What had waited for the migration is finished on the target."""
    return _with_state(finalized(vmi), completed=True)


def target_label_removed(vmi: Object) -> Object:
    labels = {key: value for key, value in labels_of(vmi).items() if key != keys.MIGRATION_TARGET_NODE}
    return {**vmi, "metadata": {**vmi["metadata"], "labels": labels}}


def _with_state(vmi: Object, **fields: Any) -> Object:
    return with_status(vmi, migrationState={**vmi["status"]["migrationState"], **fields})


def _resumed(vmi: Object) -> Object:
    """A guest that the monitor had suspended runs again; one that a user paused stays paused."""
    paused = [entry for entry in vmi["status"].get("conditions") or () if entry["type"] == "Paused"]
    by_monitor = any(entry.get("reason") == PAUSED_BY_MONITOR for entry in paused)
    return _without_conditions(vmi, "Paused") if by_monitor else vmi


def _without_conditions(vmi: Object, *kinds: str) -> Object:
    conditions = vmi["status"].get("conditions")
    for kind in kinds:
        conditions = without_condition(conditions, kind)
    return vmi if conditions == (vmi["status"].get("conditions") or []) else with_status(vmi, conditions=conditions)
