"""What a maintenance does and says: the tables of situations, and of what its user does."""

from collections.abc import Callable
from typing import Any

import pytest

from drover.api.maintenance import MaintenanceStatus
from drover.api.plan import PlanSpec
from drover.api.reasons import MaintenancePhase, Outcome, PlanPhase
from drover.running.actions import CancelMigration, Cordon, EnsurePlan, SetFinalizer, StartMigration, Uncordon
from drover.running.maintenance_status import FROM_PLAN, TRIOS
from tests.builders import (
    NOW,
    ClusterBuilder,
    MaintenanceBuilder,
    PlanBuilder,
    VMIBuilder,
    a_cluster,
    a_kubevirt,
    a_maintenance,
    a_node,
    a_plan,
    a_record,
    a_report,
    a_vmi,
    a_vmim,
    an_attempt,
    at,
)
from tests.unit.running.rounds import a_round, holds, trio

HELD = a_node("n1").held_by(a_maintenance("n1"))


def wanted() -> MaintenanceBuilder:
    return a_maintenance("n1").finalized()


def its_plan(maintenance: MaintenanceBuilder | None = None) -> PlanBuilder:
    """The plan as the maintenance has made it, running."""
    owner = maintenance or wanted()
    plan = a_plan("n1-maintenance").owned_by(owner)
    made = a_round(a_cluster(HELD, a_node("n2"), owner)).of(EnsurePlan)
    return plan.spec(**made[0].spec).running() if made else plan.evacuates("n1", cordon="Require").running()


def done() -> PlanBuilder:
    return its_plan().running(finished=at(-60))


def scene(*parts: Any, node: Any = HELD) -> ClusterBuilder:
    return a_cluster(node, a_node("n2"), *parts)


def rehearsing() -> MaintenanceBuilder:
    return a_maintenance("n1").dry()


def rehearsal() -> PlanBuilder:
    made = a_round(a_cluster(a_node("n1"), a_node("n2"), rehearsing())).of(EnsurePlan)[0]
    return a_plan("n1-maintenance").owned_by(rehearsing()).spec(**made.spec)


def leaving() -> MaintenanceBuilder:
    return wanted().spec(virtualMachines={"nonMigratable": "Leave"})


READY, MOVING, STUCK = (True, False, False), (False, True, False), (False, False, True)
SITUATIONS: list[tuple[str, str, str, tuple[bool, bool, bool], Callable[[], ClusterBuilder]]] = [
    ("new", "Preparing", "Cordoning", MOVING, lambda: scene(a_maintenance("n1"), node=a_node("n1"))),
    ("cordoned", "Preparing", "Cordoning", MOVING, lambda: scene(wanted())),
    ("uncordoned by somebody", "Preparing", "Cordoning", MOVING, lambda: scene(wanted(), its_plan(), node=drifted())),
    ("its VMs move", "Evacuating", "MovingVirtualMachines", MOVING, lambda: scene(wanted(), its_plan(), a_vmi("web"))),
    ("paused", "Waiting", "Paused", READY, lambda: scene(wanted().paused(), its_plan().paused(), a_vmi("web"))),
    ("paused before it began", "Waiting", "Paused", READY, lambda: scene(wanted().paused(), node=a_node("n1"))),
    (
        "KubeVirt is between versions",
        "Held",
        "KubeVirtUpgrading",
        MOVING,
        lambda: scene(wanted(), its_plan(), a_vmi("web"), a_kubevirt().upgrading()),
    ),
    (
        "there is no KubeVirt",
        "Held",
        "KubeVirtUnavailable",
        MOVING,
        lambda: a_cluster(a_node("n1").without_kubevirt(), wanted()).absent("kubevirts", "vmis", "vmims"),
    ),
    (
        "a VM cannot move",
        "Blocked",
        "VirtualMachinesBlocked",
        STUCK,
        lambda: scene(wanted(), its_plan(), a_vmi("web").not_migratable()),
    ),
    ("the last node", "Blocked", "LastNode", STUCK, lambda: a_cluster(a_node("n1"), wanted())),
    ("no such node", "Blocked", "NodeNotFound", STUCK, lambda: a_cluster(a_node("n2"), wanted())),
    (
        "somebody else's plan has the name",
        "Blocked",
        "NameTaken",
        STUCK,
        lambda: scene(wanted(), a_plan("n1-maintenance").evacuates("n1"), node=a_node("n1")),
    ),
    ("empty", "InMaintenance", "NodeEmpty", READY, lambda: scene(wanted(), done())),
    (
        "a VM was left on purpose",
        "InMaintenance",
        "VirtualMachinesLeft",
        READY,
        lambda: scene(leaving(), its_plan(leaving()).running(finished=at(-60)), a_vmi("web").not_migratable()),
    ),
    ("rehearsed", "Rehearsed", "DryRunComputed", READY, lambda: scene(rehearsing(), rehearsal(), node=a_node("n1"))),
    (
        "its migrations are being cancelled",
        "Ending",
        "Undoing",
        MOVING,
        lambda: scene(wanted().withdrawn(), its_plan().withdrawn(), a_vmi("web"), flying()),
    ),
    ("its node is being given back", "Ending", "Undoing", MOVING, lambda: scene(wanted().withdrawn(), done())),
    (
        "undone",
        "Withdrawn",
        "Undone",
        READY,
        lambda: scene(wanted().withdrawn(), done().withdrawn(), node=a_node("n1")),
    ),
    (
        "undone, and a plan keeps the node",
        "Withdrawn",
        "Undone",
        READY,
        lambda: scene(wanted().withdrawn(), done().withdrawn(), a_plan("p").evacuates("n1", cordon="Apply").running()),
    ),
]


