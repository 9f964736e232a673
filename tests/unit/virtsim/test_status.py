"""What one reconcile makes of a VMIM's status: a condition, or a phase, or an end."""

from typing import Any

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi, a_vmim
from virtsim.objects.conditions import condition
from virtsim.objects.resources import Object
from virtsim.virt_controller.bare_conditions import conditioned
from virtsim.virt_controller.status import ABORT_REQUESTED, REJECTED_BY_QUOTA, advance
from virtsim.virt_controller.view import View

OWN = {"migrationUid": "vmim-uid", "targetNode": "node-b"}


def a_view(vmim: Object, state: dict[str, Any] | None, target: Object | None) -> View:
    vmi = a_vmi()
    if state is not None:
        vmi["status"]["migrationState"] = state
    return View(vmim, vmi, source=a_pod(node="node-a"), target=target, rival=None)


def refused(phase: str) -> Object:
    return conditioned(a_vmim(phase), REJECTED_BY_QUOTA)


def canceled(vmim: Object) -> Object:
    return {**vmim, "metadata": {**vmim["metadata"], "deletionTimestamp": "2026-08-01T08:00:00Z"}}


@pytest.mark.parametrize(
    ("phase", "target", "becomes", "stays"),
    [
        ("Pending", None, "Pending", True),
        ("Pending", a_pod("Pending"), "Scheduling", True),
        ("Scheduling", a_pod("Pending"), "Scheduling", False),
        ("Scheduling", a_pod("Running"), "Scheduled", False),
        ("Scheduled", a_pod("Running"), "Scheduled", True),
    ],
)
def test_the_quota_condition_goes_in_scheduling_only(
    phase: str, target: Object | None, becomes: str, stays: bool
) -> None:
    ahead = advance(a_view(refused(phase), None, target)).vmim
    assert ahead["status"]["phase"] == becomes
    assert (condition(ahead, REJECTED_BY_QUOTA) is not None) == stays


@pytest.mark.parametrize(
    ("phase", "state", "becomes", "event"),
    [
        ("", None, "Failed", "FailedMigration"),
        ("Pending", None, "Failed", "FailedMigration"),
        ("Scheduling", None, "Failed", "FailedMigration"),
        ("Scheduled", None, "Failed", "FailedMigration"),
        ("PreparingTarget", OWN | {"targetNodeAddress": "10.0.0.9"}, "PreparingTarget", None),
        ("TargetReady", OWN | {"startTimestamp": "2026-08-01T08:00:00Z"}, "TargetReady", None),
        ("Running", OWN, "Running", None),
    ],
)
def test_a_cancelled_one_first_says_so(
    phase: str, state: dict[str, Any] | None, becomes: str, event: str | None
) -> None:
    ahead = advance(a_view(canceled(a_vmim(phase)), state, a_pod("Running")))
    assert (ahead.vmim.get("status") or {}).get("phase", "") == becomes
    assert condition(ahead.vmim, ABORT_REQUESTED) is not None
    assert (ahead.event[1] if ahead.event else None) == event


@pytest.mark.parametrize("phase", ["PreparingTarget", "TargetReady"])
def test_then_it_goes_on_until_it_can_be_aborted(phase: str) -> None:
    state = OWN | {"targetNodeAddress": "10.0.0.9", "startTimestamp": "2026-08-01T08:00:00Z"}
    said = conditioned(canceled(a_vmim(phase)), ABORT_REQUESTED)
    following = {"PreparingTarget": "TargetReady", "TargetReady": "Running"}
    assert advance(a_view(said, state, a_pod("Running"))).vmim["status"]["phase"] == following[phase]


def test_nothing_to_do_is_the_same_object() -> None:
    vmim = a_vmim("Running")
    assert advance(a_view(vmim, OWN, a_pod("Running"))).vmim is vmim
