"""The two virt-handlers of a migration as one ordered table, each step its own write.

The order is that of pkg/virt-handler/migration-{source,target}.go: target prepared -> source started -> domain seen
-> domain ready -> flip -> completed -> label removed.

A step says when it applies to a VMI and what the VMI becomes. The first one that applies is done; the next follows on
the next look. `source` and `target` tell whose virt-handler does it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from virtsim.objects import keys
from virtsim.objects.phases import with_status
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import Object
from virtsim.objects.times import now
from virtsim.virt_handler.hotplug import finalized
from virtsim.virt_handler.launcher import ABORTED, MigrationJob

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a step is decided on: the VMI, its migrationState, the target pod's readiness, the job and its age (s)."""

    vmi: Object
    state: State
    target_ready: bool
    job: MigrationJob
    age: float


@dataclass(frozen=True, slots=True)
class Step:
    """One write of a virt-handler, with the events around it as (type, reason, message)."""

    side: Literal["source", "target"]
    applies: Callable[[Sight], bool]
    change: Callable[[Sight], Object]
    before: Callable[[Sight], list[tuple[str, str, str]]] = lambda sight: []
    after: Callable[[Sight], list[tuple[str, str, str]]] = lambda sight: []


def _lacks(*fields: str) -> Callable[[Sight], bool]:
    return lambda sight: not any(sight.state.get(field) for field in fields)


def _with_state(sight: Sight, **fields: Any) -> Object:
    return with_status(sight.vmi, migrationState={**sight.state, **fields})


def ports(uid: str) -> dict[str, int]:
    """The proxies' listen ports: random on a real node, here a hash; for libvirt (0) and the migration (49152)."""
    digest = hashlib.sha256(uid.encode()).digest()
    first = 32768 + int.from_bytes(digest[:2], "big") % 14000
    return {str(first): 0, str(first + 14000): 49152}


def _prepared(sight: Sight) -> Object:
    uid = sight.state["migrationUid"]
    return _with_state(sight, targetNodeAddress="10.0.0.9", targetDirectMigrationNodePorts=ports(uid))


def _listening(sight: Sight) -> list[tuple[str, str, str]]:
    numbers = ", ".join(ports(sight.state["migrationUid"]))
    return [("Normal", "PreparingTarget", f"Migration Target is listening at 10.0.0.9, on ports: {numbers}")]


def _failed(sight: Sight, reason: str, **fields: Any) -> Object:
    return _with_state(sight, endTimestamp=now(), completed=True, failed=True, failureReason=reason, **fields)


def _failure_told(sight: Sight, reason: str) -> list[tuple[str, str, str]]:
    uid = sight.state["migrationUid"]
    return [("Warning", "Migrated", f"VirtualMachineInstance migration uid {uid} failed. reason:{reason}")]


def _flipped(sight: Sight) -> Object:
    """The VM's owner changes: labels and status in one request. Empty strings are left out, as Go's omitempty does."""
    target = sight.state["targetNode"]
    vmi = _with_state(sight, endTimestamp=now())
    gone = ("evacuationNodeName", "launcherContainerImageVersion")
    status = {field: value for field, value in vmi["status"].items() if field not in gone}
    labels = {label: value for label, value in labels_of(vmi).items() if label != keys.OUTDATED_LAUNCHER}
    annotations = {key: value for key, value in annotations_of(vmi).items() if key != keys.EVICTION_SOURCE}
    metadata = {**vmi["metadata"], "labels": {**labels, keys.NODE_NAME: target}, "annotations": annotations}
    return {**vmi, "metadata": metadata, "status": {**status, "nodeName": target, "migrationTransport": "Unix"}}


def _target_label_removed(sight: Sight) -> Object:
    labels = {key: value for key, value in labels_of(sight.vmi).items() if key != keys.MIGRATION_TARGET_NODE}
    return {**sight.vmi, "metadata": {**sight.vmi["metadata"], "labels": labels}}


def _job_over(sight: Sight) -> bool:
    return sight.age >= sight.job.seconds


def _may_prepare(sight: Sight) -> bool:
    blocked = keys.BLOCK_PREPARATION in annotations_of(sight.vmi)
    return sight.target_ready and not blocked and not sight.state.get("targetNodeAddress")


STEPS = (
    Step(  # the very end, also after a failure
        "target",
        lambda sight: bool(sight.state.get("completed")) and keys.MIGRATION_TARGET_NODE in labels_of(sight.vmi),
        _target_label_removed,
    ),
    Step(  # the target has finished what was left
        "target",
        lambda sight: bool(sight.state.get("endTimestamp")) and not sight.state.get("completed"),
        lambda sight: finalized(_with_state(sight, completed=True)),
    ),
    Step("target", lambda sight: bool(sight.state.get("endTimestamp")), lambda sight: sight.vmi),  # nothing left to do
    Step(  # the target listens
        "target",
        _may_prepare,
        _prepared,
        before=lambda sight: [("Normal", "PreparingTarget", "VirtualMachineInstance Migration Target Prepared.")],
        after=_listening,
    ),
    Step("target", _lacks("targetNodeAddress"), lambda sight: sight.vmi),  # waits for its pod
    Step(  # the source's job begins
        "source",
        _lacks("startTimestamp"),
        lambda sight: _with_state(sight, startTimestamp=now(), mode="PreCopy"),
        before=lambda sight: [("Normal", "Migrating", "VirtualMachineInstance is migrating.")],
    ),
    Step(  # a cancelled migration, while the guest is still on the source
        "source",
        lambda sight: bool(sight.state.get("abortRequested")) and _lacks("targetNodeDomainReadyTimestamp")(sight),
        lambda sight: _failed(sight, ABORTED, abortStatus="Succeeded"),
        before=lambda sight: [("Normal", "Migrating", "VirtualMachineInstance is aborting migration.")],
        after=lambda sight: _failure_told(sight, ABORTED),
    ),
    Step(  # the incoming domain is seen, paused, soon after the start
        "target",
        lambda sight: sight.target_ready and _lacks("targetNodeDomainDetected")(sight),
        lambda sight: _with_state(sight, targetNodeDomainDetected=True),
    ),
    Step(
        "source",  # the job failed, or was given up at its deadline
        lambda sight: _job_over(sight) and sight.job.failure is not None,
        lambda sight: _failed(sight, sight.job.failure or ""),
        after=lambda sight: _failure_told(sight, sight.job.failure or ""),
    ),
    Step(  # the domain runs on the target
        "target",
        lambda sight: _job_over(sight) and sight.target_ready and _lacks("targetNodeDomainReadyTimestamp")(sight),
        lambda sight: _with_state(sight, targetNodeDomainReadyTimestamp=now()),
    ),
    Step(  # the flip
        "target",
        lambda sight: sight.target_ready and bool(sight.state.get("targetNodeDomainReadyTimestamp")),
        _flipped,
        after=lambda sight: [
            ("Normal", "Migrated", f"The VirtualMachineInstance migrated to node {sight.state['targetNode']}.")
        ],
    ),
)


def next_step(sight: Sight) -> Step | None:
    """The write that is due, or None while the job runs."""
    return next((step for step in STEPS if step.applies(sight)), None)
