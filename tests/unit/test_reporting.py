"""Which statuses are written, and when; what is told about a phase."""

from datetime import datetime
from typing import Any

import pytest

from drover.api.plan import PlanStatus
from drover.api.reasons import PlanPhase
from drover.facts.snapshot import Snapshot
from drover.reporting import Due, due, phase_told
from drover.running.actions import Decision
from tests.builders import NOW, a_plan, at

NEVER: dict[str, datetime] = {}
MIGRATING, SUCCEEDED = PlanPhase.MIGRATING, PlanPhase.SUCCEEDED
REHEARSED = PlanPhase.REHEARSED


def asked(before: PlanStatus, after: PlanStatus, written: dict[str, datetime]) -> Due:
    plan = a_plan("p").build().model_copy(update={"status": before})
    return due(Decision(plans={"p": after}), Snapshot(plans={("", "p"): plan}), written, NOW)


def said(phase: PlanPhase, **more: Any) -> PlanStatus:
    return PlanStatus(phase=phase, observed_at=NOW, **more)


@pytest.mark.parametrize(
    ("before", "after", "last", "writes", "later"),
    [
        (PlanStatus(), said(MIGRATING), None, True, None),
        (said(MIGRATING), said(SUCCEEDED), at(-5), True, None),
        (said(MIGRATING), said(SUCCEEDED), at(-0.5), False, at(0.5)),
        (said(MIGRATING), said(SUCCEEDED), at(3600), True, None),
        (said(MIGRATING), said(MIGRATING), at(-5), False, at(45)),
        (PlanStatus(phase=MIGRATING, observed_at=at(-50)), said(MIGRATING), at(-50), True, None),
        (said(SUCCEEDED), said(SUCCEEDED), at(-5), False, None),
        (PlanStatus(phase=SUCCEEDED, observed_at=at(-3600)), said(SUCCEEDED), at(-3600), False, None),
    ],
    ids=[
        "the first one at once",
        "a new one at once",
        "no more than one a second",
        "a new one when the clock was put back",
        "the same again before it is a minute old",
        "the same again when it has become old",
        "what is finished never again",
        "however old it is",
    ],
)
def test_a_status_is_written(
    before: PlanStatus, after: PlanStatus, last: datetime | None, writes: bool, later: datetime | None
) -> None:
    result = asked(before, after, {"p-uid": last} if last is not None else NEVER)
    assert ([status for _, status in result.now], result.later) == ([after] if writes else [], later)


@pytest.mark.parametrize(
    ("before", "after", "last", "writes", "later"),
    [
        (REHEARSED, REHEARSED, at(-29), False, at(1)),
        (REHEARSED, REHEARSED, at(-30), True, None),
        (MIGRATING, REHEARSED, at(-2), True, None),
        (REHEARSED, PlanPhase.HELD, at(-2), True, None),
    ],
    ids=["not yet", "every half minute", "when it is new", "when it is none any more"],
)
def test_a_dry_run_keeps_current_in_its_own_time(
    before: PlanPhase, after: PlanPhase, last: datetime, writes: bool, later: datetime | None
) -> None:
    result = asked(said(before), said(after, progress_percent=7), {"p-uid": last})
    assert (bool(result.now), result.later) == (writes, later)


def test_a_dry_run_answers_at_once_when_its_spec_was_changed() -> None:
    result = asked(said(REHEARSED), said(REHEARSED, observed_generation=2), {"p-uid": at(-2)})
    assert len(result.now) == 1


def test_an_object_that_is_gone_gets_no_status() -> None:
    assert due(Decision(plans={"p": said(MIGRATING)}), Snapshot(), NEVER, NOW) == Due((), None)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, MIGRATING, ("Normal", "new -> Migrating: MovingVirtualMachines")),
        (MIGRATING, PlanPhase.BLOCKED, ("Warning", "Migrating -> Blocked: MovingVirtualMachines")),
        (MIGRATING, MIGRATING, None),
    ],
)
def test_a_phase_is_told_when_it_is_new(before: PlanPhase | None, after: PlanPhase, told: object) -> None:
    plan = a_plan("p").build().model_copy(update={"status": PlanStatus(phase=before)})
    event = phase_told(plan, said(after, reason="MovingVirtualMachines"), NOW)
    assert (event and (event.type, event.message)) == told
