"""A decision as a whole: what it depends on, what it repeats and what it does not, and that it never fails."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.api.reasons import Outcome, PlanPhase
from drover.facts.snapshot import Snapshot
from drover.running.actions import SaveRecords, SetFinalizer, StartMigration
from drover.running.decide import decide
from drover.running.goals import goals
from tests.builders import (
    NOW,
    ClusterBuilder,
    a_cluster,
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
from tests.unit.running.rounds import a_round, proposed, the_view

PLAN = a_plan("p").evacuates("n1").running()
RESOURCES = ("nodes", "pods", "vmis", "vmims", "gone", "plans", "maintenances", "reports", "refusals")


def scene(*parts: Any, plan: Any = PLAN) -> ClusterBuilder:
    return a_cluster(a_node("n1"), a_node("n2"), plan, *parts)


def crowded() -> ClusterBuilder:
    """Two plans, two maintenances and VMs in all sorts of states."""
    flying = a_vmim("vm0").of(PLAN).to("n2").phase("Running")
    failed = a_vmim("vm1").of(PLAN).to("n3").phase("Failed")
    other = a_plan("other").evacuates("n1", "n4", cordon="Apply", maxNodes=2).created(at(-60)).running()
    nodes = [a_node(f"n{n}") for n in range(1, 6)]
    vms = [a_vmi(f"vm{n}").on(f"n{1 + n % 4}") for n in range(12)]
    wanted = a_maintenance("n3").finalized(), a_maintenance("n5")
    cluster = a_cluster(*nodes, *vms, PLAN, other, flying, failed, *wanted)
    return cluster.lost(a_vmim("vm4").of(PLAN).phase("Pending")).refused("cordon n4")


def turned(snapshot: Snapshot, seed: int) -> Snapshot:
    """The same facts in another order."""
    changed: dict[str, Any] = {}
    for name in RESOURCES:
        pairs = list(getattr(snapshot, name).items())
        random.Random(seed).shuffle(pairs)
        changed[name] = dict(pairs)
    return replace(snapshot, **changed)


@given(st.integers(0, 1000))
def test_the_same_facts_give_the_same_decision(seed: int) -> None:
    snapshot, proposals = crowded().snapshot(), proposed(crowded())
    one, other = decide(snapshot, proposals, NOW), decide(turned(snapshot, seed), proposals, NOW)
    assert {each.key: each for each in one.actions} == {each.key: each for each in other.actions}
    assert (one.plans, one.maintenances, one.wake_at) == (other.plans, other.maintenances, other.wake_at)


def test_at_most_one_action_an_object() -> None:
    keys = [action.key for action in a_round(crowded()).decision.actions]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("cluster", "key"),
    [
        (lambda: scene(a_vmim("web").of(PLAN).phase("Failed"), a_vmi("web")), "report"),
        (lambda: scene(plan=a_plan("p").evacuates("n1")), "finalizer p-uid"),
        (lambda: scene(a_maintenance("n1").finalized()), "cordon n1"),
        (lambda: scene(a_vmi("web")), "start web-uid"),
    ],
)
def test_a_refused_write_is_tried_again_later(cluster: Callable[[], ClusterBuilder], key: str) -> None:
    """After a second, then twice as long each time, up to five minutes."""
    action = next(each for each in a_round(cluster()).decision.actions if each.key.startswith(key))
    for tries, wait in ((1, 1), (2, 2), (4, 8), (20, 300)):
        known = cluster().refused(action.key, tries=tries)
        early, late = a_round(known, at(wait - 0.5)), a_round(known, at(wait))
        assert action.key not in {each.key for each in early.decision.actions}
        assert early.decision.wake_at == at(wait)
        assert action.key in {each.key for each in late.decision.actions}


def test_no_attempt_follows_one_that_is_not_on_record() -> None:
    """The record is refused: its retry would not be counted, its result could be lost."""
    failed = scene(a_vmi("web"), a_vmim("web").of(PLAN).to("n2").phase("Failed"))
    report = a_round(failed).of(SaveRecords)[0]
    assert a_round(failed.refused(report.key)).of(StartMigration) == []


def deleted(*parts: Any) -> ClusterBuilder:
    return scene(*parts, plan=a_plan("p").evacuates("n1").running().deleting())


@pytest.mark.parametrize(
    ("cluster", "released"),
    [
        (lambda: deleted(), True),
        (lambda: deleted(a_vmi("web"), a_vmim("web").of(PLAN).phase("Running").deleting()), False),
        (lambda: deleted(a_vmi("web"), a_vmim("web").of(PLAN).phase("Failed")), False),
        (lambda: deleted(a_vmi("web"), a_vmim("web").of(PLAN, run="old").phase("Failed")), False),
        (lambda: deleted().lost(a_vmim("web").of(PLAN).phase("Running")), False),
        (
            lambda: deleted(a_vmi("web"), a_vmim("web").of(PLAN).phase("Failed")).knows(
                a_report(PLAN, a_record("web", an_attempt(1, uid=a_vmim("web").of(PLAN).uid)))
            ),
            True,
        ),
        (
            lambda: a_cluster(
                a_node("n1").held_by(PLAN),
                a_node("n2"),
                a_plan("p").evacuates("n1", cordon="Apply").running().deleting(),
            ),
            False,
        ),
    ],
    ids=[
        "nothing is left",
        "a migration flies",
        "a result is not on record",
        "nor one of an earlier run",
        "nor one that vanished",
        "all is on record",
        "a node is not given back",
    ],
)
def test_when_a_plan_is_let_go(cluster: Callable[[], ClusterBuilder], released: bool) -> None:
    assert [each.present for each in a_round(cluster()).of(SetFinalizer)] == ([False] if released else [])


def test_a_plan_is_done_when_its_last_result_is_on_record() -> None:
    """Not when KubeVirt says so, and not in the round that only decides to write it."""
    vmim = a_vmim("web").of(PLAN).to("n2").phase("Succeeded", at(-5))
    cluster = scene(a_vmi("web").on("n2"), vmim)
    first = a_round(cluster)
    run = first.plan().run
    assert run is not None
    assert (run.finished_at, [record.outcome for record in first.records]) == (None, [Outcome.DONE])
    second = a_round(cluster.knows(a_report(PLAN, *first.records)), at(1))
    run = second.plan().run
    assert run is not None
    assert (run.finished_at, second.plan().phase) == (at(1), PlanPhase.SUCCEEDED)


def test_a_plan_is_not_done_before_the_end_of_a_vm_that_went_is_on_record() -> None:
    """Nothing is left to move, and a result is still to be written."""
    cluster = scene().lost(a_vmim("web").of(PLAN).phase("Failed"))
    first = a_round(cluster)
    run = first.plan().run
    assert run is not None
    assert (run.finished_at, len(first.records)) == (None, 1)
    run = a_round(cluster.knows(a_report(PLAN, *first.records)), at(1)).plan().run
    assert run is not None
    assert run.finished_at == at(1)


def test_a_finished_plan_does_nothing_more() -> None:
    """A VM that comes later is not its business; another runID is a run of its own."""
    over = a_plan("p").evacuates("n1").running(finished=at(-60))
    result = a_round(scene(a_vmi("web"), plan=over))
    assert (result.decision.actions, result.plan().phase) == ((), PlanPhase.SUCCEEDED)
    assert result.plan().virtual_machines == ()
    assert a_round(scene(a_vmi("web"), plan=over.spec(runID="2"))).plan().phase is not PlanPhase.SUCCEEDED


def test_a_node_is_not_empty_while_a_pod_is_on_it() -> None:
    """Also one of a VM that is gone (rule 10)."""
    web = a_vmi("web")
    ghost = web.pod.set("metadata.ownerReferences", [{**web.pod.json["metadata"]["ownerReferences"][0], "uid": "x"}])
    status = a_round(scene(ghost)).plan()
    assert status.run is not None
    assert (status.run.finished_at, status.phase) == (None, PlanPhase.MIGRATING)


def test_withdrawn_and_active_again_is_the_same_run() -> None:
    """What it has moved stays moved, what was cancelled is tried again under the next number."""
    cancelled = a_record("web", an_attempt(1, Outcome.CANCELLED))
    moved = a_record("db", an_attempt(1, Outcome.DONE))
    result = a_round(scene(a_vmi("web"), a_vmi("db").on("n2")).knows(a_report(PLAN, cancelled, moved)))
    assert [(start.vmi.name, start.attempt) for start in result.of(StartMigration)] == [("web", 2)]
    assert result.vm("db").step == "Done"


def test_goals_are_what_can_be_placed_now() -> None:
    cluster = scene(
        a_vmi("web"),
        a_vmi("flies"),
        a_vmim("flies").of(PLAN).to("n2").phase("Running"),
        a_vmi("cannot").not_migratable(),
        a_vmi("elsewhere").on("n2"),
    ).knows(a_report(PLAN, a_record("web", an_attempt(1, target="n2"))))
    wanted, standing = goals(cluster.snapshot(), NOW)
    assert [[vmi.metadata.name for vmi in goal.vmis] for goal in wanted] == [["web"]]
    assert wanted[0].shunned["web-uid"] == {"n2"}
    assert standing.taken == {"n1": "MigrationPlan/p"}


def test_a_plan_that_is_over_or_withdrawn_has_no_goal() -> None:
    for plan in (a_plan("p").evacuates("n1").running(finished=NOW), a_plan("p").evacuates("n1").withdrawn()):
        assert goals(scene(a_vmi("web"), plan=plan).snapshot(), NOW)[0] == ()


def test_a_dry_run_has_a_goal_even_when_its_run_is_over() -> None:
    plan = a_plan("p").evacuates("n1").running(finished=NOW).dry()
    assert len(goals(scene(a_vmi("web"), plan=plan).snapshot(), NOW)[0]) == 1


@pytest.mark.parametrize(
    ("vm", "to_move"),
    [(a_vmi("web"), True), (a_vmi("web").on("n2"), False), (a_vmi("web").on("n3"), True)],
)
def test_a_plain_move_is_about_where_a_vm_should_be(vm: Any, to_move: bool) -> None:
    cluster = a_cluster(a_node("n1"), a_node("n2"), a_node("n3"), vm, a_plan("p").moves("web", to="n2").running())
    assert [case.to_move for case in the_view(cluster).cases] == [to_move]
    assert a_round(cluster).starts == ({"web": "n2"} if to_move else {})


def test_a_vm_whose_pod_is_still_on_its_source_lingers() -> None:
    web = a_vmi("web").launcher()
    web.pods[1].on("n2")
    case = the_view(scene(web.set("status.nodeName", "n2"))).cases[0]
    assert (case.to_move, case.lingers) == (False, True)