def drifted() -> Any:
    return a_node("n1").held_by(a_maintenance("n1")).set("spec.unschedulable", False)


def flying() -> Any:
    return a_vmim("web").of(a_plan("n1-maintenance")).to("n2").phase("Running")


@pytest.mark.parametrize(
    ("phase", "reason", "conditions", "cluster"), [row[1:] for row in SITUATIONS], ids=[row[0] for row in SITUATIONS]
)
def test_a_situation(
    phase: str, reason: str, conditions: tuple[bool, bool, bool], cluster: Callable[[], ClusterBuilder]
) -> None:
    status = a_round(cluster()).maintenance()
    assert (status.phase, status.reason) == (phase, reason)
    assert trio(status.conditions) == conditions
    if phase in ("Blocked", "Held"):
        assert status.waiting is not None
        assert status.waiting.message
        assert status.waiting.suggestion


def test_every_phase_is_in_the_table() -> None:
    assert {row[1] for row in SITUATIONS} == {phase.value for phase in MaintenancePhase} == {p.value for p in TRIOS}


def test_every_phase_of_a_plan_has_a_word_here() -> None:
    assert set(FROM_PLAN) == set(PlanPhase)


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (lambda: a_cluster(a_node("n2"), wanted()), "NodeNotFound"),
        (lambda: a_cluster(a_node("n1"), wanted()), "LastNode"),
        (lambda: a_cluster(a_node("n1"), wanted()).absent("kubevirts"), "KubeVirtUnavailable"),
        (lambda: scene(wanted(), its_plan(), a_vmi("web").not_migratable()), "NotMigratable"),
    ],
)
def test_what_blocks_is_a_finding_with_a_suggestion(cluster: Callable[[], ClusterBuilder], said: str) -> None:
    found = a_round(cluster()).maintenance().findings
    assert [(each.severity, each.reason) for each in found] == [("Blocker", said)]
    assert found[0].suggestion


def test_held_for_ten_minutes_is_stalled() -> None:
    cluster = scene(wanted(), its_plan(), a_vmi("web"), a_kubevirt().upgrading())
    status = a_round(cluster).maintenance()
    later = wanted().set("status", status.wire())
    plan = its_plan().set("status", a_round(cluster).plan("n1-maintenance").wire())
    cluster = scene(later, plan, a_vmi("web"), a_kubevirt().upgrading())
    assert trio(a_round(cluster, at(599)).maintenance().conditions) == MOVING
    assert trio(a_round(cluster, at(600)).maintenance().conditions) == STUCK


def unverified() -> ClusterBuilder:
    """The VM has moved, and is not Ready yet."""
    report = a_report(its_plan(), a_record("web", an_attempt(1, Outcome.SUCCEEDED, ended_at=NOW)))
    return scene(wanted(), its_plan(), a_vmi("web").on("n2").not_ready()).knows(report)


def condition(status: MaintenanceStatus, kind: str) -> tuple[bool, str]:
    found = next(each for each in status.conditions if each.type == kind)
    return found.status == "True", found.reason


