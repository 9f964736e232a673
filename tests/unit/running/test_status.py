"""A plan's status: the table of situations with what Argo CD makes of each, counts, progress, and how large it gets."""

from collections.abc import Callable
from typing import Any

import pytest

from drover.api.plan import PlanStatus
from drover.api.reasons import Outcome, PlanPhase
from drover.running.status import TRIOS
from tests.builders import (
    NOW,
    ClusterBuilder,
    PlanBuilder,
    a_cluster,
    a_crd,
    a_kubevirt,
    a_node,
    a_plan,
    a_record,
    a_report,
    a_vmi,
    a_vmim,
    an_attempt,
    at,
)
from tests.unit.running.rounds import a_round, holds, proposed, trio

PLAN = a_plan("p").evacuates("n1").running()
READY, MOVING, STUCK = (True, False, False), (False, True, False), (False, False, True)


def plan(**spec: Any) -> PlanBuilder:
    return a_plan("p").evacuates("n1").running().spec(**spec)


def scene(*parts: Any, the_plan: PlanBuilder | None = None) -> ClusterBuilder:
    return a_cluster(a_node("n1"), a_node("n2"), the_plan or plan(), *parts)


def flying() -> Any:
    return a_vmim("web").of(PLAN).to("n2").phase("Running")


def finished() -> PlanBuilder:
    return a_plan("p").evacuates("n1").running(finished=at(-60))


def unproposed(cluster: ClusterBuilder) -> PlanStatus:
    return a_round(cluster, proposals={}).plan()


SITUATIONS: list[tuple[str, str, str, tuple[bool, bool, bool], Callable[[], PlanStatus]]] = [
    (
        "the run has not begun",
        "Planning",
        "Computing",
        MOVING,
        lambda: a_round(scene(a_vmi("web"), the_plan=a_plan("p").evacuates("n1"))).plan(),
    ),
    (
        "a dry run is being computed",
        "Planning",
        "Computing",
        MOVING,
        lambda: unproposed(scene(a_vmi("web"), the_plan=a_plan("p").evacuates("n1").dry())),
    ),
    (
        "a dry run is computed",
        "Rehearsed",
        "DryRunComputed",
        READY,
        lambda: a_round(scene(a_vmi("web"), the_plan=a_plan("p").evacuates("n1").dry())).plan(),
    ),
    (
        "a dry run of what has run already",
        "Rehearsed",
        "DryRunComputed",
        READY,
        lambda: a_round(scene(a_vmi("web"), the_plan=finished().dry())).plan(),
    ),
    ("a VM moves", "Migrating", "MovingVirtualMachines", MOVING, lambda: a_round(scene(a_vmi("web"), flying())).plan()),
    ("a VM waits", "Migrating", "MovingVirtualMachines", MOVING, lambda: a_round(scene(a_vmi("web"))).plan()),
    (
        "one moves, one is blocked",
        "Migrating",
        "MovingVirtualMachines",
        MOVING,
        lambda: a_round(scene(a_vmi("web"), flying(), a_vmi("db").not_migratable())).plan(),
    ),
    (
        "nothing is left to do, and its end is not stored yet",
        "Migrating",
        "MovingVirtualMachines",
        MOVING,
        lambda: a_round(scene(a_vmi("web"), moved("web")).knows(a_report(PLAN))).plan(),
    ),
    ("paused", "Waiting", "Paused", READY, lambda: a_round(scene(a_vmi("web"), the_plan=plan(paused=True))).plan()),
    (
        "paused, a VM still moves",
        "Migrating",
        "Paused",
        MOVING,
        lambda: a_round(scene(a_vmi("web"), flying(), the_plan=plan(paused=True))).plan(),
    ),
    (
        "no KubeVirt",
        "Held",
        "KubeVirtUnavailable",
        MOVING,
        lambda: a_round(scene(a_vmi("web")).absent("kubevirts")).plan(),
    ),
    (
        "between versions",
        "Held",
        "KubeVirtUpgrading",
        MOVING,
        lambda: a_round(scene(a_vmi("web"), a_kubevirt().upgrading())).plan(),
    ),
    ("silence", "Held", "SnapshotStale", MOVING, lambda: a_round(scene(a_vmi("web")).stale("vmis")).plan()),
    (
        "a VM cannot move and all else is done",
        "Blocked",
        "VirtualMachinesBlocked",
        STUCK,
        lambda: a_round(scene(a_vmi("web").not_migratable())).plan(),
    ),
    (
        "no target can be pinned",
        "Blocked",
        "VirtualMachinesBlocked",
        STUCK,
        lambda: a_round(scene(a_vmi("web")).pinning(a_crd(can_pin=False))).plan(),
    ),
    (
        "too many nodes",
        "Blocked",
        "TooManyNodes",
        STUCK,
        lambda: a_round(scene(the_plan=a_plan("p").evacuates("n1", "n2"))).plan(),
    ),
    (
        "no such node",
        "Blocked",
        "NodeNotFound",
        STUCK,
        lambda: a_round(scene(the_plan=a_plan("p").evacuates("n7"))).plan(),
    ),
    (
        "no such VM",
        "Blocked",
        "NothingSelected",
        STUCK,
        lambda: a_round(a_cluster(a_node("n1"), a_plan("p").moves("web", to="n1").running())).plan(),
    ),
    (
        "its nodes are not cordoned",
        "Blocked",
        "AwaitingCordon",
        STUCK,
        lambda: a_round(scene(a_vmi("web"), the_plan=a_plan("p").evacuates("n1", cordon="Require").running())).plan(),
    ),
    ("done", "Succeeded", "AllMoved", READY, lambda: a_round(moved_and_done()).plan()),
    ("an empty node", "Succeeded", "NothingToMove", READY, lambda: a_round(scene(the_plan=finished())).plan()),
    ("an empty node, at once", "Succeeded", "NothingToMove", READY, lambda: a_round(scene()).plan()),
    (
        "a VM is left on purpose",
        "Succeeded",
        "VirtualMachinesLeft",
        READY,
        lambda: a_round(scene(a_vmi("web").not_migratable(), the_plan=plan(nonMigratable="Leave"))).plan(),
    ),
    (
        "paused, and all is done",
        "Succeeded",
        "NothingToMove",
        READY,
        lambda: a_round(scene(the_plan=plan(paused=True))).plan(),
    ),
    (
        "withdrawn, a VM still moves",
        "Migrating",
        "Undoing",
        MOVING,
        lambda: a_round(scene(a_vmi("web"), flying(), the_plan=plan(intent="Withdrawn"))).plan(),
    ),
    (
        "withdrawn",
        "Withdrawn",
        "Undone",
        READY,
        lambda: a_round(scene(a_vmi("web"), the_plan=plan(intent="Withdrawn"))).plan(),
    ),
]


