"""The two virt-handlers of a migration as one ordered table, each step its own write.

The order is that of pkg/virt-handler/migration-{source,target}.go: target prepared -> source started -> domain seen
-> domain ready -> flip -> completed -> label removed.

A step says when it applies to a VMI and what the VMI becomes. The first one that applies, and whose virt-handler works,
is done; the next follows on the next look. Each says all that it needs, so that one side may go on without the other.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from virtsim.objects import keys
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import Object
from virtsim.virt_handler import writes
from virtsim.virt_handler.faults import POSTCOPY_FAILURE, cannot_prepare
from virtsim.virt_handler.sight import READY, Sight
from virtsim.virt_handler.transfer.job import ABORTED
from virtsim.virt_handler.writes import Told

Side = Literal["source", "target"]

OBSERVED_WITHIN_SECONDS = 60.0
"""How long the source waits for the moved domain to be seen on the target (virtual seconds)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One write of a virt-handler, with the events around it. One that changes nothing is tried again later."""

    side: Side
    applies: Callable[[Sight], bool]
    change: Callable[[Sight], Object]
    before: Callable[[Sight], list[Told]] = lambda sight: []
    after: Callable[[Sight], list[Told]] = lambda sight: []


def _unprepared(sight: Sight) -> bool:
    blocked = keys.BLOCK_PREPARATION in annotations_of(sight.vmi)
    return sight.target_ready and not blocked and sight.lacks("targetNodeAddress", "endTimestamp")


def _to_be_aborted(sight: Sight) -> bool:
    """Post-copy cannot be cancelled, and what has moved is not moved back."""
    return sight.started and sight.has("abortRequested") and sight.mode != "PostCopy" and not sight.moved


def _to_be_ready(sight: Sight) -> bool:
    """The guest runs on the target: when all has moved, in post-copy from its beginning."""
    here = sight.moved or sight.mode == "PostCopy"
    return sight.observes and here and sight.has("targetNodeDomainDetected") and sight.lacks(READY)


def _guest_lost(side: Side) -> Step:
    """Post-copy lost its network, or a side: whoever is left says so."""
    return Step(
        side,
        lambda sight: sight.guest_lost,
        lambda sight: writes.guest_lost(sight.vmi, sight.failure or POSTCOPY_FAILURE),
        after=lambda sight: writes.failure_told(sight.vmi, sight.failure or POSTCOPY_FAILURE),
    )


STEPS = (
    _guest_lost("target"),
    _guest_lost("source"),
    Step(  # the very end, also after a failure
        "target",
        lambda sight: sight.has("completed") and keys.MIGRATION_TARGET_NODE in labels_of(sight.vmi),
        lambda sight: writes.target_label_removed(sight.vmi),
    ),
    Step(  # the target has finished what was left
        "target",
        lambda sight: sight.has("endTimestamp") and sight.lacks("completed"),
        lambda sight: writes.completed(sight.vmi),
    ),
    Step(  # the target fails to prepare
        "target",
        lambda sight: _unprepared(sight) and cannot_prepare(sight.vmi),
        lambda sight: sight.vmi,
        before=lambda sight: [("Warning", "SyncFailed", "failed to prepare the migration target: simulated failure")],
    ),
    Step(  # the target listens
        "target",
        _unprepared,
        lambda sight: writes.prepared(sight.vmi),
        before=lambda sight: [("Normal", "PreparingTarget", "VirtualMachineInstance Migration Target Prepared.")],
        after=lambda sight: writes.listening(sight.vmi),
    ),
    Step(  # the source's job begins
        "source",
        lambda sight: sight.has("targetNodeAddress") and sight.lacks("startTimestamp", "endTimestamp"),
        lambda sight: writes.started(sight.vmi),
        before=lambda sight: [("Normal", "Migrating", "VirtualMachineInstance is migrating.")],
    ),
    Step(  # the incoming domain is seen, paused, soon after the start
        "target",
        lambda sight: sight.observes and sight.arriving and sight.lacks("targetNodeDomainDetected"),
        lambda sight: writes.domain_detected(sight.vmi),
    ),
    Step(  # a cancelled migration, while the guest is still on the source
        "source",
        _to_be_aborted,
        lambda sight: writes.failed(sight.vmi, ABORTED, abortStatus="Succeeded"),
        before=lambda sight: [("Normal", "Migrating", "VirtualMachineInstance is aborting migration.")],
        after=lambda sight: writes.failure_told(sight.vmi, ABORTED),
    ),
    Step(  # the source helped it to an end, at its deadline
        "source",
        lambda sight: sight.started and sight.mode != sight.state.get("mode"),
        lambda sight: writes.in_mode(sight.vmi, sight.mode),
    ),
    Step(  # the job failed, or was given up
        "source",
        lambda sight: sight.failure is not None and sight.mode != "PostCopy",
        lambda sight: writes.failed(sight.vmi, sight.failure or ""),
        after=lambda sight: writes.failure_told(sight.vmi, sight.failure or ""),
    ),
    Step("target", _to_be_ready, lambda sight: writes.domain_ready(sight.vmi)),
    Step(  # the flip
        "target",
        lambda sight: sight.observes and sight.moved and sight.has(READY),
        lambda sight: writes.flipped(sight.vmi),
        after=lambda sight: writes.migrated(sight.vmi),
    ),
    Step(  # the guest has left, and was never seen to arrive
        "source",
        lambda sight: sight.moved and sight.lacks(READY) and sight.since_end >= OBSERVED_WITHIN_SECONDS,
        lambda sight: writes.never_observed(sight.vmi),
        after=lambda sight: writes.never_observed_told(),
    ),
)


def next_step(sight: Sight, silent: Collection[Side] = ()) -> Step | None:
    """The write that is due, or None while there is none; `silent` are the sides whose virt-handler does not work."""
    return next((step for step in STEPS if step.side not in silent and step.applies(sight)), None)
