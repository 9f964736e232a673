"""Which statuses are to be written now: those that say something new, at most one a second an object."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from drover.api.maintenance import MaintenanceStatus, NodeMaintenance
from drover.api.plan import MigrationPlan, PlanStatus
from drover.api.reasons import EventReason
from drover.facts.snapshot import Snapshot
from drover.running.actions import Decision, Tell
from drover.running.nodes import reference

Ours = MigrationPlan | NodeMaintenance
Status = PlanStatus | MaintenanceStatus

REFRESH = timedelta(seconds=45)
"""A status of something unfinished is written again after this, so that it is never older than a minute."""
AT_MOST_EVERY = timedelta(seconds=1)
"""A status is not written more often than this."""
DRY_EVERY = timedelta(seconds=30)
"""Nor that of a dry run that was computed more often than this."""


@dataclass(frozen=True, slots=True)
class Due:
    """Statuses to write now, and when the next one will be."""

    now: tuple[tuple[Ours, Status], ...]
    later: datetime | None


def due(decision: Decision, snapshot: Snapshot, written: Mapping[str, datetime], now: datetime) -> Due:
    """What has to be written. `written` is when each object's status was written last, by UID."""
    ready: list[tuple[Ours, Status]] = []
    later: list[datetime] = []
    for thing, status in _pairs(decision, snapshot):
        at = _at(thing.status, status, written.get(thing.metadata.uid), now)
        if at is not None and at <= now:
            ready.append((thing, status))
        elif at is not None:
            later.append(at)
    return Due(tuple(ready), min(later, default=None))


def _pairs(decision: Decision, snapshot: Snapshot) -> Iterable[tuple[Ours, Status]]:
    for name, plan_status in decision.plans.items():
        plan = snapshot.plan(name)
        if plan is not None:
            yield plan, plan_status
    for name, status in decision.maintenances.items():
        maintenance = snapshot.maintenances.get(("", name))
        if maintenance is not None:
            yield maintenance, status


def _at(before: Status, after: Status, last: datetime | None, now: datetime) -> datetime | None:
    """When the status is to be written, if at all."""
    if _without_time(before) != _without_time(after):
        # Written in the future: the clock was put back, and nobody knows how long ago it was.
        return max(now, last + _pause(before, after)) if last is not None and last <= now else now
    if _settled(after) or before.observed_at is None:
        return None
    return before.observed_at + REFRESH


def _pause(before: Status, after: Status) -> timedelta:
    """A dry run keeps current, in its own time: unless its spec was changed nobody waits for it."""
    rehearsed = before.phase == after.phase == "Rehearsed"
    return DRY_EVERY if rehearsed and before.observed_generation == after.observed_generation else AT_MOST_EVERY


def _without_time(status: Status) -> Status:
    return status.model_copy(update={"observed_at": None})


def _settled(status: Status) -> bool:
    """Whether nothing is unfinished, so that an old observedAt misleads nobody."""
    return status.phase in ("Succeeded", "Withdrawn", "InMaintenance")


def phase_told(thing: Ours, status: Status, now: datetime) -> Tell | None:
    """The Event about a phase that a status says for the first time: told when the status was written, so once."""
    was, phase = thing.status.phase, status.phase
    if phase is None or was == phase:
        return None
    kind: Literal["Normal", "Warning"] = "Warning" if phase in ("Blocked", "Held") else "Normal"
    message = f"{was or 'new'} -> {phase}: {status.reason}"
    once = f"{phase}-{now.isoformat()}"
    return Tell(reference(thing), kind, EventReason.PHASE_CHANGED, message, once)
