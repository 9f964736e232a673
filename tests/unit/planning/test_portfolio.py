"""Whatever the fleet: targets are legal, in the end and on the way, and extra moves are made only where they help."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.planning.placing.ejection import PATIENCE, repair
from drover.planning.placing.ground import NOWHERE, Ground, sized
from drover.planning.placing.packing import REFUSAL, REPULSION, STYLES, Style, order, pack
from drover.planning.placing.portfolio import Placement, place
from drover.planning.placing.pricing import bound
from drover.planning.placing.problem import Floats, essential
from tests.unit.planning.problems import Apart, Scene, Unrelated, a_scene, scenes

NEVER = frozenset[tuple[int, int]]


def answer(scene: Scene) -> Placement:
    return place(scene.problem, scene.relations)


def mates_together(scene: Scene, where: list[int]) -> set[tuple[int, int]]:
    """Pairs that may not be on one node, and are."""
    pairs = {(a, b) for group in scene.apart for a in group for b in group if a < b}
    return {(a, b) for a, b in pairs if where[a] == where[b]}


@given(scenes())
def test_targets_are_where_the_vm_may_be_and_everybody_is_accounted_for(scene: Scene) -> None:
    found, problem = answer(scene), scene.problem
    assert {*found.targets, *found.unplaced} == {*problem.movers, *found.extra}
    assert not found.targets.keys() & set(found.unplaced)
    assert set(found.extra) <= set(problem.residents)
    for vm, node in found.targets.items():
        assert problem.allowed[problem.row[vm], node]
        assert node != problem.at[vm]
        assert node not in problem.barred.get(vm, ())


@given(scenes())
def test_nobody_comes_to_a_node_of_one_who_minds(scene: Scene) -> None:
    found, before = answer(scene), scene.problem.at.tolist()
    after = [found.targets.get(vm, node) for vm, node in enumerate(before)]
    assert mates_together(scene, after) <= mates_together(scene, before)


@given(scenes(), st.data())
def test_any_schedule_that_waits_as_told_overfills_no_node(scene: Scene, data: st.DataObject) -> None:
    found, problem = answer(scene), scene.problem
    free, running, ended = problem.free.copy(), set[int](), set[int]()
    while len(ended) < len(found.targets):
        ready = [vm for vm in found.targets if ended.issuperset(found.after.get(vm, ()))]
        starts = [vm for vm in ready if vm not in running | ended]
        begins = bool(starts) and (not running or data.draw(st.booleans()))
        vm = data.draw(st.sampled_from(starts if begins else sorted(running)))
        if begins:
            running.add(vm)
            free[found.targets[vm]] -= problem.demand[vm]
            assert (free[found.targets[vm]][problem.demand[vm] > 0] >= 0).all()
        else:
            running.remove(vm)
            ended.add(vm)
            free[problem.at[vm]] += problem.demand[vm]


@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_in_which_vms_are_named_does_not_matter(scene: Scene, shuffling: st.DrawFn) -> None:
    movers = list(scene.problem.movers)
    shuffling.shuffle(movers)  # type: ignore[attr-defined]
    assert answer(scene.with_movers(movers)) == answer(scene)


@given(scenes())
def test_without_residents_who_may_move_no_one_but_the_movers_moves(scene: Scene) -> None:
    alone = Scene(replace(scene.problem, residents=()), scene.apart)
    found = answer(alone)
    assert not found.extra
    assert not found.after
    assert len(answer(scene).unplaced) <= len(found.unplaced)


@given(scenes(), st.sampled_from(STYLES))
def test_packing_chooses_what_looking_at_every_node_anew_would_choose(scene: Scene, style: Style) -> None:
    ready = sized(scene.problem)
    quick, slow = Ground(ready, scene.relations()), Ground(ready, scene.relations())
    unplaced = pack(quick, style, budget=7.0)
    for vm in order(ready, style):
        scores = {}
        for node in np.flatnonzero(slow.open(vm)).tolist():
            left = float(slow.left(vm)[node])
            if left >= 0:
                part = float(slow.inbound[node]) / 7.0
                scores[node] = (-left if style.tight else left) - REPULSION * part - REFUSAL * max(part - 1, 0)
        assert bool(scores) == (vm not in unplaced)
        if scores:
            assert quick.where[vm] == max(scores, key=lambda node: (scores[node], -node))
            slow.go(vm, int(quick.where[vm]))


@given(scenes(), st.sampled_from(STYLES))
def test_repair_loses_nobody_who_had_a_place(scene: Scene, style: Style) -> None:
    ground = Ground(sized(scene.problem), scene.relations())
    unplaced = pack(ground, style, budget=1.0)
    left = repair(ground, unplaced)
    assert set(left) <= set(unplaced)
    assert {vm for vm in scene.problem.movers if ground.where[vm] == NOWHERE} == set(left)


@given(scenes(), st.sampled_from(STYLES))
def test_what_is_taken_back_leaves_no_trace(scene: Scene, style: Style) -> None:
    relations = scene.relations()
    ground = Ground(sized(scene.problem), relations)
    repair(ground, pack(ground, style, budget=1.0))
    ground.back_to(0)
    fresh = Ground(ground.sized, Apart(scene))
    assert (ground.free == fresh.free).all()
    assert (ground.where == fresh.where).all()
    assert np.allclose(ground.inbound, 0)
    assert relations.where == Apart(scene).where


@given(scenes(), st.data())
def test_resources_that_are_left_out_never_decide(scene: Scene, data: st.DataObject) -> None:
    """Whoever of the residents has left, and wherever anybody has come."""
    problem = scene.problem
    kept = essential(problem.demand, problem.free, list(problem.residents))
    free = problem.free.copy()
    for vm in problem.residents:
        if data.draw(st.booleans(), label=f"{vm} leaves"):
            free[problem.at[vm]] += problem.demand[vm]
    nodes = st.integers(0, len(free) - 1)
    for vm in data.draw(st.lists(st.integers(0, len(problem.at) - 1), unique=True), label="come"):
        free[data.draw(nodes)] -= problem.demand[vm]
    for vm, need in enumerate(problem.demand):
        asked = need > 0
        every = (free[:, asked] >= need[asked]).all(axis=1)
        few = [n for n in kept if asked[n]]
        assert ((free[:, few] >= need[few]).all(axis=1) == every).all(), vm


def test_a_resident_leaves_behind_only_what_it_held() -> None:
    """On node 1 nobody has any of the first resource, and it has none."""
    whole, never = [[1, 1], [0, 1], [1, 1]], NEVER({(0, 2)})
    scene = a_scene([[1, 1], [0, 1]], [0, 1], whole, movers=[0], residents=[1], never=never)
    assert answer(scene).unplaced == (0,)


def test_a_resident_leaves_for_one_who_fits_nowhere_else() -> None:
    """The mover needs 4, and only the small resident of node 1 can make that room."""
    scene = a_scene([[4], [2], [3]], [0, 1, 2], [[4], [5], [5]], movers=[0], residents=[1, 2])
    found = answer(scene)
    assert found.targets == {0: 1, 1: 2}
    assert found.after == {0: (1,)}


def test_a_resident_stays_if_nobody_says_it_may_move() -> None:
    scene = a_scene([[4], [2], [3]], [0, 1, 2], [[4], [5], [5]], movers=[0], residents=[])
    assert (answer(scene).targets, answer(scene).unplaced) == ({}, (0,))


def test_one_that_makes_room_may_need_another_to_make_room_for_it() -> None:
    """Node 1 has room once VM 1 leaves for node 2, whose VM 2 goes to node 3."""
    never = NEVER({(0, 2), (0, 3), (1, 3)})
    scene = a_scene([[4], [3], [2]], [0, 1, 2], [[4], [4], [4], [2]], [0], [1, 2], never=never)
    found = answer(scene)
    assert found.targets == {0: 1, 1: 2, 2: 3}
    assert found.after == {1: (2,), 0: (1,)}


def test_several_make_room_together() -> None:
    never = NEVER({(0, 2), (0, 3)})
    scene = a_scene([[4], [2], [2]], [0, 1, 1], [[4], [4], [2], [2]], [0], [1, 2], never=never)
    found = answer(scene)
    assert found.targets.keys() == {0, 1, 2}
    assert found.after == {0: (1, 2)}


def test_a_mover_changes_its_mind_before_a_resident_is_made_to_move() -> None:
    """A tight packing puts VM 1 where only VM 0 could go."""
    never = NEVER({(0, 2)})
    scene = a_scene([[3], [3], [1]], [0, 0, 2], [[6], [3], [5]], [0, 1], [2], never=never)
    found = answer(scene)
    assert (found.targets, found.extra) == ({0: 1, 1: 2}, ())
    ground = Ground(sized(scene.problem), Unrelated())
    ground.go(1, 1)
    assert repair(ground, [0]) == []
    assert ground.where.tolist() == [1, 2, 2]


def test_several_leave_the_one_node_that_their_leaving_helps() -> None:
    """Forty others lack less, and nobody is there who could go."""
    rest = 40
    never = NEVER({(0, 0), (1, 0), (2, 0)})
    scene = a_scene(
        [[6], [3], [3]] + [[1]] * rest,
        [0] * 3 + [*range(2, rest + 2)],
        [[12]] + [[6]] * (rest + 1),
        [0, 1, 2],
        never=never,
    )
    ground = Ground(sized(scene.problem), Unrelated())
    ground.go(1, 1)
    ground.go(2, 1)
    assert repair(ground, [0]) == []
    assert ground.where[0] == 1


def test_several_leave_for_one_who_leaves_if_nothing_else_helps() -> None:
    """VM 1 has to leave node 1 for VM 0, and VMs 2 and 3 node 2 for VM 1."""
    homes = {0: {1}, 1: {1, 2}, 2: {2, 3}, 3: {2, 4}}
    never = NEVER({(vm, node) for vm, its in homes.items() for node in range(5) if node not in its})
    scene = a_scene([[6], [6], [3], [3]], [0] * 4, [[18], [6], [6], [3], [3]], [0, 1, 2, 3], never=never)
    ground = Ground(sized(scene.problem), Unrelated())
    for vm, node in (1, 1), (2, 2), (3, 2):
        ground.go(vm, node)
    assert repair(ground, [0]) == [0]
    assert ground.where.tolist() == [NOWHERE, 1, 2, 2]
    assert repair(ground, [0], deep=True) == []
    assert ground.where.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_a_target_with_much_inbound_work_is_worse(style: Style) -> None:
    """The one that is liked best, whatever it is liked for, does not get both when one is more than it can take."""
    problem = a_scene([[10], [10], [1]], [0, 0, 1], [[20], [1000], [100]], [0, 1], []).problem
    ground = Ground(sized(problem), Unrelated())
    assert pack(ground, style, budget=bound(problem, np.zeros(3)) / 2) == []
    assert sorted(ground.where.tolist()) == [1, 1, 2]


@pytest.mark.parametrize(
    ("inbound", "longest"),
    [
        pytest.param([0, 0, 0], 10.0, id="out of the one source, two at once"),
        pytest.param([0, 14, 0], 14.0, id="into the busiest target, one at once"),
    ],
)
def test_the_bound_is_the_busiest_lane(inbound: list[float], longest: float) -> None:
    scene = a_scene([[9], [9]], [0, 0], [[20], [20], [20]], [0, 1])
    assert bound(scene.problem, np.array(inbound, dtype=np.float64)) == longest


def test_nothing_to_move_is_an_answer() -> None:
    found = answer(a_scene([[1]], [1], [[2], [2]], movers=[], residents=[0]))
    assert (found.targets, found.unplaced, found.bottleneck) == ({}, (), 0.0)


def test_a_repair_that_helps_nobody_ends() -> None:
    """Each takes more than half of a node and no two ask the same, so that each is asked anew; room in which none of
    them may be lets no resource say so at once. Counted in places looked for, on as many nodes as there are."""
    nodes, vms = 40, 60
    demand = [[60 + vm % 37, 60 + vm % 23] for vm in range(vms)]
    never = NEVER({(vm, nodes) for vm in range(vms)} | {(vm, nodes + 1) for vm in range(vms + 1)})
    whole = [[100, 100]] * nodes + [[9999, 9999]] * 2
    scene = a_scene([*demand, [1, 1]], [nodes + 1] * (vms + 1), whole, range(vms + 1), never=never)
    ground = Looked(sized(scene.problem), Unrelated())
    assert len(repair(ground, pack(ground, STYLES[0], budget=1e9))) == vms - nodes
    assert ground.looks < 2 * PATIENCE


@dataclass(slots=True)
class Looked(Ground):
    """Counts how often a VM's room is looked for."""

    looks: int = 0

    def left(self, vm: int) -> Floats:
        self.looks += 1
        return Ground.left(self, vm)