@pytest.mark.parametrize(
    ("cluster", "evacuated"),
    [
        (lambda: scene(wanted(), its_plan(), a_vmi("web")), (False, "InProgress")),
        (unverified, (False, "InProgress")),
        (lambda: scene(wanted(), its_plan()), (True, "NodeEmpty")),
        (lambda: scene(wanted(), done()), (True, "NodeEmpty")),
        (lambda: scene(wanted(), done(), a_vmi("web").on("n2")), (True, "NodeEmpty")),
        (
            lambda: scene(leaving(), its_plan(leaving()).running(finished=at(-9)), a_vmi("web").not_migratable()),
            (False, "VirtualMachinesLeft"),
        ),
    ],
    ids=["VMs are there", "not verified yet", "empty at once", "empty", "VMs elsewhere", "one is left"],
)
def test_evacuated(cluster: Callable[[], ClusterBuilder], evacuated: tuple[bool, str]) -> None:
    assert condition(a_round(cluster()).maintenance(), "VirtualMachinesEvacuated") == evacuated


def test_it_keeps_what_the_node_was_like_before_us() -> None:
    """Also when it has given it back."""
    was = a_node("n1").held_by(a_maintenance("n1"), was_cordoned=True)
    status = a_round(scene(wanted(), its_plan(), node=was)).maintenance()
    assert status.node is not None
    assert (status.node.unschedulable, status.node.by) == (True, "NodeMaintenance/n1")
    over = wanted().withdrawn().set("status", status.wire())
    assert a_round(scene(over, node=a_node("n1"))).maintenance().node == status.node


def test_the_way_in_is_one_step_a_round() -> None:
    """Finalizer, cordon, plan: what needs another's result waits for the next round."""
    first = a_round(scene(a_maintenance("n1"), node=a_node("n1")))
    assert [each.present for each in first.of(SetFinalizer)] == [True]
    assert (first.of(Cordon), first.of(EnsurePlan)) == ([], [])
    second = a_round(scene(wanted(), node=a_node("n1")))
    assert ([each.node for each in second.of(Cordon)], second.of(EnsurePlan)) == (["n1"], [])
    third = a_round(scene(wanted()))
    assert [(each.name, each.uid) for each in third.of(EnsurePlan)] == [("n1-maintenance", "")]
    assert a_round(scene(wanted(), its_plan())).of(EnsurePlan) == []


def test_what_the_plan_is_told() -> None:
    """The maintenance's own words, and nothing of its labels or annotations."""
    how = {
        "nonMigratable": "Leave",
        "limits": {"total": 3, "perTarget": 1},
        "targets": {"exclude": {"names": ["n9"]}},
        "failurePolicy": {"retries": 1},
        "verify": {"timeout": "1m"},
    }
    made = a_round(scene(wanted().spec(virtualMachines=how).labelled(app="x"))).of(EnsurePlan)[0]
    spec = PlanSpec.model_validate(made.spec)
    assert spec.evacuate is not None
    assert (spec.evacuate.nodes.names, spec.evacuate.cordon, spec.mode) == (("n1",), "Require", "Execute")
    told = spec.wire()
    assert {field: told[field] for field in ("nonMigratable", "limits", "targets")} == {
        field: how[field] for field in ("nonMigratable", "limits", "targets")
    }
    assert (told["failurePolicy"]["retries"], told["verify"]["timeout"]) == (1, "1m")
    assert made.owner.uid == "n1-maintenance-uid"
    assert made.owner.controller


def test_a_dry_run_touches_nothing() -> None:
    result = a_round(scene(rehearsing(), rehearsal(), a_vmi("web"), node=a_node("n1")))
    assert [type(action).__name__ for action in result.decision.actions] == []
    assert rehearsal().json["spec"]["evacuate"]["cordon"] == "Ignore"
    assert rehearsal().json["spec"]["mode"] == "DryRun"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: m.paused(), {"paused": True}),
        (lambda m: m.withdrawn(), {"intent": "Withdrawn"}),
        (lambda m: m.deleting(), {"intent": "Withdrawn"}),
        (lambda m: m.dry(), {"mode": "DryRun"}),
    ],
    ids=["paused", "withdrawn", "deleted", "dry again"],
)
def test_what_the_user_does_reaches_the_plan(
    change: Callable[[MaintenanceBuilder], MaintenanceBuilder], expected: dict[str, Any]
) -> None:
    made = a_round(scene(change(wanted()), its_plan(), a_vmi("web"))).of(EnsurePlan)
    assert len(made) == 1
    assert expected.items() <= made[0].spec.items()


