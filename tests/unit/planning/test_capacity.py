"""What a fleet has no room for and whether it keeps a reserve, as proposals say it."""

import numpy as np
import pytest
from hypothesis import given

from drover.planning.placing.mover import Placed
from drover.planning.proof import capacity
from drover.planning.proof.capacity import Shortfall, Spare
from drover.planning.proof.reserve import Reserve
from drover.planning.proposal import Proposal
from drover.planning.proposing import propose
from tests.builders import NodeBuilder, VMIBuilder, a_node, a_plan, a_vmi
from tests.unit.planning.scene import Part, Scene, a_scene
from tests.unit.planning.test_placement_properties import movers, scenes

ZONE = "topology.kubernetes.io/zone"
PLAN = a_plan("p").evacuates("n1")


def zoned(name: str, memory: str) -> NodeBuilder:
    return a_node(name).memory(memory).labelled({ZONE: name[0]})


def on_n1(count: int, zone: str = "", memory: str = "4Gi") -> list[VMIBuilder]:
    """VMs that may go to one zone only, or to all."""
    vms = [a_vmi(f"{zone or 'vm'}-{n}").on("n1").memory(memory) for n in range(count)]
    return [vmi.set("spec.nodeSelector", {ZONE: zone}) if zone else vmi for vmi in vms]


def evacuation(*parts: Part, reserve: Reserve | None = None, plan: str = "p") -> Proposal:
    """What is proposed for emptying n1."""
    scene = a_scene(a_node("n1"), *parts)
    here = [vmi.metadata.name for vmi in scene.snapshot.vmis.values() if vmi.node == "n1"]
    goal = scene.goal(PLAN, *here, sources=("n1",))
    return propose([goal], scene.snapshot, {}, {}, reserve)[goal.plan.uid]


ZONES = [zoned(f"b{n}", "9Gi") for n in range(4)] + [zoned("a0", "64Gi")]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([*ZONES, *on_n1(8, "b")], None, id="all fit"),
        pytest.param(
            [*ZONES, *on_n1(11, "b"), *on_n1(2)],
            Shortfall(
                3,
                13,
                "nodes with zone=b (4 nodes) lack 12.8 GiB of memory in pieces of 4.2 GiB for 3 of the 11 VMs "
                "that fit nowhere else",
            ),
            id="a zone is too small",
        ),
        pytest.param(
            [*ZONES, *on_n1(1, "b", "10Gi")],
            Shortfall(
                1,
                1,
                "nodes with zone=b (4 nodes) lack 10.2 GiB of memory in pieces of 10.2 GiB "
                "(none has more than 9.0 GiB free)",
            ),
            id="no node is large enough",
        ),
        pytest.param([*ZONES, *on_n1(3, "c")], None, id="they may go nowhere, and room does not help"),
        pytest.param(
            [zoned("b0", "9Gi"), *on_n1(3, "c"), *on_n1(3, "b")],
            Shortfall(
                1,
                6,
                "node b0 lacks 4.2 GiB of memory in pieces of 4.2 GiB for 1 of the 3 VMs that fit nowhere else",
            ),
            id="some may go nowhere, and some have no room",
        ),
        pytest.param(
            [zoned("b0", "9Gi"), a_vmi("gpu").on("n1").requests({"nvidia.com/gpu": "1"})],
            None,
            id="nobody offers the device",
        ),
    ],
)
def test_a_shortfall(parts: list[Part], expected: Shortfall | None) -> None:
    assert evacuation(*parts).shortfall == expected


@given(scenes())
def test_placement_never_does_what_is_proven_impossible(scene: Scene) -> None:
    ground = scene.fleet()
    before = ground.free.copy()
    wanted = movers(scene, ground)
    answers = scene.place(*wanted).values()
    placed = sum(isinstance(answer, Placed) for answer in answers)
    found = capacity.shortfall(wanted, ground, before, ())
    assert placed + (found.vms if found is not None else 0) <= len(wanted)


def test_where_vms_differ_too_much_the_claim_is_weaker_and_not_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each could go only to where the other is: forgotten, both nodes count for both."""
    scene = a_scene(
        *(a_node(name).memory("18Gi") for name in ("n1", "n2")), *(a_vmi(f"v{n}").on(f"n{n}") for n in (1, 2))
    )
    ground = scene.fleet()
    wanted = movers(scene, ground)
    free = np.where(np.array([[True], [False]]), ground.free, 0)
    exact = capacity.shortfall(wanted, ground, free, ())
    assert exact is not None
    assert exact.vms == 1
    monkeypatch.setattr(capacity, "MOST_ROWS", 1)
    assert capacity.shortfall(wanted, ground, free, ()) is None


def others(count: int, node: str) -> list[VMIBuilder]:
    return [a_vmi(f"{node}-{n}").on(node).memory("4Gi") for n in range(count)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(
            [*(a_node(f"n{n}").memory("18Gi") for n in (2, 3)), *on_n1(1), *others(1, "n2")], Spare(True), id="kept"
        ),
        pytest.param(
            # n1 is being emptied, so that nobody goes there; n2 and n3 hold four VMs each, and no more.
            [*(a_node(f"n{n}").memory("18Gi") for n in (2, 3)), *on_n1(2), *others(3, "n2"), *others(3, "n3")],
            Spare(
                False,
                ("n2",),
                "node n3 lacks 17.0 GiB of memory in pieces of 4.2 GiB (it has only 1.0 GiB free)",
            ),
            id="full after the plan",
        ),
    ],
)
def test_a_reserve_after_the_plan(parts: list[Part], expected: Spare) -> None:
    assert evacuation(*parts, reserve=Reserve()).spare == expected
    assert evacuation(*parts).spare is None


def after(scene: Scene, *moves: tuple[str, str]) -> list[bool | None]:
    """Whether the reserve is kept after each plan, told as its name and its VM: "dry ..." is a dry run."""
    plans = [(a_plan(name).dry() if name.startswith("dry") else a_plan(name), vm) for name, vm in moves]
    goals = [scene.goal(plan, vm) for plan, vm in plans]
    found = propose(goals, scene.snapshot, {}, {}, Reserve())
    spares = [found[goal.plan.uid].spare for goal in goals]
    return [each.kept if each is not None else None for each in spares]


def test_the_room_a_vm_leaves_is_free_afterwards() -> None:
    """Each node holds two."""
    nodes = [a_node(f"n{n}").memory("9Gi") for n in (1, 2)]
    assert after(a_scene(*nodes, *others(2, "n1")), ("p", "n1-0")) == [True]
    assert after(a_scene(*nodes, *others(2, "n1"), *others(1, "n2")), ("p", "n1-0")) == [False]


def test_goals_before_count_as_done_and_dry_runs_do_not() -> None:
    """n1 and n2 hold two VMs, n3 one, which may go to n2 only: not when both of the others are there."""
    nodes = [zoned("n1", "9Gi"), zoned("n2", "9Gi").labelled(rack="b"), zoned("n3", "5Gi").labelled(rack="b")]
    third = a_vmi("third").on("n3").memory("4Gi").set("spec.nodeSelector", {"rack": "b"})
    scene = a_scene(*nodes, third, *others(2, "n1"))
    assert after(scene, ("a", "n1-0"), ("b", "n1-1")) == [True, False]
    assert after(scene, ("dry", "n1-0"), ("b", "n1-1")) == [False, True]
    assert after(scene, ("dry one", "n1-0"), ("dry two", "n1-1")) == [True, True]
