"""The phases of a migration as two tables: what ends it, and what takes it one further (migration.go, updateStatus)."""

from collections.abc import Callable
from dataclasses import dataclass

from virtsim.objects.conditions import condition, is_true
from virtsim.objects.pods import is_ready
from virtsim.virt_controller.view import View

Predicate = Callable[[View], bool]


@dataclass(frozen=True, slots=True)
class Failure:
    """A reason to end in Failed, with the event that tells it."""

    applies: Predicate
    message: str


def _stopped(view: View) -> bool:
    return (view.vmi.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _target_vanished(view: View) -> bool:
    return view.target is None and view.phase not in ("", "Pending")


def _state_cleared(view: View) -> bool:
    return view.handed_off and not (view.vmi.get("status") or {}).get("migrationState")


def _state_taken_over(view: View) -> bool:
    return view.handed_off and view.state is None


def _source_reported(view: View) -> bool:
    return bool((view.state or {}).get("failed"))


def _has_rival(view: View) -> bool:
    return view.phase == "" and view.rival is not None


FAILURES = (
    Failure(_stopped, "Migration failed vmi shutdown during migration."),
    Failure(lambda view: view.deleted and not view.handed_off, "Migration failed due to being canceled"),
    Failure(lambda view: view.target_is_down, "Migration failed because target pod shutdown during migration"),
    Failure(_target_vanished, "Migration target pod was removed during active migration."),
    Failure(_state_cleared, "VMI's migration state was cleared during the active migration."),
    Failure(
        _state_taken_over,
        "VMI's migration state was taken over by another migration job during active migration.",
    ),
    Failure(_source_reported, "source node reported migration failed"),
    Failure(_has_rival, "VMI is not eligible for migration because another migration job is in progress."),
)
"""In KubeVirt's order; the first that applies is the one that is told."""


def _known(view: View, *fields: str) -> bool:
    state = view.state or {}
    return all(state.get(field) for field in fields)


def _settled(view: View) -> bool:
    """Whether what the migration was to plug in is in: until then it is not over."""
    waiting = condition(view.vmi, "HotVCPUChange") is not None or is_true(view.vmi, "HotMemoryChange")
    return not waiting and not is_true(view.vmi, "MigrationRequired")


STEPS: dict[str, tuple[str, Predicate]] = {
    "": ("Pending", lambda view: True),
    "Pending": ("Scheduling", lambda view: view.target is not None),
    "Scheduling": ("Scheduled", lambda view: view.target is not None and is_ready(view.target)),
    "Scheduled": ("PreparingTarget", lambda view: _known(view, "targetNode")),
    "PreparingTarget": ("TargetReady", lambda view: _known(view, "targetNode", "targetNodeAddress")),
    "TargetReady": ("Running", lambda view: _known(view, "startTimestamp")),
    "Running": ("Succeeded", lambda view: _known(view, "completed") and not _known(view, "failed") and _settled(view)),
}
"""From each phase the next one, and what must be so."""


def failure(view: View) -> Failure | None:
    """Why this migration is over, or None."""
    return next((entry for entry in FAILURES if entry.applies(view)), None)


def next_phase(view: View) -> str | None:
    """The phase it reaches now, at most one further, or None."""
    phase, reached = STEPS.get(view.phase, ("", lambda view: False))
    return phase if phase and reached(view) else None
