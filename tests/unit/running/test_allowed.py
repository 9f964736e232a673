"""What is asked again right before a write: one row for every refusal."""

from collections.abc import Callable
from typing import Any

import pytest

from drover.api.reasons import Outcome
from drover.facts.node import Before
from drover.running.actions import (
    Action,
    CancelMigration,
    Cordon,
    ObjectRef,
    SaveRecords,
    StartMigration,
    Uncordon,
)
from drover.running.allowed import still_allowed
from tests.builders import (
    ClusterBuilder,
    NodeBuilder,
    PlanBuilder,
    VMIBuilder,
    a_cluster,
    a_crd,
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
    stamp,
)
from tests.unit.running.rounds import a_round

PLAN = a_plan("p").evacuates("n1").running()


def scene(*parts: Any, plan: PlanBuilder | None = PLAN) -> ClusterBuilder:
    """n1 with the VM web, which the plan p empties, and n2, unless a part is another one of these."""
    names = {part.name for part in parts if isinstance(part, NodeBuilder)}
    nodes = [node for node in (a_node("n1"), a_node("n2")) if node.name not in names]
    web = [] if any(isinstance(part, VMIBuilder) and part.name == "web" for part in parts) else [a_vmi("web")]
    return a_cluster(*nodes, *web, *([plan] if plan else []), *parts)


def the_start() -> StartMigration:
    return a_round(scene()).of(StartMigration)[0]


def plan() -> PlanBuilder:
    return a_plan("p").evacuates("n1").running()