def moved(name: str) -> Any:
    """The VM's migration, succeeded and not on record."""
    return a_vmim(name).of(PLAN).to("n2").phase("Succeeded")


def moved_and_done() -> ClusterBuilder:
    attempt = an_attempt(1, Outcome.DONE)
    report = a_report(PLAN, a_record("web", attempt))
    return scene(a_vmi("web").on("n2"), the_plan=finished()).knows(report)


@pytest.mark.parametrize(
    ("phase", "reason", "conditions", "status"), [row[1:] for row in SITUATIONS], ids=[row[0] for row in SITUATIONS]
)
def test_a_situation(
    phase: str, reason: str, conditions: tuple[bool, bool, bool], status: Callable[[], PlanStatus]
) -> None:
    said = status()
    assert (said.phase, said.reason) == (phase, reason)
    assert trio(said.conditions) == conditions
    assert holds(said.conditions, "Succeeded") == (phase == "Succeeded")
    if phase == "Blocked":
        assert any(each.severity == "Blocker" and each.suggestion for each in said.findings)
        assert not holds(said.conditions, "PreflightPassed")


@pytest.mark.parametrize("how", [{"mode": "DryRun"}, {"paused": True}], ids=["a dry run", "paused"])
def test_what_fits_nowhere_is_said_before_anything_is_to_move(how: dict[str, Any]) -> None:
    small = a_node("n2").memory("1Gi")
    said = a_round(a_cluster(a_node("n1"), small, plan(**how), a_vmi("web").memory("8Gi"))).plan()
    assert [(each.severity, each.reason) for each in said.findings] == [
        ("Blocker", "NoRoom"),
        ("Blocker", "CapacityShort"),
    ]
    assert said.summary is not None
    assert said.summary.blocked == 1
    assert not holds(said.conditions, "PreflightPassed")
    fits = a_round(scene(a_vmi("web"), the_plan=plan(**how))).plan()
    assert fits.findings == ()
    assert holds(fits.conditions, "PreflightPassed")


