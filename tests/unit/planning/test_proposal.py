"""Goals become proposals: their order, their hash, and the same answer again at dispatch."""

from collections.abc import Callable
from typing import Any

import pytest

from drover.facts.kubevirt import HOSTNAME
from drover.planning import reasons
from drover.planning.barred import barred_for, bars
from drover.planning.judging import static_homes
from drover.planning.placing import placement
from drover.planning.placing.mover import Answers, Mover
from drover.planning.proposal import Proposal, Refused
from drover.planning.proposing import propose
from drover.planning.site.fleet import Fleet
from tests.builders import NodeBuilder, PlanBuilder, a_node, a_plan, a_pod, a_vmi, a_vmim
from tests.unit.planning.scene import Part, Scene, a_scene, targets

WEB, DB = a_vmi("web").on("n1").memory("4Gi"), a_vmi("db").on("n1").memory("4Gi")


def room_for_one(*parts: Part) -> Scene:
    return a_scene(a_node("n1"), a_node("n2").memory("5Gi"), WEB, DB, *parts)


@pytest.mark.parametrize("tentative", [a_plan("dry").dry(), a_plan("dry").paused()])
def test_a_tentative_goal_comes_last_and_takes_no_room(tentative: PlanBuilder) -> None:
    scene = room_for_one()
    real = scene.goal(a_plan("real"), "db")
    found = scene.propose(scene.goal(tentative, "web"), real)
    assert (targets(found["real"]), targets(found["dry"])) == ({"db": "n2"}, {})
    assert found["dry"].refused[WEB.uid].eligible
    two = scene.propose(scene.goal(tentative, "web"), scene.goal(a_plan("also").dry(), "db"))
    assert (targets(two["dry"]), targets(two["also"])) == ({"web": "n2"}, {"db": "n2"})


def test_goals_that_move_share_the_room_in_their_order() -> None:
    scene = room_for_one()
    first, second = scene.goal(a_plan("one"), "web"), scene.goal(a_plan("two"), "db")
    found = scene.propose(first, second)
    assert (targets(found["one"]), targets(found["two"])) == ({"web": "n2"}, {})


@pytest.mark.parametrize("second", [a_plan("two"), a_plan("two").dry()])
def test_a_vm_of_two_plans_takes_room_once(second: PlanBuilder) -> None:
    """Only one of them will move it; where it goes is the same for both, if the second lets it go there."""
    scene = room_for_one(a_node("n3").memory("5Gi"))
    found = scene.propose(
        scene.goal(a_plan("one"), "web"), scene.goal(second, "db", "web"), scene.goal(a_plan("three"), "db")
    )
    first = targets(found["one"])["web"]
    other = "n3" if first == "n2" else "n2"
    assert targets(found["two"]) == {"web": first, "db": other}
    assert targets(found["three"]) == {"db": other}


def test_a_vm_of_two_plans_goes_where_the_first_sends_it_if_the_second_has_no_target() -> None:
    scene = room_for_one()
    barring = a_plan("two").spec(targets={"exclude": {"names": ["n2"]}})
    found = scene.propose(
        scene.goal(a_plan("one"), "web"), scene.goal(barring, "web"), scene.goal(a_plan("three"), "db")
    )
    assert [targets(found[name]) for name in ("one", "two", "three")] == [{"web": "n2"}, {}, {}]


def test_a_proposal_keeps_its_targets() -> None:
    nodes = [a_node(name).memory(memory) for name, memory in (("n1", "64Gi"), ("n2", "16Gi"), ("n3", "9Gi"))]
    before = a_scene(*nodes, WEB)
    first = propose([before.goal(a_plan("p"), "web")], before.snapshot, {}, {})
    busy = a_scene(*nodes, WEB, a_vmi("new").on("n2").memory("8Gi"))
    assert targets(busy.propose(busy.goal(a_plan("p"), "web"), previous=first)["p"]) == {"web": "n2"}
    assert targets(busy.propose(busy.goal(a_plan("p"), "web"))["p"]) == {"web": "n3"}