@pytest.mark.parametrize(
    ("change", "starts", "cancels", "restored"),
    [
        (lambda m: m, True, False, False),
        (lambda m: m.paused(), False, False, False),
        (lambda m: m.withdrawn(), False, True, False),
        (lambda m: m.deleting(), False, True, False),
    ],
    ids=["nothing", "paused", "withdrawn", "deleted"],
)
def test_moves_when_the_user_changes_his_mind(
    change: Callable[[MaintenanceBuilder], MaintenanceBuilder], starts: bool, cancels: bool, restored: bool
) -> None:
    """One VM waits, one flies. The plan, once it has been told, does what its maintenance means."""
    maintenance = change(wanted())
    told = a_round(scene(maintenance, its_plan())).of(EnsurePlan)
    plan = its_plan().spec(**told[0].spec) if told else its_plan()
    result = a_round(scene(maintenance, plan, a_vmi("web"), a_vmi("db"), flying()))
    assert bool(result.of(StartMigration)) == starts
    cancelling = [record for record in result.records if record.outcome is Outcome.CANCELLING]
    assert bool(cancelling) == cancels
    assert bool(result.of(Uncordon)) == restored
    assert result.of(CancelMigration) == [], "not before it is on record"


@pytest.mark.parametrize(
    ("parts", "released"),
    [
        ((its_plan(), a_vmi("web")), False),
        ((its_plan().withdrawn(), a_vmi("web"), flying()), False),
        ((its_plan().withdrawn(), a_vmi("web")), False),
    ],
    ids=["the plan does not know", "a migration flies", "the node is not given back"],
)
def test_a_maintenance_is_not_let_go_before_all_is_undone(parts: tuple[Any, ...], released: bool) -> None:
    assert bool(a_round(scene(wanted().deleting(), *parts)).of(SetFinalizer)) == released


def test_a_maintenance_is_let_go_when_all_is_undone() -> None:
    result = a_round(scene(wanted().deleting(), its_plan().withdrawn(), a_vmi("web"), node=a_node("n1")))
    assert [each.present for each in result.of(SetFinalizer)] == [False]
    gone = a_round(a_cluster(a_node("n2"), wanted().deleting(), its_plan().withdrawn()))
    assert [each.present for each in gone.of(SetFinalizer)] == [False], "nor when its node has gone"


def renewed(*parts: Any, plan: PlanBuilder, maintenance: MaintenanceBuilder | None = None) -> str | None:
    made = a_round(scene(maintenance or wanted(), plan, *parts)).of(EnsurePlan)
    return made[0].spec.get("runID") if made else None


def arrived(name: str = "web") -> VMIBuilder:
    return a_vmi(name)


def test_a_vm_that_comes_after_the_plan_succeeded_renews_its_run() -> None:
    assert renewed(arrived(), plan=done()) == "2"
    again = its_plan().spec(runID="2").running("2", finished=at(-9))
    assert renewed(arrived(), plan=again) == "3"
    assert renewed(arrived(), plan=its_plan().spec(runID="mine").running("mine", finished=at(-9))) == "2"


@pytest.mark.parametrize(
    ("parts", "plan", "maintenance"),
    [
        ((), done(), wanted()),
        ((arrived(),), its_plan(), wanted()),
        ((arrived(),), done().spec(runID="2"), wanted()),
        ((arrived().on("n2"),), done(), wanted()),
        ((arrived().not_migratable(),), its_plan(leaving()).running(finished=at(-9)), leaving()),
    ],
    ids=["none came", "its run is not over", "it was renewed already", "a VM elsewhere", "one that it leaves"],
)
def test_a_run_is_not_renewed_for_nothing(
    parts: tuple[Any, ...], plan: PlanBuilder, maintenance: MaintenanceBuilder
) -> None:
    assert renewed(*parts, plan=plan, maintenance=maintenance) is None


def test_a_dry_run_renews_nothing() -> None:
    """Although the run it had before is over, and VMs have come since: it would do so in every round."""
    dry = wanted().dry()
    plan = done().spec(mode="DryRun", evacuate={"nodes": {"names": ["n1"]}, "cordon": "Ignore"})
    assert renewed(arrived(), plan=plan, maintenance=dry) is None


def test_the_conditions_say_when_they_changed() -> None:
    status = a_round(scene(wanted(), its_plan(), a_vmi("web"))).maintenance()
    moving = wanted().set("status", status.wire())
    later = a_round(scene(moving, its_plan(), a_vmi("web")), at(60)).maintenance()
    assert {each.last_transition_time for each in later.conditions} == {NOW}
    empty = a_round(scene(moving, done()), at(60)).maintenance()
    assert holds(empty.conditions, "Ready")
    changed = {each.type for each in empty.conditions if each.last_transition_time == at(60)}
    assert changed == {"Ready", "Reconciling", "VirtualMachinesEvacuated"}