def crowded(*vms: Any, **spec: Any) -> ClusterBuilder:
    """n2 has room for one VM."""
    return a_cluster(a_node("n1"), a_node("n2").memory("5Gi"), plan(**spec), *vms)


def test_what_is_proven_to_lack_room_is_said_once_and_for_all_vms() -> None:
    said = a_round(crowded(*(a_vmi(f"web-{n}").memory("4Gi") for n in range(3)))).plan()
    (found,) = (each for each in said.findings if each.reason == "CapacityShort")
    assert found.severity == "Blocker"
    assert found.message == (
        "at least 2 of 3 VMs cannot be placed in the room that is free: "
        "node n2 lacks 8.5 GiB of memory in pieces of 4.2 GiB"
    )
    assert found.suggestion


def test_it_blocks_nothing_while_no_vm_waits_for_room() -> None:
    vms = [a_vmi(f"web-{n}").memory("4Gi") for n in range(2)]
    flying = [a_vmim(vmi, f"theirs-{n}").to("n2").phase("Running") for n, vmi in enumerate(vms)]
    before = proposed(crowded(*vms))
    said = a_round(crowded(*vms, *flying), proposals=before).plan()
    assert [(each.severity, each.reason) for each in said.findings] == [("Warning", "CapacityShort")]


def test_nothing_is_claimed_where_all_fit() -> None:
    assert [each.reason for each in a_round(crowded(a_vmi("web").memory("4Gi"))).plan().findings] == []


def test_every_phase_is_in_the_table() -> None:
    assert {row[1] for row in SITUATIONS} == {phase.value for phase in PlanPhase} == {each.value for each in TRIOS}


def test_held_for_ten_minutes_is_stalled() -> None:
    parts = a_vmi("web"), a_kubevirt().upgrading()
    held = plan().set("status", {**plan().json["status"], **a_round(scene(*parts)).plan().wire()})
    assert trio(a_round(scene(*parts, the_plan=held), at(599)).plan().conditions) == MOVING
    assert trio(a_round(scene(*parts, the_plan=held), at(600)).plan().conditions) == STUCK


def busy() -> ClusterBuilder:
    """A VM in each of the counts."""
    spent = [an_attempt(n, fingerprint="f") for n in range(1, 3)]
    done = a_record("done", an_attempt(1, Outcome.DONE, migration="done-1"))
    failed = a_record("failed", an_attempt(1, Outcome.VERIFICATION_FAILED, error="not verified"))
    return scene(
        a_vmi("web"),
        flying(),
        a_vmi("blocked").not_migratable(),
        a_vmi("waits"),
        a_vmi("done").on("n2"),
        a_vmi("failed").on("n2").not_ready(),
        the_plan=plan(failurePolicy={"retries": 1}),
    ).knows(a_report(PLAN, done, failed, a_record("spent", *spent)))


def test_every_vm_is_in_one_of_the_counts() -> None:
    summary = a_round(busy()).plan().summary
    assert summary is not None
    assert (summary.running, summary.blocked, summary.waiting, summary.done, summary.failed) == (1, 1, 1, 1, 1)
    assert (summary.total, summary.vms) == (5, "1/5")


def test_those_that_need_a_look_come_first() -> None:
    assert [vm.name for vm in a_round(busy()).plan().virtual_machines] == ["web", "blocked", "failed", "waits", "done"]


def test_a_finding_a_reason_with_its_vms() -> None:
    vms = [a_vmi(f"vm{n:02}").not_migratable() for n in range(25)]
    found = a_round(scene(*vms)).plan().findings
    assert [(each.reason, each.count, len(each.virtual_machines or ())) for each in found] == [
        ("NotMigratable", 25, 20)
    ]
    assert found[0].message == (
        "shop/vm00: KubeVirt cannot migrate it: DisksNotLiveMigratable: a disk is not shared (and 24 more)"
    )


def test_progress_never_goes_back_within_a_run() -> None:
    """A VM that comes late makes the share smaller, and the figure not."""
    before = plan().set(
        "status", {**plan().json["status"], "progressPercent": 80, "lastProgressTime": "2026-03-01T11:00:00Z"}
    )
    status = a_round(scene(a_vmi("web"), a_vmi("db"), flying(), the_plan=before)).plan()
    assert (status.progress_percent, status.last_progress_time) == (80, at(-3600))
    renewed = before.spec(runID="2")
    assert a_round(scene(a_vmi("web"), the_plan=renewed)).plan().progress_percent == 0


