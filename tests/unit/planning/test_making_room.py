"""A VM fits once others have left: those in flight, and those that a plan may ask to go first."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drover.facts.kubevirt import HOSTNAME
from drover.planning.placing.making_room import make_room
from drover.planning.proposal import Proposal
from tests.builders import Part, VMIBuilder, a_node, a_plan, a_vmi, a_vmim
from tests.examples import examples
from tests.unit.planning.crowded import Crowd, crowds
from tests.unit.planning.scene import Scene, a_scene

WEB = a_vmi("web").on("n1").memory("8Gi")
MOVES = a_plan("p").evacuates("n1").spec(makeRoom="Move")
SUGGESTS = a_plan("p").evacuates("n1")


SMALL = "small-uid"


def a_small() -> VMIBuilder:
    return a_vmi("small").on("n2").memory("4Gi")


def tight(*more: Part, small: VMIBuilder | None = None) -> Scene:
    """web needs 8 GiB: n2 has them without small, n3 never."""
    nodes = (a_node("n1"), a_node("n2").memory("10Gi"), a_node("n3").memory("6Gi"))
    return a_scene(*nodes, WEB, small or a_small(), *more)


def plan(scene: Scene, goal: object = MOVES, *vms: str) -> Proposal:
    wanted = scene.goal(goal, *(vms or ("web",)), sources=("n1",))  # type: ignore[arg-type]  # builders, said loosely
    return scene.propose(wanted)["p"]


def planned(found: Proposal) -> dict[str, tuple[str, str, tuple[str, ...], bool]]:
    """Source, target, whom it waits for and whether it only makes room, by name."""
    return {
        uid.removesuffix("-uid"): (a.source, a.target, tuple(who.removesuffix("-uid") for who, _ in a.after), a.extra)
        for uid, a in found.assignments.items()
    }


def test_another_goes_first() -> None:
    found = plan(tight())
    assert planned(found) == {"web": ("n1", "n2", ("small",), False), "small": ("n2", "n3", (), True)}
    assert found.assignments[SMALL].why == "makes room for shop/web"
    assert found.timetable is not None or found.refused == {}


def test_who_would_have_to_go_is_said() -> None:
    found = plan(tight(), SUGGESTS)
    assert planned(found) == {}
    assert found.refused[WEB.uid].suggestion == (
        "it fits once others have moved: shop/small from n2 to n3; makeRoom: Move lets the plan do so"
    )


def test_nobody_is_moved_for_one_that_fits() -> None:
    assert planned(plan(tight(a_node("n4").memory("10Gi")))) == {"web": ("n1", "n4", (), False)}


def test_nobody_is_moved_where_it_does_not_help() -> None:
    found = plan(a_scene(a_node("n1"), a_node("n2").memory("10Gi"), WEB, a_small()))
    assert planned(found) == {}
    assert "others" not in found.refused[WEB.uid].suggestion


@pytest.mark.parametrize(
    "small",
    [
        a_small().not_migratable(),
        a_small().set("spec.evictionStrategy", "None"),
        a_small().set("spec.evictionStrategy", "External"),
        a_small().phase("Scheduled"),
        a_small().set("metadata.deletionTimestamp", "2026-01-01T00:00:00Z"),
        a_small().set("spec.nodeSelector", {"kubernetes.io/hostname": "n2"}),
    ],
)
def test_who_cannot_or_must_not_go_is_not_asked(small: VMIBuilder) -> None:
    assert planned(plan(tight(small=small))) == {}


def test_who_was_moved_or_has_failed_is_not_asked_again() -> None:
    scene = tight()
    wanted = scene.goal(MOVES, "web", sources=("n1",))
    assert planned(scene.propose(replace(wanted, tried=frozenset({SMALL})))["p"]) == {}
    assert planned(scene.propose(replace(wanted, avoid={SMALL: frozenset({"n3"})}))["p"]) == {}


def test_a_vm_that_another_plan_moves_is_not_asked() -> None:
    scene = tight()
    other = scene.goal(a_plan("other").evacuates("n2").paused(), "small")
    assert planned(scene.propose(scene.goal(MOVES, "web", sources=("n1",)), other)["p"]) == {}


def test_two_plans_do_not_ask_the_same_vm() -> None:
    db = a_vmi("db").on("n4").memory("8Gi")
    scene = tight(a_node("n4"), db)
    one = scene.goal(MOVES, "web", sources=("n1", "n4"))
    two = scene.goal(a_plan("q").evacuates("n4").spec(makeRoom="Move"), "db", sources=("n1", "n4"))
    found = scene.propose(one, two)
    assert sorted(planned(found["p"])) == ["small", "web"]
    assert planned(found["q"]) == {}


def test_the_same_vm_is_asked_again_while_it_waits() -> None:
    """An equal one that came since changes nothing."""
    first = tight()
    goal = first.goal(MOVES, "web", sources=("n1",))
    before = {goal.plan.uid: first.propose(goal)["p"]}
    more = tight(a_node("n4").memory("10Gi"), a_vmi("a-small").on("n4").memory("4Gi"), a_node("n5").memory("6Gi"))
    again = more.propose(more.goal(MOVES, "web", sources=("n1",)), previous=before)["p"]
    assert planned(again)["web"] == ("n1", "n2", ("small",), False)


@pytest.mark.parametrize("goal", [MOVES, SUGGESTS])
def test_room_that_a_vm_in_flight_leaves_is_waited_for(goal: object) -> None:
    """Whoever moves it; and nobody else is asked meanwhile."""
    scene = tight(a_vmim("small").to("n3").phase("Running"))
    assert planned(plan(scene, goal)) == {"web": ("n1", "n2", ("small",), False)}


def test_room_is_waited_for_until_the_pod_of_one_that_has_arrived_has_ended() -> None:
    small = a_small()
    small.launcher(vmim=a_vmim("small").to("n3")).pods[1].on("n3")
    scene = tight(small=small.set("status.nodeName", "n3"))
    assert planned(plan(scene)) == {"web": ("n1", "n2", ("small",), False)}


def near_small(vmi: VMIBuilder, key: str = HOSTNAME) -> VMIBuilder:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": "small"}}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    vmi.pod.set("spec.affinity", affinity)
    return vmi.set("spec.affinity", affinity)


def test_who_others_have_to_be_near_stays() -> None:
    leader = a_small()
    leader.pod.labelled(app="small")
    assert "small" not in planned(plan(tight(near_small(a_vmi("f").on("n2").memory("1Gi")), small=leader)))


def test_no_room_is_made_near_one_who_leaves() -> None:
    """Without small there is room for web on n2; but whom it has to be near leaves that zone then."""
    web, leader = near_small(a_vmi("web").on("n1").memory("9Gi"), "zone"), a_vmi("leader").on("n1").memory("1Gi")
    leader.pod.labelled(app="small")
    zones = ("n1", "64Gi", "c"), ("n2", "10Gi", "c"), ("n3", "6Gi", "b")
    nodes = [a_node(name).memory(memory).labelled(zone=zone) for name, memory, zone in zones]
    scene = a_scene(*nodes, web, leader, a_small())
    assert planned(plan(scene, MOVES, "web", "leader")) == {"leader": ("n1", "n3", (), False)}
    assert planned(plan(scene, MOVES, "web"))["web"] == ("n1", "n2", ("small",), False)


def test_nobody_leaves_for_room_in_flight_whom_another_goes_to() -> None:
    """The leader would fit on n3 once small has left it."""
    web, leader = near_small(a_vmi("web").on("n1"), "zone").memory("1Gi"), a_vmi("leader").on("n1").memory("4Gi")
    leader.pod.labelled(app="small")
    zones = ("n1", "64Gi", "c"), ("n2", "2Gi", "c"), ("n3", "6Gi", "b"), ("n4", "5Gi", "b")
    nodes = [a_node(name).memory(memory).labelled(zone=zone) for name, memory, zone in zones]
    scene = a_scene(*nodes, web, leader, a_small().on("n3"), a_vmim("small").to("n4").phase("Running"))
    assert planned(plan(scene, MOVES, "leader")) == {"leader": ("n1", "n3", ("small",), False)}
    assert planned(plan(scene, MOVES, "web", "leader")) == {"web": ("n1", "n2", (), False)}


@pytest.mark.parametrize("goal", [MOVES, SUGGESTS])
def test_nobody_loses_a_target_so_that_fewer_have_one(goal: object) -> None:
    """Whoever follows one who has no target lacks more than room, and is left out as well."""
    leader, follower = a_vmi("leader").on("n1").memory("1Gi"), near_small(a_vmi("follower").on("n1").memory("1Gi"))
    leader.pod.labelled(app="small")
    large, larger = a_vmi("large").on("n1").memory("3Gi"), near_small(a_vmi("larger").on("n1").memory("9Gi"))
    nodes = a_node("n1").memory("32Gi"), a_node("n2").memory("5Gi")
    scene = a_scene(*nodes, leader, follower, large, larger, a_vmi("resident").on("n2").memory("1Gi"))
    found = plan(scene, goal, "leader", "follower", "large", "larger")
    assert sorted(planned(found)) == ["follower", "leader"]


def test_who_comes_to_room_in_flight_lets_those_pass_whose_spread_he_would_break() -> None:
    """Nobody asks web whether it breaks a spread; once it is on n2 the other may go nowhere."""
    spread, web = a_vmi("spread").on("n1").memory("1Gi"), a_vmi("web").on("n1").memory("4Gi")
    web.pod.labelled(app="x")
    spread.pod.labelled(app="x").spreads("zone", {"app": "x"}, 1)
    zones = a_node("n2").memory("6Gi").labelled(zone="a"), a_node("n3").memory("5Gi").labelled(zone="b")
    scene = a_scene(a_node("n1"), *zones, spread, web, a_small(), a_vmim("small").to("n3").phase("Running"))
    assert planned(plan(scene, SUGGESTS, "spread", "web")) == {
        "spread": ("n1", "n2", (), False),
        "web": ("n1", "n2", ("small", "spread"), False),
    }


def test_who_is_placed_around_lets_those_pass_for_whom_room_is_made() -> None:
    """Nobody asks other whether it breaks a spread; once it is on n4 the one for whom small leaves may not come."""
    spread, other = a_vmi("spread").on("n1").memory("8Gi"), a_vmi("other").on("n1").memory("2Gi")
    other.pod.labelled(app="x")
    spread.pod.labelled(app="x").spreads("zone", {"app": "x"}, 1)
    zones = ("n2", "10Gi", "a"), ("n3", "6Gi", "b"), ("n4", "3Gi", "a")
    nodes = [a_node(name).memory(memory).labelled(zone=zone) for name, memory, zone in zones]
    assert planned(plan(a_scene(a_node("n1"), *nodes, spread, other, a_small()), MOVES, "spread", "other")) == {
        "small": ("n2", "n3", (), True),
        "spread": ("n1", "n2", ("small",), False),
        "other": ("n1", "n4", ("spread",), False),
    }


@settings(max_examples=examples(60))
@given(crowds())
def test_room_is_taken_for_those_that_go_and_for_nobody_else(crowd: Crowd) -> None:
    scene = crowd.scene()
    vms = [part for part in crowd.parts if isinstance(part, VMIBuilder)]
    movers, others = ([scene.mover(vm) for vm in vms if (vm.name in crowd.movers) is moves] for moves in (True, False))
    ground, again = scene.fleet(), scene.fleet()
    found = make_room(movers, others, ground, dict.fromkeys(crowd.sources, "is emptied"))
    for mover in found.movers:
        again.move(mover.guest, again.position[found.moves[mover.uid].target])
    assert (ground.free == again.free).all()
    assert [ground.spreading.target(vm.uid) for vm in vms] == [again.spreading.target(vm.uid) for vm in vms]


@settings(max_examples=examples(60))
@given(
    rooms=st.lists(st.integers(4, 14), min_size=2, max_size=5),
    residents=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), max_size=7),
    movers=st.lists(st.integers(1, 9), min_size=1, max_size=3),
)
def test_every_step_has_room(rooms: list[int], residents: list[tuple[int, int]], movers: list[int]) -> None:
    """In the order of who waits for whom, both hosts holding what moves, no node is ever overfilled; and no more are
    left out than without it."""
    rooms = [room * 2 for room in rooms]
    used = [0] * len(rooms)
    kept = []
    for node, size in residents:
        if node < len(rooms) and used[node] + size + 1 <= rooms[node]:
            used[node] += size + 1
            kept.append((node, size))
    nodes = [a_node("n1"), *(a_node(f"n{n + 2}").memory(f"{room}Gi") for n, room in enumerate(rooms))]
    vms = [a_vmi(f"r{n}").on(f"n{node + 2}").memory(f"{size}Gi") for n, (node, size) in enumerate(kept)]
    mine = [a_vmi(f"m{n}").on("n1").memory(f"{size}Gi") for n, size in enumerate(movers)]
    scene = a_scene(*nodes, *vms, *mine)
    names = [vmi.name for vmi in mine]
    without, found = plan(scene, SUGGESTS, *names), plan(scene, MOVES, *names)
    assert len(found.refused) <= len(without.refused)
    _execute(scene, found)


def _execute(scene: Scene, found: Proposal) -> None:
    ground = scene.fleet()
    free, rest, arrived = ground.free.copy(), dict(found.assignments), set[str]()
    need = {uid: ground.demand(scene.class_of(uid)) for uid in rest}
    while rest:
        ready = [
            uid for uid, each in rest.items() if {who for who, _ in each.after} & found.assignments.keys() <= arrived
        ]
        assert ready
        for uid in ready:
            free[ground.position[rest[uid].target]] -= need[uid]
        assert (free >= 0).all()
        for uid in ready:
            free[ground.position[rest.pop(uid).source]] += need[uid]
            arrived.add(uid)
