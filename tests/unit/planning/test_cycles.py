"""Moves that wait for each other's room get an order in which no node is ever overfilled, on either side of a move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planning.reshuffling import Reshuffle, a_reshuffle
from drover.planning.placing.circles import circles
from drover.planning.placing.cycles import Sequenced
from drover.planning.placing.room import Amounts, waits


def amounts(*rows: list[int]) -> Amounts:
    return np.array(rows, dtype=np.int64)


def legs(found: Sequenced) -> list[tuple[int, int, int]]:
    return [(step.vm, step.source, step.target) for step in found.steps]


@st.composite
def reshuffles(draw: st.DrawFn) -> Reshuffle:
    """Nodes just large enough for both ends, with now and then something to spare."""
    nodes, vms = draw(st.integers(2, 5)), draw(st.integers(1, 9))
    place = st.lists(st.integers(0, nodes - 1), min_size=vms, max_size=vms)
    source, target = draw(place), draw(place)
    demand = amounts(*([draw(st.integers(0, 4)), draw(st.integers(0, 2))] for _ in range(vms)))
    capacity = np.zeros((nodes, 2), dtype=np.int64)
    for where in (source, target):
        held = np.zeros_like(capacity)
        np.add.at(held, where, demand)
        capacity = np.maximum(capacity, held)
    capacity += amounts(*([draw(st.integers(0, 3)), draw(st.integers(0, 1))] for _ in range(nodes)))
    barred = draw(st.frozensets(st.tuples(st.integers(0, vms - 1), st.integers(0, nodes - 1)), max_size=6))
    return Reshuffle(source, target, demand, capacity, barred)


@given(reshuffles())
def test_step_by_step_no_node_is_overfilled_and_each_vm_comes_to_its_target_or_is_stuck(scene: Reshuffle) -> None:
    found = scene.sequence()
    free, at = scene.free.copy(), list(scene.source)
    for vm, source, target in legs(found):
        assert at[vm] == source != target
        free[target] -= scene.demand[vm]
        assert (free >= 0).all(), "while both hosts hold it"
        free[source] += scene.demand[vm]
        at[vm] = target
        assert target == scene.target[vm] or (vm, target) not in scene.barred
    assert [vm for vm in range(len(at)) if at[vm] != scene.target[vm]] == list(found.stuck)


@given(reshuffles(), st.data())
def test_any_schedule_that_waits_as_told_is_legal(scene: Reshuffle, data: st.DataObject) -> None:
    found = scene.sequence()
    free, running, ended = scene.free.copy(), set[int](), set[int]()
    while len(ended) < len(found.steps):
        may_start = [
            n for n, step in enumerate(found.steps) if n not in running | ended and ended.issuperset(step.after)
        ]
        begins = bool(may_start) and (not running or data.draw(st.booleans()))
        n = data.draw(st.sampled_from(may_start if begins else sorted(running)))
        step = found.steps[n]
        if begins:
            running.add(n)
            free[step.target] -= scene.demand[step.vm]
        else:
            running.remove(n)
            ended.add(n)
            free[step.source] += scene.demand[step.vm]
        assert (free >= 0).all()


@given(st.integers(2, 6), st.integers(1, 4), st.data())
def test_one_free_slot_is_enough_for_equal_vms(nodes: int, slots: int, data: st.DataObject) -> None:
    seats = [node for node in range(nodes) for _ in range(slots)]
    source, target = data.draw(st.permutations(seats)), data.draw(st.permutations(seats))
    count = len(seats) - data.draw(st.integers(1, slots))
    demand = np.ones((count, 1), dtype=np.int64)
    found = Reshuffle(source[:count], target[:count], demand, np.full((nodes, 1), slots)).sequence()
    assert not found.stuck


@given(reshuffles())
def test_nobody_steps_aside_who_need_not(scene: Reshuffle) -> None:
    """With room for all at both ends at once, each moves once."""
    held = np.zeros_like(scene.capacity)
    np.add.at(held, scene.target, scene.demand)
    roomy = Reshuffle(scene.source, scene.target, scene.demand, scene.capacity + held)
    assert len(roomy.sequence().steps) == roomy.moves
    assert all(not step.after for step in roomy.sequence().steps)


def test_two_full_nodes_swap_by_way_of_a_third() -> None:
    scene = Reshuffle([0, 1], [1, 0], amounts([4], [3]), amounts([4], [4], [3]))
    found = scene.sequence()
    assert legs(found) == [(1, 1, 2), (0, 0, 1), (1, 2, 0)]
    assert [step.after for step in found.steps] == [(), (0,), (0, 1)]


def test_several_step_aside_where_one_is_not_enough() -> None:
    scene = Reshuffle([0, 1, 1], [1, 0, 0], amounts([4], [2], [2]), amounts([4], [4], [2], [2]))
    assert [vm for vm, _, _ in legs(scene.sequence())] == [2, 1, 0, 1, 2]


def test_one_that_has_come_to_stay_steps_aside_if_need_be() -> None:
    barred = frozenset({(1, 2)})
    scene = Reshuffle([0, 1, 1], [1, 0, 1], amounts([4], [2], [2]), amounts([4], [6], [2]), barred)
    assert legs(scene.sequence()) == [(2, 1, 2), (0, 0, 1), (1, 1, 0), (2, 2, 1)]


@pytest.mark.parametrize(
    ("capacity", "barred"),
    [
        pytest.param([[4], [4], [2]], frozenset[tuple[int, int]](), id="the third node is too small"),
        pytest.param([[4], [4], [4]], frozenset({(0, 2), (1, 2)}), id="the third node is not allowed"),
        pytest.param([[4], [4]], frozenset[tuple[int, int]](), id="there is no third node"),
    ],
)
def test_who_cannot_step_aside_is_stuck(capacity: list[list[int]], barred: frozenset[tuple[int, int]]) -> None:
    found = Reshuffle([0, 1], [1, 0], amounts([4], [3]), amounts(*capacity), barred).sequence()
    assert (found.steps, found.stuck) == ((), (0, 1))


def test_a_target_that_never_has_room_leaves_only_its_vm_stuck() -> None:
    scene = Reshuffle([0, 0], [1, 2], amounts([4], [1]), amounts([5], [3], [1]))
    found = scene.sequence()
    assert legs(found) == [(1, 0, 2)]
    assert found.stuck == (0,)


@pytest.mark.parametrize(("util", "hops"), [(0.80, 0), (0.90, 0), (0.95, 30)])
def test_a_full_reshuffle_comes_to_its_end(util: float, hops: int) -> None:
    scene = a_reshuffle(util, seed=1, vms=400, nodes=20)
    found = scene.sequence()
    assert not found.stuck
    assert len(found.steps) - scene.moves <= hops


def test_room_is_waited_for_only_where_it_is_needed() -> None:
    """Of two that leave, the one that is enough alone."""
    free = amounts([0], [9], [9])
    found = waits([0, 0, 1, 1], [1, 2, 0, 0], amounts([1], [3], [2], [2]), free)
    assert found == [(), (), (1,), (0, 1)]


def test_what_is_not_asked_for_may_be_overdrawn() -> None:
    assert waits([0], [1], amounts([2, 0]), amounts([0, 0], [2, -1])) == [()]


def test_an_order_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="no legal order"):
        waits([0, 1], [1, 0], amounts([2], [2]), amounts([0], [1]))


@given(st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 7), max_size=4)))
def test_nodes_are_in_one_circle_if_each_is_reached_from_the_other(edges: dict[int, list[int]]) -> None:
    reached = {(a, b) for a, following in edges.items() for b in following}
    for middle in range(8):
        reached |= {(a, b) for a in range(8) for b in range(8) if {(a, middle), (middle, b)} <= reached}
    mates = {frozenset(b for b in range(8) if b == a or {(a, b), (b, a)} <= reached) for a in range(8)}
    found = circles(edges)
    assert {frozenset(each) for each in found} == {each for each in mates if len(each) > 1}
    for n, circle in enumerate(found):
        assert not any((circle[0], later[0]) in reached for later in found[n + 1 :]), "who waits comes after"