def test_progress_is_by_steps() -> None:
    status = a_round(scene(a_vmi("web"), flying())).plan()
    assert (status.progress_percent, status.last_progress_time) == (25, NOW)


def test_a_wait_keeps_its_beginning_while_its_reason_lasts() -> None:
    parts = (a_vmi("web").not_migratable(),)
    before = plan().set("status", {**plan().json["status"], **a_round(scene(*parts)).plan().wire()})
    later = a_round(scene(*parts, the_plan=before), at(300)).plan()
    assert later.waiting is not None
    assert (later.waiting.since, later.virtual_machines[0].waiting) == (NOW, later.waiting.model_copy())
    other = a_round(scene(a_vmi("web").phase("Scheduled"), the_plan=before), at(300)).plan()
    assert other.virtual_machines[0].waiting is not None
    assert other.virtual_machines[0].waiting.since == at(300)


def test_two_vms_of_one_name_do_not_wake_each_other() -> None:
    """One has moved and ended, the other has its name now: the status stands still all the same."""
    done = a_report(PLAN, a_record("web", an_attempt(1, Outcome.DONE)))
    parts = (a_vmi("web").with_uid("new").not_migratable(),)
    first = a_round(scene(*parts).knows(done)).plan()
    before = plan().set("status", {**plan().json["status"], **first.wire()})
    again = a_round(scene(*parts, the_plan=before).knows(done), at(60)).plan()
    assert again.virtual_machines == first.virtual_machines


LONG = "é" * 5000


def test_no_text_is_too_long_for_a_status() -> None:
    """The API server would refuse it, and the plan would be silent."""
    web = a_vmi("web")
    vmim = a_vmim(web).of(PLAN).to("n2").phase("Scheduling")
    web.launcher(vmim=vmim).pods[1].unschedulable(LONG)
    failed = a_record("db", an_attempt(1, error="y" * 1000, ended_at=NOW))
    cluster = scene(web, vmim, a_vmi("db"), a_vmi("app").not_migratable(LONG, LONG))
    cluster.knows(a_report(PLAN, failed)).refused("finalizer p-uid", "Forbidden", LONG)
    status = a_round(cluster).plan()
    assert PlanStatus.model_validate(status.wire()) == status


def test_a_status_stays_below_256_kib() -> None:
    """A hundred VMs with the longest names there are, each with all that can be said, and fifty findings."""
    node, other = "a" * 253, "b" * 253
    the_plan = a_plan("p").evacuates(node, cordon="Apply").running()
    names = [f"{n:03}" + "v" * 250 for n in range(150)]
    vms = [a_vmi(name, "n" * 63).with_uid(name[:3]).on(node).not_migratable("R", LONG) for name in names]
    records = [
        a_record(vm, an_attempt(1, error="é" * 1000, source=node, target=other)).model_copy(
            update={"namespace": "n" * 63}
        )
        for vm in vms[:90]
    ]
    cluster = a_cluster(a_node(node), a_node(other), the_plan, *vms).knows(a_report(the_plan, *records))
    for n in range(1, 60):
        report = a_report(the_plan, number=n)
        cluster.knows(report).refused(f"report {report.name}", "Forbidden", LONG)
    status = a_round(cluster).plan()
    assert PlanStatus.model_validate(status.wire()) == status
    assert len(status.model_dump_json(by_alias=True, exclude_none=True).encode()) < 256 << 10
    assert len(status.virtual_machines) > 50
    assert len(status.findings) > 20


def test_a_target_that_nobody_can_judge_is_a_warning() -> None:
    vmi = a_vmi("web").on("n1").set("spec.nodeSelector", {"pool": "a"})
    vmi.pod.selects({"pool": "a", "rack": "a", "kubevirt.io/schedulable": "true"})
    plan = a_plan("p").evacuates("n1").dry()
    nodes = [a_node(name).labelled(pool="a") for name in ("n1", "n2")]
    found = a_round(a_cluster(*nodes, vmi, plan)).plan().findings
    assert [(each.reason, each.severity, each.virtual_machines) for each in found] == [
        ("TargetUncertain", "Warning", ("shop/web",))
    ]
    assert found[0].message.startswith("shop/web: n2 lacks the label rack=a, which the running pod selects")