STARTS: list[tuple[str, str | None, Callable[[], ClusterBuilder]]] = [
    ("nothing has changed", None, scene),
    ("silence", "nothing was heard from the API server about vmims", lambda: scene().stale("vmims")),
    ("no KubeVirt", "KubeVirt is not installed: there is no KubeVirt object", lambda: scene().without_kubevirt()),
    (
        "between versions",
        "KubeVirt goes from v1.8.0 to v1.9.0; migrations between old and new handlers can hang",
        lambda: scene(a_kubevirt().upgrading()),
    ),
    ("an old KubeVirt", "KubeVirt cannot pin a target", lambda: scene().pinning(a_crd(can_pin=False))),
    ("nobody knows its schema", "KubeVirt cannot pin a target", lambda: scene().pinning(None)),
    ("the plan is gone", "the plan is gone", lambda: scene(plan=None)),
    ("another plan of that name", "the plan is gone", lambda: scene(plan=plan().with_uid("another"))),
    ("the plan is withdrawn", "the plan is being withdrawn", lambda: scene(plan=plan().withdrawn())),
    ("the plan is deleted", "the plan is being withdrawn", lambda: scene(plan=plan().deleting())),
    (
        "its maintenance is withdrawn",
        "the plan is being withdrawn",
        lambda: scene(a_maintenance("n1").withdrawn(), plan=plan().owned_by(a_maintenance("n1"))),
    ),
    ("the plan is paused", "the plan is paused", lambda: scene(plan=plan().paused())),
    ("the plan is a dry run", "the plan is a dry run", lambda: scene(plan=plan().dry())),
    ("another run is wanted", "the run is over", lambda: scene(plan=plan().spec(runID="2"))),
    (
        "the run is over",
        "the run is over",
        lambda: scene(plan=a_plan("p").evacuates("n1").running(finished=at(-1))),
    ),
    ("the VM is gone", "the VM is gone", lambda: a_cluster(a_node("n1"), a_node("n2"), PLAN)),
    ("another VM of that name", "the VM is gone", lambda: scene(a_vmi("web").with_uid("another"))),
    ("the VM is elsewhere", "the VM has nothing to leave", lambda: scene(a_vmi("web").on("n2"))),
    (
        "the plan empties other nodes too, and the VM is on one of those",
        "the VM is on n3 by now",
        lambda: scene(a_node("n3"), a_vmi("web").on("n3"), plan=a_plan("p").evacuates("n1", "n3").running()),
    ),
    (
        "the attempt was made",
        "this attempt was made already",
        lambda: scene().knows(a_report(PLAN, a_record("web", an_attempt(1, Outcome.CANCELLED)))),
    ),
    (
        "a migration of it flies",
        "a migration of it is in flight (web-migration)",
        lambda: scene(a_vmim("web").phase("Running")),
    ),
    ("the VM is being stopped", "the VM does not run", lambda: scene(a_vmi("web").deleting())),
    ("the VM does not run yet", "the VM does not run", lambda: scene(a_vmi("web").phase("Scheduling"))),
    (
        "it cannot migrate",
        "DisksNotLiveMigratable: a disk is not shared",
        lambda: scene(a_vmi("web").not_migratable()),
    ),
    (
        "no slot is free",
        "1 migrations are in flight",
        lambda: scene(a_kubevirt().limits(1, 1), a_vmi("db").on("n2"), a_vmim("db").phase("Running")),
    ),
    (
        "no slot is free at its source",
        "1 migrations leave n1",
        lambda: scene(a_kubevirt().limits(9, 1), a_vmi("db"), a_vmim("db").phase("Running")),
    ),
    (
        "no slot is free at its target",
        "1 migrations go to n2",
        lambda: scene(
            a_vmi("db").on("n3"), a_vmim("db").to("n2").phase("Running"), plan=plan().spec(limits={"perTarget": 1})
        ),
    ),
    ("the target is cordoned", "n2 is cordoned", lambda: scene(a_node("n2").cordoned())),
    ("the target is gone", "n2 does not exist", lambda: a_cluster(a_node("n1"), a_vmi("web"), PLAN)),
    ("the target is tainted", None, lambda: scene(a_node("n2").tainted("x", "PreferNoSchedule"))),
    (
        "the target has a taint the VM minds",
        "n2 has the taint x:NoSchedule, which the VM does not tolerate",
        lambda: scene(a_node("n2").tainted("x", "NoSchedule")),
    ),
    (
        "the target is under pressure",
        "n2 is under MemoryPressure",
        lambda: scene(a_node("n2").condition("MemoryPressure", "True")),
    ),
    (
        "the target is in maintenance",
        "n2 is in maintenance or being evacuated (NodeMaintenance/n2)",
        lambda: scene(a_node("n3"), a_maintenance("n2")),
    ),
    (
        "the target is being emptied by a plan",
        "n2 is in maintenance or being evacuated (MigrationPlan/other)",
        lambda: scene(a_plan("other").evacuates("n2").running()),
    ),
    (
        "the target is excluded by now",
        "n2 is excluded by the plan's targets",
        lambda: scene(plan=plan().spec(targets={"exclude": {"names": ["n2"]}})),
    ),
    (
        "the room has gone",
        "n2 lacks 2.2 GiB of memory",
        lambda: scene(a_node("n2").memory("2Gi")),
    ),
    (
        "the room is promised",
        "n2 lacks 2.5 GiB of memory",
        lambda: scene(a_node("n2").memory("6Gi"), a_vmi("db").on("n3"), a_vmim("db").to("n2").phase("Pending")),
    ),
    (
        "a pod of it is there already",
        "n2 still has a pod of it",
        lambda: scene(with_another_pod("n2")),
    ),
    (
        "it has no pod",
        "n2 cannot be judged: no launcher pod of the VM runs on its node",
        lambda: scene(a_vmi("web").without_pods()),
    ),
]


def with_another_pod(node: str) -> VMIBuilder:
    web = a_vmi("web").launcher()
    web.pods[1].on(node)
    return web


@pytest.mark.parametrize(("refusal", "cluster"), [row[1:] for row in STARTS], ids=[row[0] for row in STARTS])
def test_a_start(refusal: str | None, cluster: Callable[[], ClusterBuilder]) -> None:
    assert still_allowed(the_start(), cluster().snapshot()) == refusal


def cancel() -> CancelMigration:
    vmim = ours()
    return CancelMigration("shop", vmim.name, vmim.uid, "withdrawn")


def ours(phase: str = "Running") -> Any:
    return a_vmim("web").of(PLAN).to("n2").phase(phase)


