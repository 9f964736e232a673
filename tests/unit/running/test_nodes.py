"""Who holds which node, and that each is given back as it was found."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from drover.facts.node import Before, remembered
from drover.running.actions import Cordon, Uncordon
from drover.running.nodes import Standing, stand
from tests.builders import (
    ClusterBuilder,
    a_cluster,
    a_maintenance,
    a_node,
    a_plan,
    a_vmi,
    a_vmim,
    at,
)
from tests.unit.running.rounds import a_round, holds

APPLY = a_plan("p").evacuates("n1", cordon="Apply").running()
MAINTENANCE = a_maintenance("n1").finalized()
ROOMY = a_node("n1"), a_node("n2"), a_node("n3")


def standing(*parts: Any, undoing: frozenset[str] = frozenset()) -> Standing:
    return stand(a_cluster(*parts).snapshot(), undoing)


def admitted(*parts: Any) -> tuple[set[str], set[str]]:
    """Names of the nodes whose maintenance may hold them, and of those that are refused as the last."""
    found = standing(*parts)
    return (
        {uid.removesuffix("-maintenance-uid") for uid in found.admitted},
        {uid.removesuffix("-maintenance-uid") for uid in found.last_node},
    )


def test_two_maintenances_in_the_same_second_on_two_nodes() -> None:
    """One of them is the last node: which one is decided by name, the same in every round."""
    wanted = a_maintenance("n2"), a_maintenance("n1")
    assert admitted(a_node("n1"), a_node("n2"), *wanted) == ({"n1"}, {"n2"})
    assert admitted(a_node("n2"), a_node("n1"), *reversed(wanted)) == ({"n1"}, {"n2"})
    assert admitted(*ROOMY, *wanted) == ({"n1", "n2"}, set())


@pytest.mark.parametrize(
    ("parts", "result"),
    [
        ((a_node("n1"), MAINTENANCE), (set(), {"n1"})),
        ((a_node("n1"), a_node("n2").cordoned(), MAINTENANCE), (set(), {"n1"})),
        ((a_node("n1"), a_node("n2").not_ready(), MAINTENANCE), (set(), {"n1"})),
        ((a_node("n1"), a_node("n2").without_kubevirt(), MAINTENANCE), (set(), {"n1"})),
        ((a_node("n1"), a_node("n2"), a_plan("x").evacuates("n2").running(), MAINTENANCE), (set(), {"n1"})),
        ((a_node("n1"), a_node("n2"), MAINTENANCE), ({"n1"}, set())),
        ((a_node("n1").held_by(MAINTENANCE), MAINTENANCE), ({"n1"}, set())),
        ((a_node("n1"), a_node("n2"), a_maintenance("n1").created(at(0)), a_maintenance("n2")), ({"n2"}, {"n1"})),
        (
            (
                a_node("n1").held_by(a_maintenance("n1")),
                a_node("n2"),
                a_maintenance("n1").created(at(0)),
                a_maintenance("n2"),
            ),
            ({"n1"}, {"n2"}),
        ),
        ((a_node("n2"), MAINTENANCE), (set(), set())),
        ((a_node("n1"), a_node("n2"), a_maintenance("n1").paused()), (set(), set())),
        ((a_node("n1").held_by(MAINTENANCE), a_node("n2"), a_maintenance("n1").paused()), ({"n1"}, set())),
        ((a_node("n1"), a_node("n2"), a_maintenance("n1").dry()), (set(), set())),
        ((a_node("n1"), a_node("n2"), a_maintenance("n1").withdrawn()), (set(), set())),
        ((a_node("n1"), a_node("n2"), MAINTENANCE, a_plan("n1-maintenance").evacuates("n1")), (set(), set())),
    ],
    ids=[
        "the only node",
        "the other is cordoned",
        "the other is not Ready",
        "KubeVirt does not use the other",
        "a plan empties the other",
        "another is there",
        "it holds its node already",
        "the older comes first",
        "who holds comes before who is older",
        "its node is not there",
        "paused before it began",
        "paused later",
        "a dry run",
        "withdrawn",
        "its plan's name is taken",
    ],
)
def test_which_maintenances_may_hold_their_node(parts: tuple[Any, ...], result: tuple[set[str], set[str]]) -> None:
    assert admitted(*parts) == result


@pytest.mark.parametrize(
    ("parts", "taken"),
    [
        ((MAINTENANCE,), {"n1"}),
        ((a_plan("p").evacuates("n1", "n2").running(),), {"n1", "n2"}),
        ((a_plan("p").evacuates("n1"),), set()),
        ((a_plan("p").evacuates("n1").running(finished=at(-9)),), set()),
        ((a_plan("p").evacuates("n1").running().withdrawn(),), set()),
        ((a_plan("p").evacuates("n1").running("old").spec(runID="new"),), set()),
        ((a_plan("p").evacuates("n1").running().dry(),), set()),
    ],
    ids=[
        "a maintenance",
        "a plan that runs",
        "one that has not begun",
        "one that is over",
        "withdrawn",
        "an old run",
        "dry",
    ],
)
def test_nodes_nobody_may_be_sent_to(parts: tuple[Any, ...], taken: set[str]) -> None:
    assert set(standing(*ROOMY, *parts).taken) == taken


@pytest.mark.parametrize(
    ("parts", "by"),
    [
        ((MAINTENANCE,), "NodeMaintenance/n1"),
        ((APPLY,), "MigrationPlan/p"),
        ((MAINTENANCE, APPLY), "NodeMaintenance/n1"),
        ((a_maintenance("n1"), APPLY), "MigrationPlan/p"),
        ((a_maintenance("n1").paused().finalized(), APPLY), "MigrationPlan/p"),
        ((a_maintenance("n1"),), None),
        ((a_plan("p").evacuates("n1", cordon="Require").running(),), None),
        ((a_plan("p").evacuates("n1", cordon="Apply"),), None),
        ((a_plan("p").evacuates("n1", cordon="Apply").running(finished=at(-9)),), "MigrationPlan/p"),
        ((a_plan("p").evacuates("n1", cordon="Apply").running().withdrawn(),), None),
        ((a_plan("p").evacuates("n1", cordon="Apply").running().dry(),), None),
    ],
    ids=[
        "a maintenance",
        "a plan that applies it",
        "both: the maintenance",
        "a maintenance without its finalizer leaves it to the plan",
        "a paused one too",
        "our finalizer comes first",
        "a plan that requires it",
        "a plan that has not begun",
        "it stays after success",
        "it goes when the plan is withdrawn",
        "and when it is only rehearsed",
    ],
)
def test_who_cordons(parts: tuple[Any, ...], by: str | None) -> None:
    found = a_round(a_cluster(*ROOMY, *parts)).of(Cordon)
    assert [str(action.by) for action in found] == ([by] if by else [])


def test_a_cordon_remembers_what_was_there() -> None:
    for node, was in ((a_node("n1"), False), (a_node("n1").cordoned(), True)):
        action = a_round(a_cluster(node, a_node("n2"), MAINTENANCE)).of(Cordon)[0]
        assert json.loads(action.before) == {
            "unschedulable": was,
            "since": "2026-03-01T12:00:00Z",
            "by": "NodeMaintenance/n1",
            "uid": "n1-maintenance-uid",
        }


@pytest.mark.parametrize("was", [True, False])
def test_a_second_holder_takes_over_the_mark_of_the_first(was: bool) -> None:
    """A plan has cordoned the node; the maintenance that comes holds it, and knows how the plan had found it."""
    held = a_node("n1").held_by(APPLY, was_cordoned=was)
    actions = a_round(a_cluster(held, a_node("n2"), MAINTENANCE, APPLY)).of(Cordon)
    marks = [remembered(action.before) for action in actions]
    assert [(mark.uid, mark.unschedulable) for mark in marks] == [("n1-maintenance-uid", was)]


def test_a_node_that_somebody_uncordons_is_cordoned_again() -> None:
    opened = a_node("n1").held_by(MAINTENANCE).set("spec.unschedulable", False)
    cluster = a_cluster(opened, a_node("n2"), MAINTENANCE)
    action = a_round(cluster).of(Cordon)[0]
    assert not remembered(action.before).unschedulable
    assert holds(a_round(cluster).maintenance().conditions, "DriftDetected")


@pytest.mark.parametrize("was", [True, False])
def test_a_node_that_somebody_uncordons_after_the_plan_succeeded_is_theirs(was: bool) -> None:
    over = APPLY.running(finished=at(-60))
    held = a_node("n1").held_by(over, was_cordoned=was)
    assert a_round(a_cluster(held, a_node("n2"), over)).of(Uncordon) == []
    opened = a_round(a_cluster(held.set("spec.unschedulable", False), a_node("n2"), over))
    assert opened.of(Cordon) == []
    assert opened.of(Uncordon) == [Uncordon("n1", unschedulable=False)]


@pytest.mark.parametrize("was", [True, False])
@pytest.mark.parametrize(
    ("parts", "given_back"),
    [
        ((), True),
        ((a_maintenance("n1").finalized().deleting(),), True),
        ((a_maintenance("n1").finalized().withdrawn(),), True),
        ((a_maintenance("n1").finalized().dry(),), True),
        ((a_maintenance("n1").finalized(),), False),
        ((a_maintenance("n1").finalized().withdrawn(), APPLY), False),
    ],
    ids=["nobody is left", "deleted", "withdrawn", "dry", "wanted", "wanted by a plan"],
)
def test_a_node_is_given_back_as_it_was(was: bool, parts: tuple[Any, ...], given_back: bool) -> None:
    node = a_node("n1").held_by(MAINTENANCE, was_cordoned=was)
    found = a_round(a_cluster(node, a_node("n2"), *parts)).of(Uncordon)
    assert [(each.node, each.unschedulable) for each in found] == ([("n1", was)] if given_back else [])


def ending(*parts: Any) -> ClusterBuilder:
    """A maintenance that is withdrawn, with its plan."""
    maintenance = a_maintenance("n1").finalized().withdrawn()
    plan = a_plan("n1-maintenance").owned_by(maintenance).evacuates("n1", cordon="Require").running()
    return a_cluster(a_node("n1").held_by(maintenance), a_node("n2"), maintenance, plan, *parts)


def test_a_node_is_given_back_when_its_migrations_are_over() -> None:
    plan = a_plan("n1-maintenance")
    flying = a_vmim("web").of(plan).to("n2").phase("Running")
    assert a_round(ending(a_vmi("web"), flying)).of(Uncordon) == []
    assert len(a_round(ending(a_vmi("web"), a_vmim("web").of(plan).to("n2").phase("Failed"))).of(Uncordon)) == 1


@pytest.mark.parametrize("plan", [a_plan("p").withdrawn, a_plan("p").dry, a_plan("p").deleting])
def test_the_same_for_a_plan_that_had_cordoned(plan: Callable[[], Any]) -> None:
    ended = plan().evacuates("n1", cordon="Apply").running()
    node = a_node("n1").held_by(APPLY)
    flying = a_vmim("web").of(APPLY).to("n2").phase("Running")
    assert a_round(a_cluster(node, a_node("n2"), a_vmi("web"), ended, flying)).of(Uncordon) == []
    assert len(a_round(a_cluster(node, a_node("n2"), a_vmi("web"), ended)).of(Uncordon)) == 1


def test_what_cannot_be_read_counts_as_a_plain_cordon() -> None:
    scrawled = a_node("n1").set("spec.unschedulable", True).annotated({"drover.dev/before": "{"})
    assert remembered("{") == Before(unschedulable=False, since="", by="unknown", uid="")
    assert [each.unschedulable for each in a_round(a_cluster(scrawled)).of(Uncordon)] == [False]