NODES = (a_node("n1"), a_node("n2"), a_node("n3"))
PLAN = a_plan("p").evacuates("n1")


def plan_hash(plan: PlanBuilder, *vms: str, nodes: tuple[NodeBuilder, ...] = NODES, more: tuple[Part, ...] = ()) -> str:
    scene = a_scene(*nodes, WEB, DB, *more)
    return scene.propose(scene.goal(plan, *vms, sources=("n1",)))[plan.name].hash


@pytest.mark.parametrize(
    "again",
    [
        lambda: plan_hash(PLAN, "db", "web"),
        lambda: plan_hash(PLAN, "web", "db", more=(a_vmi("hog").on("n2").memory("62Gi"),)),
        lambda: plan_hash(PLAN, "web", "db", nodes=(NODES[0], a_node("n2").cordoned(), NODES[2])),
        lambda: plan_hash(a_plan("p").evacuates("n1").paused(), "web", "db"),
    ],
    ids=["order", "load and targets", "cordon", "paused"],
)
def test_the_hash_is_stable(again: Callable[[], str]) -> None:
    assert again() == plan_hash(PLAN, "web", "db")


@pytest.mark.parametrize(
    "other",
    [
        lambda: plan_hash(a_plan("p").evacuates("n2"), "web", "db"),
        lambda: plan_hash(PLAN, "web"),
        lambda: plan_hash(a_plan("p").evacuates("n1").spec(nonMigratable="Leave"), "web", "db"),
        lambda: plan_hash(a_plan("p").evacuates("n1").spec(targets={"exclude": {"names": ["n3"]}}), "web", "db"),
        lambda: plan_hash(PLAN, "web", "db", nodes=(*NODES, a_node("n4"))),
    ],
    ids=["goal", "VMs", "policy", "targets", "a new node"],
)
def test_the_hash_covers_the_goal(other: Callable[[], str]) -> None:
    assert other() != plan_hash(PLAN, "web", "db")


def test_a_vm_pinned_by_its_own_selector_is_told_so() -> None:
    vmi = a_vmi("tied").on("n1").set("spec.nodeSelector", {HOSTNAME: "n1"})
    scene = a_scene(*NODES, vmi)
    assert scene.propose(scene.goal(PLAN, "tied"))["p"].refused[vmi.uid] == Refused(
        vmi.uid,
        False,
        "its nodeSelector pins it to the host n1",
        "remove kubernetes.io/hostname from the VM's nodeSelector, or shut it down for the maintenance",
    )


def test_a_vm_without_a_launcher_pod_is_told_so() -> None:
    vmi = a_vmi("bare").on("n1").without_pods()
    scene = a_scene(*NODES, vmi)
    assert scene.propose(scene.goal(PLAN, "bare"))["p"].refused[vmi.uid].message == (
        "no launcher pod of it runs on its node"
    )


@pytest.mark.parametrize(
    ("spec", "sources", "taken", "barred"),
    [
        ({}, (), {}, {}),
        ({}, ("n1",), {}, {"n1": "is to be emptied by this plan"}),
        ({}, (), {"n2": "NodeMaintenance/n2"}, {"n2": f"{reasons.TAKEN} (NodeMaintenance/n2)"}),
        ({"nodes": {"names": ["n3"]}}, (), {}, {"n1": reasons.EXCLUDED, "n2": reasons.EXCLUDED}),
        ({"exclude": {"names": ["n3"]}}, (), {}, {"n3": reasons.EXCLUDED}),
    ],
)
def test_nodes_barred_for_a_plan(
    spec: dict[str, object], sources: tuple[str, ...], taken: dict[str, str], barred: dict[str, str]
) -> None:
    plan = a_plan("p").spec(targets=spec) if spec else a_plan("p")
    assert barred_for(plan.build(), frozenset(sources), a_scene(*NODES).snapshot, taken) == barred