@pytest.mark.parametrize(
    ("refusal", "parts"),
    [
        (None, lambda: (ours(),)),
        (None, lambda: (a_vmi("web").migrating(ours(), "n1", "n2", mode="PreCopy"), ours())),
        (None, lambda: (a_vmi("web").migrating(a_vmim("web", "older"), "n3", "n1", endTimestamp=stamp(at(0))), ours())),
        ("the migration is gone", lambda: ()),
        ("the migration is gone", lambda: (ours().with_uid("another"),)),
        (
            "it has switched over",
            lambda: (a_vmi("web").on("n2").migrating(ours(), "n1", "n2", endTimestamp=stamp(at(0))), ours()),
        ),
        ("it has switched over", lambda: (a_vmi("web").migrating(ours(), "n1", "n2", mode="PostCopy"), ours())),
        (
            None,
            lambda: (
                a_vmi("web").migrating(ours(), "n1", "n2", endTimestamp=stamp(at(0)), failed=True),
                ours(),
            ),
        ),
        ("it has ended", lambda: (ours("Failed"),)),
        ("it has ended", lambda: (ours("Succeeded"),)),
    ],
    ids=[
        "it flies",
        "its memory comes over",
        "the state is an older migration's",
        "it is gone",
        "another of its name",
        "the guest is over",
        "the guest is half over",
        "it is failing",
        "it has failed",
        "it has succeeded",
    ],
)
def test_a_cancel(refusal: str | None, parts: Callable[[], tuple[Any, ...]]) -> None:
    assert still_allowed(cancel(), scene(*parts()).snapshot()) == refusal


MARK = Before(unschedulable=False, since="", by="NodeMaintenance/n1", uid="n1-maintenance-uid")


def the_cordon() -> Cordon:
    found = a_round(a_cluster(a_node("n1"), a_node("n2"), a_maintenance("n1").finalized()))
    return found.of(Cordon)[0]


@pytest.mark.parametrize(
    ("refusal", "cluster"),
    [
        (None, lambda: a_cluster(a_node("n1"), a_maintenance("n1"))),
        ("the node is gone", lambda: a_cluster(a_maintenance("n1"))),
        ("NodeMaintenance/n1 is gone", lambda: a_cluster(a_node("n1"))),
        ("NodeMaintenance/n1 is gone", lambda: a_cluster(a_node("n1"), a_maintenance("n1").with_uid("another"))),
        ("NodeMaintenance/n1 is being ended", lambda: a_cluster(a_node("n1"), a_maintenance("n1").withdrawn())),
        (
            "somebody has cordoned or uncordoned the node meanwhile",
            lambda: a_cluster(a_node("n1").cordoned(), a_maintenance("n1")),
        ),
        (None, lambda: a_cluster(a_node("n1").held_by(a_maintenance("n1")), a_maintenance("n1").withdrawn())),
    ],
    ids=["wanted", "no node", "gone", "another", "withdrawn", "not as it was remembered", "held already"],
)
def test_a_cordon(refusal: str | None, cluster: Callable[[], ClusterBuilder]) -> None:
    assert still_allowed(the_cordon(), cluster().snapshot()) == refusal


@pytest.mark.parametrize(
    ("refusal", "cluster"),
    [
        (None, lambda: a_cluster(a_node("n1").held_by(a_maintenance("n1")))),
        ("the node does not carry our mark", lambda: a_cluster(a_node("n1").cordoned())),
        ("the node does not carry our mark", lambda: a_cluster()),
    ],
)
def test_giving_a_node_back(refusal: str | None, cluster: Callable[[], ClusterBuilder]) -> None:
    assert still_allowed(Uncordon("n1", False), cluster().snapshot()) == refusal


def test_what_needs_no_second_look() -> None:
    """A record can be written whatever happens meanwhile."""
    action: Action = SaveRecords("r", ObjectRef("MigrationPlan", "p", "p-uid"), "initial", (), True)
    assert still_allowed(action, a_cluster().snapshot()) is None
