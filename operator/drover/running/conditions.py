"""The kstatus trio and the rest of our conditions: which of them hold in which phase, and since when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from drover.api.shared import Condition
from drover.running.preflight import brief


@dataclass(frozen=True, slots=True)
class Trio:
    """Ready, Reconciling and Stalled, as `kubectl wait`, kstatus and Argo CD read them."""

    ready: bool
    reconciling: bool
    stalled: bool


ACTIVE = Trio(ready=False, reconciling=True, stalled=False)
SETTLED = Trio(ready=True, reconciling=False, stalled=False)
STUCK = Trio(ready=False, reconciling=False, stalled=True)


def condition(kind: str, holds: bool, reason: str, message: str = "") -> Condition:
    return Condition(type=kind, status="True" if holds else "False", reason=reason, message=brief(message))


def trio(which: Trio, reason: str, message: str) -> list[Condition]:
    return [
        condition("Ready", which.ready, reason, message),
        condition("Reconciling", which.reconciling, reason, message),
        condition("Stalled", which.stalled, reason, message),
    ]


def settle(
    new: Iterable[Condition], previous: Iterable[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """The conditions with the time their status changed last, taken over from the previous status where it did not."""
    before = {each.type: each for each in previous}
    return tuple(_settle(each, before.get(each.type), generation, now) for each in new)


def _settle(new: Condition, before: Condition | None, generation: int, now: datetime) -> Condition:
    same = before is not None and before.status == new.status
    since = before.last_transition_time if before is not None and same else None
    return new.model_copy(update={"last_transition_time": since or now, "observed_generation": generation})
