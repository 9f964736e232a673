"""The order of virt-handler's writes: each step follows from what the previous one has written."""

from dataclasses import replace

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi
from virtsim.objects.resources import Object
from virtsim.virt_handler.launcher import (
    ABORTED,
    MigrationJob,
    exit_phase,
    qemu_timeout_seconds,
    waits_for_domain,
)
from virtsim.virt_handler.steps import Sight, next_step

HANDED_OVER = {
    "migrationUid": "vmim-uid",
    "sourceNode": "node-a",
    "sourcePod": "source",
    "targetNode": "node-b",
    "targetPod": "target",
}


def a_sight(failure: str | None = None, *, age: float = 0.0, ready: bool = True) -> Sight:
    vmi = a_vmi()
    vmi["metadata"]["labels"] |= {
        "kubevirt.io/migrationTargetNodeName": "node-b",
        "kubevirt.io/outdatedLauncherImage": "",
    }
    vmi["status"] |= {"evacuationNodeName": "node-a", "launcherContainerImageVersion": "old"}
    vmi["status"]["migrationState"] = dict(HANDED_OVER)
    return Sight(vmi, vmi["status"]["migrationState"], ready, MigrationJob(10.0, failure), age)


def _writes(sight: Sight) -> list[tuple[str, list[str], Object]]:
    """(side, new fields of the state, VMI) of every write until nothing is left to do."""
    writes: list[tuple[str, list[str], Object]] = []
    while (step := next_step(sight)) is not None and (vmi := step.change(sight)) is not sight.vmi:
        state = vmi["status"]["migrationState"]
        new = sorted(field for field in state if state[field] != sight.state.get(field))
        writes.append((step.side, new, vmi))
        sight = replace(sight, vmi=vmi, state=state)
    return writes


def test_a_successful_migration_is_seven_writes() -> None:
    writes = _writes(a_sight(age=10.0))
    assert [(side, new) for side, new, _ in writes] == [
        ("target", ["targetDirectMigrationNodePorts", "targetNodeAddress"]),
        ("source", ["mode", "startTimestamp"]),
        ("target", ["targetNodeDomainDetected"]),
        ("target", ["targetNodeDomainReadyTimestamp"]),
        ("target", ["endTimestamp"]),
        ("target", ["completed"]),
        ("target", []),
    ]
    before, flip, end = writes[3][2], writes[4][2], writes[6][2]
    assert before["status"]["nodeName"] == "node-a"
    assert (flip["status"]["nodeName"], flip["metadata"]["labels"]["kubevirt.io/nodeName"]) == ("node-b", "node-b")
    # absent, never empty: an empty string would make virt-controller's tests of the status fail for ever
    assert not {"evacuationNodeName", "launcherContainerImageVersion"} & set(flip["status"])
    assert "kubevirt.io/outdatedLauncherImage" not in flip["metadata"]["labels"]
    assert "kubevirt.io/migrationTargetNodeName" in flip["metadata"]["labels"]
    assert "kubevirt.io/migrationTargetNodeName" not in end["metadata"]["labels"]


def test_the_flip_waits_for_the_job() -> None:
    assert [new for _, new, _ in _writes(a_sight(age=9.9))][-1] == ["targetNodeDomainDetected"]


def test_nothing_is_prepared_without_a_target_pod() -> None:
    assert _writes(a_sight(ready=False)) == []


@pytest.mark.parametrize(("failure", "age"), [("no luck", 10.0), (ABORTED, 10.0)])
def test_a_failed_job_ends_on_the_source(failure: str, age: float) -> None:
    writes = _writes(a_sight(failure, age=age))
    side, new, vmi = writes[-2]
    assert (side, new) == ("source", ["completed", "endTimestamp", "failed", "failureReason"])
    assert vmi["status"]["migrationState"]["failureReason"] == failure
    assert vmi["status"]["nodeName"] == "node-a"
    assert "kubevirt.io/migrationTargetNodeName" not in writes[-1][2]["metadata"]["labels"]


def test_an_abort_ends_it_at_once_but_not_after_the_guest_runs_on_the_target() -> None:
    running = a_sight(age=5.0)
    running.state.update(targetNodeAddress="10.0.0.9", startTimestamp="2026-08-01T08:00:00Z", abortRequested=True)
    _, new, vmi = _writes(running)[0]
    assert new == ["abortStatus", "completed", "endTimestamp", "failed", "failureReason"]
    assert vmi["status"]["migrationState"]["failureReason"] == ABORTED

    late = a_sight(age=10.0)
    late.state.update(
        running.state, targetNodeDomainDetected=True, targetNodeDomainReadyTimestamp="2026-08-01T08:00:10Z"
    )
    assert [new for _, new, _ in _writes(late)] == [["endTimestamp"], ["completed"], []]


@pytest.mark.parametrize(
    ("pod", "outcome", "expected"),
    [
        ("source", {}, None),
        ("source", {"endTimestamp": "2026-08-01T08:00:00Z"}, None),
        ("source", {"completed": True}, "Succeeded"),
        ("source", {"completed": True, "failed": True}, None),
        ("target", {"completed": True}, None),
        ("target", {"completed": True, "failed": True}, "Failed"),
        ("another", {"completed": True}, None),
    ],
)
def test_which_launcher_ends(pod: str, outcome: dict[str, object], expected: str | None) -> None:
    vmi = a_vmi()
    vmi["status"]["migrationState"] = HANDED_OVER | outcome
    assert exit_phase({"metadata": {"name": pod}}, vmi) == expected


A_TARGET = {"kubevirt.io/migrationJobUID": "vmim-uid"}


@pytest.mark.parametrize(
    ("labels", "node", "state", "expected"),
    [
        ({}, "node-a", {}, False),  # a first pod
        (A_TARGET, "node-b", {}, True),  # not handed over yet
        (A_TARGET, "node-b", {"targetPod": "virt-launcher-web-b"}, True),
        (A_TARGET, "node-b", {"targetPod": "virt-launcher-web-b", "targetNodeDomainDetected": True}, False),
        (A_TARGET, "node-a", {"targetPod": "another"}, False),  # was a target once, the VM is in it
    ],
)
def test_a_target_waits_for_its_domain(
    labels: dict[str, str], node: str, state: dict[str, object], expected: bool
) -> None:
    vmi = a_vmi()
    vmi["status"]["migrationState"] = state
    assert waits_for_domain(a_pod(node=node, labels=labels), vmi) is expected


def test_a_launcher_gives_up_after_what_its_command_line_says() -> None:
    pod = a_pod()
    assert qemu_timeout_seconds(pod) is None
    pod["spec"]["containers"][0]["command"] = ["monitor", "--qemu-timeout", "252s", "--name", "web"]
    assert qemu_timeout_seconds(pod) == 252
