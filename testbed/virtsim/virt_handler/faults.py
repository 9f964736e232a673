"""Failures of a migration that a VMI's annotations ask for; a table of them is in README.md."""

from virtsim.objects import keys
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Object
from virtsim.objects.switches import OFF
from virtsim.virt_handler.transfer.job import Fault, Moment

FORCED_FAILURE = "Failed migration to satisfy functional test condition"
LIBVIRT_FAILURE = "virError(Code=9, Domain=10, Message='operation failed: migration out job: unexpectedly failed')"
PREPARING_FAILURE = "error encountered during preparing domain for migration: simulated failure"
POSTCOPY_FAILURE = "postcopy-failed"

_MOMENTS: dict[str, tuple[Moment, str]] = {
    "TargetReady": ("start", PREPARING_FAILURE),
    "Running": ("half", LIBVIRT_FAILURE),
    "Switchover": ("switchover", LIBVIRT_FAILURE),
    "PostCopy": ("post-copy", POSTCOPY_FAILURE),
}


def source_fault(vmi: Object) -> Fault | None:
    """What goes wrong with the migration job on the source, and the failureReason it reports."""
    annotations = annotations_of(vmi)
    if keys.FORCE_FAILURE in annotations:
        return Fault("start", FORCED_FAILURE)
    wish = annotations.get(keys.FAIL, "")
    where = annotations.get(keys.FAIL_AT, "Running" if wish not in OFF else "")
    if where not in _MOMENTS:
        return None
    moment, reason = _MOMENTS[where]
    return Fault(moment, reason if wish in (*OFF, "true") else wish)


def cannot_prepare(vmi: Object) -> bool:
    """Whether the target's virt-handler fails to prepare, again and again."""
    return annotations_of(vmi).get(keys.FAIL_AT) == "PreparingTarget"
