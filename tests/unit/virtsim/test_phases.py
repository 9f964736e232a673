"""The phases: what takes a migration on, what ends it and with which words, what stays of it."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi, a_vmim
from virtsim.objects.resources import Object
from virtsim.virt_controller.garbage import dead_pod, surplus
from virtsim.virt_controller.phases import failure, next_phase
from virtsim.virt_controller.timeouts import patience
from virtsim.virt_controller.view import View

OWN = {"migrationUid": "vmim-uid", "targetNode": "node-b"}


def a_view(phase: str, state: dict[str, Any] | None = None, target: Object | None = None) -> View:
    """A migration in a phase, with the VMI's migrationState and the target pod."""
    vmi = a_vmi()
    if state is not None:
        vmi["status"]["migrationState"] = state
    return View(a_vmim(phase), vmi, source=a_pod(node="node-a"), target=target, rival=None)


READY, WAITING = a_pod("Running"), a_pod("Pending")
STEPS: list[tuple[str, dict[str, Any] | None, Object | None, str | None]] = [
    ("", None, None, "Pending"),
    ("Pending", None, None, None),
    ("Pending", None, WAITING, "Scheduling"),
    ("Pending", None, READY, "Scheduling"),
    ("Scheduling", None, WAITING, None),
    ("Scheduling", None, READY, "Scheduled"),
    ("Scheduled", None, READY, None),
    ("Scheduled", {"migrationUid": "older", "targetNode": "node-b"}, READY, None),
    ("Scheduled", OWN, READY, "PreparingTarget"),
    ("PreparingTarget", OWN, READY, None),
    ("PreparingTarget", OWN | {"targetNodeAddress": "10.0.0.9"}, READY, "TargetReady"),
    ("TargetReady", OWN | {"targetNodeAddress": "10.0.0.9"}, READY, None),
    ("TargetReady", OWN | {"startTimestamp": "2026-08-01T08:00:00Z"}, READY, "Running"),
    ("Running", OWN, READY, None),
    ("Running", OWN | {"completed": True}, READY, "Succeeded"),
    ("Running", OWN | {"completed": True, "failed": True}, READY, None),
    ("Succeeded", OWN, READY, None),
    ("Failed", OWN, READY, None),
]


@pytest.mark.parametrize(("phase", "state", "target", "expected"), STEPS)
def test_one_phase_further(
    phase: str, state: dict[str, Any] | None, target: Object | None, expected: str | None
) -> None:
    assert next_phase(a_view(phase, state, target)) == expected


def _deleted(view: View) -> View:
    metadata = {**view.vmim["metadata"], "deletionTimestamp": "2026-08-01T08:00:00Z"}
    return replace(view, vmim={**view.vmim, "metadata": metadata})


def _stopped(view: View) -> View:
    return replace(view, vmi={**view.vmi, "status": {**view.vmi["status"], "phase": "Succeeded"}})


CANCELED = "Migration failed due to being canceled"
SHUT_DOWN = "Migration failed because target pod shutdown during migration"
REMOVED = "Migration target pod was removed during active migration."
TAKEN_OVER = "VMI's migration state was taken over by another migration job during active migration."
ENDS: list[tuple[View, str | None]] = [
    (a_view("Pending"), None),
    (a_view("Running", OWN, READY), None),
    (_stopped(a_view("Running", OWN, READY)), "Migration failed vmi shutdown during migration."),
    (_stopped(_deleted(a_view("Pending"))), "Migration failed vmi shutdown during migration."),
    (_deleted(a_view("")), CANCELED),
    (_deleted(a_view("Pending", None, READY)), CANCELED),
    (_deleted(a_view("Scheduled", None, READY)), CANCELED),
    (_deleted(a_view("Scheduled", OWN, READY)), None),
    (_deleted(a_view("PreparingTarget", OWN, READY)), None),
    (_deleted(a_view("Running", OWN, READY)), None),
    (a_view("Scheduling", None, a_pod("Failed")), SHUT_DOWN),
    (a_view("Running", OWN, a_pod("Succeeded")), SHUT_DOWN),
    (a_view("Scheduling"), REMOVED),
    (a_view("Running", OWN), REMOVED),
    (a_view("Running", None, READY), "VMI's migration state was cleared during the active migration."),
    (a_view("Running", {"migrationUid": "other"}, READY), TAKEN_OVER),
    (a_view("Scheduled", {"migrationUid": "older"}, READY), None),
    (a_view("Running", OWN | {"failed": True}, READY), "source node reported migration failed"),
    (
        replace(a_view(""), rival=a_vmim("Running")),
        "VMI is not eligible for migration because another migration job is in progress.",
    ),
    (replace(a_view("Pending"), rival=a_vmim("Running")), None),
]


@pytest.mark.parametrize(("view", "message"), ENDS)
def test_why_it_ends(view: View, message: str | None) -> None:
    reason = failure(view)
    assert (reason.message if reason else None) == message


def _finished(number: int, phase: str = "Succeeded", deleted: bool = False) -> Object:
    vmim = a_vmim(phase)
    stamp = f"2026-08-01T08:00:{number:02d}Z"
    vmim["metadata"] |= {"name": f"m{number}", "creationTimestamp": stamp, "resourceVersion": str(number)}
    return {**vmim, "metadata": vmim["metadata"] | ({"deletionTimestamp": stamp} if deleted else {})}


def test_the_newest_five_final_migrations_stay() -> None:
    finished = [_finished(number) for number in range(7)]
    others = [_finished(20, "Running"), _finished(0, deleted=True)]
    assert [vmim["metadata"]["name"] for vmim in surplus([*reversed(finished), *others])] == ["m0", "m1"]
    assert surplus(finished[:5]) == []


@pytest.mark.parametrize(
    ("state", "pod"),
    [
        ({"sourcePod": "s", "targetPod": "t", "completed": True}, "s"),
        ({"sourcePod": "s", "targetPod": "t", "completed": True, "failed": True}, "t"),
        ({"sourcePod": "s"}, None),  # failed before the hand-over: the VM is still in it
        ({}, None),
    ],
)
def test_the_pod_that_is_left_behind(state: dict[str, Any], pod: str | None) -> None:
    assert dead_pod(a_vmim("Failed", migrationState=state)) == pod


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}


@pytest.mark.parametrize(
    ("conditions", "annotations", "expected"),
    [
        ([], {}, ("pending", 900.0)),
        ([UNSCHEDULABLE], {}, ("unschedulable", 300.0)),
        (
            [UNSCHEDULABLE],
            {"kubevirt.io/migrationUnschedulablePodTimeoutSeconds": "5"},
            ("unschedulable", 5.0),
        ),
        ([], {"kubevirt.io/migrationPendingPodTimeoutSeconds": "7"}, ("pending", 7.0)),
        ([UNSCHEDULABLE], {"kubevirt.io/migrationPendingPodTimeoutSeconds": "7"}, ("pending", 7.0)),
        ([], {"kubevirt.io/migrationPendingPodTimeoutSeconds": "soon"}, ("pending", 900.0)),
    ],
)
def test_patience_with_a_pending_pod(
    conditions: list[Object], annotations: dict[str, str], expected: tuple[str, float]
) -> None:
    pod = a_pod("Pending")
    pod["status"]["conditions"] = conditions
    view = a_view("Scheduling", None, pod)
    view.vmim["metadata"]["annotations"] = annotations
    assert patience(view, pod) == expected
