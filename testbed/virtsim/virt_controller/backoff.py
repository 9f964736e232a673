"""How long an evacuation waits after a failed one (migration.go, handleMigrationBackoff). A user's never waits."""

from collections.abc import Iterable
from datetime import datetime

from virtsim.objects import keys
from virtsim.objects.migrations import is_final, phase_of
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Object
from virtsim.objects.times import seconds_since

FIRST_SECONDS = 20.0


def seconds_left(vmim: Object, of_the_vmi: Iterable[Object], moment: datetime | None = None) -> float:
    """0 or less when it may go on: 20 s after the `Failed` of the one before, doubled for each that failed in a row."""
    if keys.IGNORE_BACKOFF in annotations_of(vmim):
        return 0.0
    eligible = sorted(filter(_backs_off, of_the_vmi), key=_created, reverse=True)
    if not _backs_off(vmim) or len(eligible) < 2 or eligible[0]["metadata"]["uid"] != vmim["metadata"]["uid"]:
        return 0.0
    last, *earlier = eligible[1:]
    if phase_of(last) != "Failed":
        return 0.0
    seconds = FIRST_SECONDS
    for each in earlier:
        if phase_of(each) == "Succeeded":
            break
        seconds *= 2 if phase_of(each) == "Failed" else 1
    return seconds - seconds_since(_failed_at(last), moment)


def _backs_off(vmim: Object) -> bool:
    return keys.EVACUATION in annotations_of(vmim) or keys.WORKLOAD_UPDATE in annotations_of(vmim)


def _created(vmim: Object) -> tuple[str, bool]:
    """Of two of the same second the one that is not over is the newer."""
    return vmim["metadata"]["creationTimestamp"], not is_final(vmim)


def _failed_at(vmim: Object) -> str:
    entries = vmim["status"].get("phaseTransitionTimestamps") or ()
    times = (entry["phaseTransitionTimestamp"] for entry in entries if entry["phase"] == "Failed")
    created: str = vmim["metadata"]["creationTimestamp"]
    return next(times, created)