def test_nodes_barred_for_a_vm() -> None:
    vmi = a_vmi("web").on("n1")
    vmi.launcher(vmim=a_vmim("web")).pods[1].on("n2")
    assert bars(vmi.build(), a_scene(*NODES, vmi).relations, ("n3",)) == {
        "n1": reasons.IS_SOURCE,
        "n2": "still has a pod of it",
        "n3": reasons.REJECTED,
    }


def test_a_node_with_the_hostname_of_one_that_has_a_pod_of_the_vm_is_barred_for_it() -> None:
    vmi = a_vmi("web").on("n1")
    nodes = [a_node(name).labelled({HOSTNAME: host}) for name, host in (("n1", "h"), ("n2", "h"), ("n3", "i"))]
    assert bars(vmi.build(), a_scene(*nodes, vmi).relations, ()) == {
        "n1": reasons.IS_SOURCE,
        "n2": reasons.SHARES_A_HOSTNAME,
    }


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (a_node("n2"), None),
        (a_node("n2").cordoned(), "is cordoned"),
        (a_node("n2").memory("1Gi"), "lacks 3.2 GiB of memory"),
        (a_node("n9"), "does not exist"),
    ],
)
def test_what_is_asked_at_dispatch(node: NodeBuilder, words: str | None) -> None:
    assert a_scene(a_node("n1"), node, WEB).admits(WEB, "n2") == words


def test_at_dispatch_the_source_is_no_target_and_a_pod_is_needed() -> None:
    assert a_scene(*NODES, WEB).admits(WEB, "n1") == reasons.IS_SOURCE
    bare = a_vmi("bare").on("n1").without_pods()
    assert a_scene(*NODES, bare).admits(bare, "n2") == "cannot be judged: no launcher pod of the VM runs on its node"


def test_static_homes_know_nothing_of_room() -> None:
    scene = a_scene(a_node("n1"), a_node("n2").memory("1Gi"), a_node("n3").cordoned(), WEB)
    assert static_homes(scene.vm_class(WEB), scene.fleet().classes) == ("n1", "n2")


def test_a_target_that_is_right_only_when_others_have_gone_is_kept_and_waits_for_them() -> None:
    """v7 is spread and comes to n1 when the other of its kind has left; asked again, it is not asked before that."""
    host, kind = HOSTNAME, {"app": "x"}
    first, spread = a_vmi("v0").on("n0").memory("1Gi"), a_vmi("v7").on("n0").memory("3Gi")
    first.pod.labelled(kind)
    spread.pod.labelled(kind).spreads(host, kind, 1)
    pods = [a_pod(f"p-{node}").on(node).labelled(kind) for node in ("n1", "n3")]
    nodes = (a_node("n0").cordoned(), a_node("n1").memory("8Gi"), a_node("n3").memory("2Gi"))
    scene = a_scene(*nodes, first, spread, *pods)
    goal = scene.goal(a_plan("p").evacuates("n0"), "v0", "v7", sources=("n0",))
    found = scene.propose(goal)["p"]
    assert not found.refused
    again = scene.propose(goal, previous={goal.plan.uid: found})["p"]
    assert (targets(again), again.refused) == (targets(found), {})


def test_a_pod_of_a_vm_that_is_no_launcher_is_somebody_all_the_same() -> None:
    """It belongs to the VM, and does not carry KubeVirt's label."""
    ghost = a_vmi("ghost").on("n2")
    del ghost.pod.json["metadata"]["labels"]["kubevirt.io"]
    scene = a_scene(a_node("n1"), a_node("n2"), WEB, ghost)
    assert targets(scene.propose(scene.goal(a_plan("p"), "web"))["p"]) == {"web": "n2"}


