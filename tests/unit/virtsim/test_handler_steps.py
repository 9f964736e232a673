"""The order of virt-handler's writes: each step follows from what the previous one has written."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi, a_vmim
from virtsim.objects.resources import Object
from virtsim.virt_handler.launcher import exit_phase, qemu_timeout_seconds, waits_for_domain
from virtsim.virt_handler.sight import Sight
from virtsim.virt_handler.steps import Side, next_step
from virtsim.virt_handler.transfer.events import begun
from virtsim.virt_handler.transfer.job import ABORTED, Job, Mode, Terms

HANDED_OVER = {
    "migrationUid": "vmim-uid",
    "sourceNode": "node-a",
    "sourcePod": "source",
    "targetNode": "node-b",
    "targetPod": "target",
}


def a_job(failure: str | None = None, *, over: bool = True, mode: Mode = "PreCopy") -> Job:
    return replace(begun(Terms(1000, 1000), 0.0), ended=10.0 if over else None, failure=failure, mode=mode)


def a_sight(job: Job, *, ready: bool = True, since_end: float = 0.0, **state: Any) -> Sight:
    vmi = a_vmi()
    vmi["metadata"]["labels"] |= {
        "kubevirt.io/migrationTargetNodeName": "node-b",
        "kubevirt.io/outdatedLauncherImage": "",
    }
    vmi["status"] |= {"evacuationNodeName": "node-a", "launcherContainerImageVersion": "old"}
    vmi["status"]["migrationState"] = HANDED_OVER | state
    return Sight(vmi, vmi["status"]["migrationState"], ready, job, since_end)


def _writes(sight: Sight, *silent: Side) -> list[tuple[str, list[str], Object]]:
    """(side, new fields of the state, VMI) of every write until nothing is left to do."""
    writes: list[tuple[str, list[str], Object]] = []
    while (step := next_step(sight, silent)) is not None and (vmi := step.change(sight)) is not sight.vmi:
        state = vmi["status"]["migrationState"]
        new = sorted(field for field in state if state[field] != sight.state.get(field))
        writes.append((step.side, new, vmi))
        if vmi["status"]["phase"] != "Running":
            break
        sight = replace(sight, vmi=vmi, state=state)
    return writes


PREPARED: dict[str, Any] = {"targetNodeAddress": "10.0.0.9"}
STARTED: dict[str, Any] = PREPARED | {"startTimestamp": "2026-08-01T08:00:00Z", "mode": "PreCopy"}
DETECTED: dict[str, Any] = STARTED | {"targetNodeDomainDetected": True}
READY: dict[str, Any] = DETECTED | {"targetNodeDomainReadyTimestamp": "2026-08-01T08:00:10Z"}
END = ["completed", "endTimestamp", "failed", "failureReason"]
TARGET_END = [["endTimestamp"], ["completed"], []]


def test_a_successful_migration_is_seven_writes() -> None:
    writes = _writes(a_sight(a_job(), targetMemoryOverhead="300Mi"))
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
    assert flip["status"]["memory"] == {"memoryOverhead": "300Mi"}
    assert "kubevirt.io/outdatedLauncherImage" not in flip["metadata"]["labels"]
    assert "kubevirt.io/migrationTargetNodeName" in flip["metadata"]["labels"]
    assert "kubevirt.io/migrationTargetNodeName" not in end["metadata"]["labels"]


FLOWS: list[tuple[str, Sight, tuple[Side, ...], list[list[str]]]] = [
    ("the flip waits for the job", a_sight(a_job(over=False), **STARTED), (), [["targetNodeDomainDetected"]]),
    ("nothing is prepared without a target pod", a_sight(a_job(), ready=False), (), []),
    ("nor while its virt-handler is stopped", a_sight(a_job()), ("target",), []),
    ("nothing starts while the source's is stopped", a_sight(a_job(), **PREPARED), ("source",), []),
    ("the target ends it alone", a_sight(a_job(), **DETECTED), ("source",), [[*READY][-1:], *TARGET_END]),
    ("a moved guest waits for the target to see it", a_sight(a_job(), since_end=59, **DETECTED), ("target",), []),
    ("and for ever, if the source is silent too", a_sight(a_job(), since_end=99, **DETECTED), ("source", "target"), []),
    ("a failed job ends on the source", a_sight(a_job("no luck"), **DETECTED), (), [END, []]),
    ("which must be there", a_sight(a_job("no luck"), **DETECTED), ("source",), []),
    ("one that failed to begin is not seen on the target", a_sight(a_job("no luck"), **STARTED), (), [END, []]),
    (
        "one that failed later is, however fast it went",
        a_sight(replace(a_job("no luck"), sent=500), **STARTED),
        (),
        [["targetNodeDomainDetected"], END, []],
    ),
    (
        "an abort ends it at once",
        a_sight(a_job(over=False), **DETECTED, abortRequested=True),
        (),
        [["abortStatus", *END], []],
    ),
    (
        "but not after all has moved",
        a_sight(a_job(), **DETECTED, abortRequested=True),
        (),
        [[*READY][-1:], *TARGET_END],
    ),
    ("nor after the guest runs on the target", a_sight(a_job(), **READY, abortRequested=True), (), TARGET_END),
    (
        "nor in post-copy, where it is ready before it is over",
        a_sight(a_job(over=False, mode="PostCopy"), **DETECTED, abortRequested=True),
        (),
        [["mode"], [*READY][-1:]],
    ),
    (
        "a mode is written even when it is over by then",
        a_sight(a_job(mode="Paused"), **DETECTED),
        (),
        [["mode"], [*READY][-1:], *TARGET_END],
    ),
]


@pytest.mark.parametrize(("sight", "silent", "expected"), [pytest.param(*flow[1:], id=flow[0]) for flow in FLOWS])
def test_flows(sight: Sight, silent: tuple[Side, ...], expected: list[list[str]]) -> None:
    assert [new for _, new, _ in _writes(sight, *silent)] == expected


def test_a_failed_job_leaves_the_vm_where_it_is() -> None:
    vmi = _writes(a_sight(a_job("no luck"), **DETECTED))[-1][2]
    assert vmi["status"]["migrationState"]["failureReason"] == "no luck"
    assert (vmi["status"]["phase"], vmi["status"]["nodeName"]) == ("Running", "node-a")
    assert "kubevirt.io/migrationTargetNodeName" not in vmi["metadata"]["labels"]


LOST = [
    ("never seen on the target", a_sight(a_job(), since_end=60, **DETECTED), ("target",)),
    ("failed in post-copy", a_sight(a_job("postcopy-failed", mode="PostCopy"), **DETECTED), ()),
    ("post-copy, and the target pod is gone", a_sight(a_job(over=False, mode="PostCopy"), ready=False, **DETECTED), ()),
    (
        "post-copy, and a node is lost",
        replace(a_sight(a_job(over=False, mode="PostCopy"), **DETECTED), cut_off=True),
        ("target",),
    ),
    (
        "post-copy, and virt-controller saw the target end first",
        a_sight(a_job(), **DETECTED | {"mode": "PostCopy"}, endTimestamp="x", completed=True, failed=True),
        (),
    ),
]


@pytest.mark.parametrize(("sight", "silent"), [pytest.param(*lost[1:], id=lost[0]) for lost in LOST])
def test_a_lost_guest_is_a_failed_vmi(sight: Sight, silent: tuple[Side, ...]) -> None:
    _, _, vmi = _writes(sight, *silent)[-1]
    state = vmi["status"]["migrationState"]
    assert (vmi["status"]["phase"], state["failed"], state["completed"]) == ("Failed", True, True)


def test_a_target_that_cannot_be_prepared_says_so_and_tries_again() -> None:
    sight = a_sight(a_job())
    sight.vmi["metadata"]["annotations"]["virtsim.drover.dev/fail-at"] = "PreparingTarget"
    step = next_step(sight)
    assert step is not None
    assert step.change(sight) is sight.vmi
    assert [(kind, reason) for kind, reason, _ in step.before(sight)] == [("Warning", "SyncFailed")]


PAUSED_BY_USER = {"type": "Paused", "status": "True", "reason": "PausedByUser"}


@pytest.mark.parametrize(("by_user", "expected"), [(True, [PAUSED_BY_USER]), (False, [])])
@pytest.mark.parametrize("failure", [None, ABORTED])
def test_who_paused_the_guest_decides_who_lets_it_go_on(
    by_user: bool, expected: list[Object], failure: str | None
) -> None:
    sight = a_sight(a_job(failure, mode="Paused"), **DETECTED)
    sight.vmi["status"]["conditions"] = [PAUSED_BY_USER] if by_user else []
    writes = _writes(sight)
    reasons = [entry["reason"] for entry in writes[0][2]["status"]["conditions"]]
    assert reasons == ["PausedByUser" if by_user else "PausedByMigrationMonitor"]
    assert writes[-1][2]["status"]["conditions"] == expected


def test_what_waited_for_the_migration_is_finished_with_it() -> None:
    sight = a_sight(a_job(), **DETECTED)
    sight.vmi["spec"]["domain"] |= {"cpu": {"cores": 1, "sockets": 4}, "memory": {"guest": "1Gi"}}
    kinds = ("MigrationRequired", "HotVCPUChange", "HotMemoryChange", "VolumesChange", "LiveMigratable")
    sight.vmi["status"]["conditions"] = [{"type": kind, "status": "True"} for kind in kinds]
    sight.vmi["status"]["migratedVolumes"] = [{"volumeName": "root"}]
    sight.vmi["metadata"]["labels"]["kubevirt.io/vmi-pod-cpu-resource-limits"] = "4"
    ready, flip, done, _ = [vmi for _, _, vmi in _writes(sight)]
    left = [[entry["type"] for entry in vmi["status"]["conditions"]] for vmi in (ready, flip, done)]
    assert left == [[*kinds[1:]], [*kinds[1:]], ["LiveMigratable"]]
    assert done["status"]["currentCPUTopology"] == {"cores": 1, "sockets": 4, "threads": 1}
    assert done["status"]["memory"] == {"guestCurrent": "1Gi", "guestRequested": "1Gi"}
    assert "migratedVolumes" not in done["status"]
    assert "kubevirt.io/vmi-pod-cpu-resource-limits" not in done["metadata"]["labels"]


@pytest.mark.parametrize(("method", "purposes"), [("LiveMigration", [0, 49152]), ("BlockMigration", [0, 49152, 49153])])
def test_disks_have_a_port_of_their_own(method: str, purposes: list[int]) -> None:
    sight = a_sight(a_job())
    sight.vmi["status"]["migrationMethod"] = method
    assert list(_writes(sight)[0][2]["status"]["migrationState"]["targetDirectMigrationNodePorts"].values()) == purposes


@pytest.mark.parametrize(
    ("pod", "outcome", "expected"),
    [
        ("source", {}, None),
        ("source", {"endTimestamp": "2026-08-01T08:00:00Z"}, None),
        ("source", {"completed": True}, "Succeeded"),
        ("source", {"completed": True, "failed": True}, None),
        ("target", {"completed": True}, None),
        ("target", {"completed": True, "failed": True}, "Failed"),
        ("target", {"completed": True, "failed": True, "targetNodeDomainReadyTimestamp": "t"}, "Succeeded"),
        ("another", {"completed": True}, None),
    ],
)
def test_which_launcher_ends(pod: str, outcome: dict[str, object], expected: str | None) -> None:
    vmi = a_vmi()
    vmi["status"]["migrationState"] = HANDED_OVER | outcome
    assert exit_phase({"metadata": {"name": pod}}, vmi) == expected


def test_a_source_may_end_badly_after_a_good_migration() -> None:
    vmi = a_vmi()
    vmi["metadata"]["annotations"]["virtsim.drover.dev/source-exit-error"] = "true"
    vmi["status"]["migrationState"] = HANDED_OVER | {"completed": True}
    assert exit_phase({"metadata": {"name": "source"}}, vmi) == "Failed"


CRASHES = [
    ("Scheduled", "Scheduling", "node-a", None),
    ("Scheduled", "Scheduled", "node-a", "Failed"),
    ("Scheduled", "Running", "node-a", "Failed"),
    ("Scheduled", "Running", "node-b", None),  # the VM is in it
    ("Scheduled", "Succeeded", "node-a", None),
    ("nonsense", "Scheduled", "node-a", None),
]


@pytest.mark.parametrize(("wish", "phase", "vm_on", "expected"), CRASHES)
def test_a_target_may_crash_in_a_phase_or_soon_after(wish: str, phase: str, vm_on: str, expected: str | None) -> None:
    vmi = a_vmi()
    vmi["metadata"]["annotations"]["virtsim.drover.dev/target-pod-crash-at"] = wish
    vmi["status"]["nodeName"] = vm_on
    pod = a_pod(node="node-b", labels=A_TARGET)
    assert exit_phase(pod, vmi, a_vmim(phase)) == expected
    assert exit_phase(pod, vmi, a_vmim(phase) | {"metadata": {"uid": "another"}}) is None


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