def test_nothing_is_placed_where_every_node_is_overdrawn() -> None:
    """Neither what is too large nor what no node offers at all."""
    hogs = [a_vmi(f"hog-{n}-{m}").on(n).memory("40Gi").requests(memory="4Gi") for n in ("n1", "n2") for m in (0, 1)]
    gpu = a_vmi("gpu").on("n1").memory("1Gi").requests({"nvidia.com/A100": "1", "memory": "1Gi"})
    scene = a_scene(a_node("n1"), a_node("n2"), *hogs, gpu)
    found = scene.propose(scene.goal(a_plan("p").evacuates("n1"), "hog-n1-0", "hog-n1-1", "gpu", sources=("n1",)))["p"]
    assert found.assignments == {}
    assert "does not offer a device the VM needs" in found.refused[gpu.uid].message


def test_a_vm_whose_node_is_gone_may_go_to_any() -> None:
    lost = a_vmi("lost").on("n9")
    scene = a_scene(a_node("n1"), a_node("n2").cordoned(), lost)
    assert targets(scene.propose(scene.goal(a_plan("p"), "lost"))["p"]) == {"lost": "n1"}


def test_who_may_go_only_when_another_has_gone_waits_for_it() -> None:
    zone, kind = "topology.kubernetes.io/zone", {"app": "db"}
    vms = {name: a_vmi(name).on(on).memory(size) for name, on, size in (("w", "n1", "8Gi"), ("a-y", "n3", "4Gi"))}
    stays = a_vmi("v").on("n2").memory("4Gi")
    for vmi in (*vms.values(), stays):
        vmi.pod.labelled(kind).spreads(zone, kind, 1)
    nodes = [("n1", "a", "64Gi"), ("n2", "a", "9Gi"), ("n3", "b", "64Gi"), ("n4", "b", "9Gi")]
    scene = a_scene(*(a_node(n).labelled({zone: z}).memory(size) for n, z, size in nodes), *vms.values(), stays)
    plan = a_plan("p").evacuates("n1", "n3", maxNodes=2)
    found = scene.propose(scene.goal(plan, "w", "a-y", sources=("n1", "n3")))["p"]
    assert targets(found) == {"w": "n4", "a-y": "n2"}
    assert found.assignments[vms["a-y"].uid].after == ((vms["w"].uid, "n4"),)


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Placement has a defect that shows where the VM with the name "db" is among the movers, halfway."""
    place = placement.place

    def broken(movers: list[Mover], fleet: Fleet, *more: Any) -> Answers:
        answers = place(movers, fleet, *more)
        if any(mover.uid == DB.uid for mover in movers):
            raise ZeroDivisionError("division by zero")
        return answers

    monkeypatch.setattr(placement, "place", broken)


@pytest.mark.usefixtures("breaks")
@pytest.mark.parametrize("plans", [("bad", "good"), ("good", "bad")])
def test_a_defect_in_one_goal_stops_no_other_and_takes_no_room(plans: tuple[str, str]) -> None:
    """Its VMs are told; what earlier ones take stays taken."""
    scene = a_scene(a_node("n1"), a_node("n2").memory("10Gi"), WEB, DB, last := a_vmi("last").on("n1").memory("5Gi"))
    wanted = {"bad": scene.goal(a_plan("bad"), "db"), "good": scene.goal(a_plan("good"), "web")}
    found = scene.propose(*(wanted[name] for name in plans), scene.goal(a_plan("last"), "last"))
    assert (targets(found["good"]), targets(found["bad"]), targets(found["last"])) == (
        {"web": "n2"},
        {},
        {"last": "n2"},
    )
    assert found["bad"].refused[DB.uid].message == (
        "its target could not be computed, by a defect of ours: ZeroDivisionError: division by zero"
    )
    assert "ZeroDivisionError" in found["bad"].defect
    assert not found["good"].defect
    assert last.uid in found["last"].assignments


@pytest.mark.usefixtures("breaks")
def test_a_defect_keeps_the_hash_that_was_approved() -> None:
    scene = room_for_one()
    goal = scene.goal(a_plan("p"), "db")
    before = Proposal("approved")
    assert scene.propose(goal, previous={goal.plan.uid: before})["p"].hash == "approved"
    assert scene.propose(goal)["p"].hash == ""
