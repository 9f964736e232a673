"""Bounds: below every schedule, attained where theory says so, and in words."""

from collections import Counter
from itertools import permutations, product
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.planning.timing import bounds
from drover.planning.timing.bounds import Bound, Cut, Network
from drover.planning.timing.moves import Job, Limits
from drover.planning.timing.order import fastest, in_order

TARGETS = ("t0", "t1", "t2")


def job(vm: str, source: str = "s", target: str = "t", seconds: float = 10, *after: str, size: float = 0) -> Job:
    return Job(vm, source, target, seconds, after, size=size)


@st.composite
def moves(draw: st.DrawFn, most: int = 10, unit: bool = False, chains: bool = True) -> list[Job]:
    jobs: list[Job] = []
    for n in range(draw(st.integers(0, most))):
        after = (draw(st.sampled_from(jobs)).vm,) if jobs and chains and draw(st.integers(0, 3)) == 0 else ()
        seconds = 1 if unit else draw(st.integers(0, 9))
        rate = draw(st.sampled_from([0.0, 1.0, 3.0]))
        source, target = draw(st.sampled_from("abc")), draw(st.sampled_from(TARGETS))
        jobs.append(Job(f"v{n}", source, target, seconds, after, rate))
    return jobs


few = st.builds(Limits, st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.sampled_from([2.0, 5.0, 1e9]))


@given(moves(), few, st.data())
def test_no_schedule_is_below_its_bounds(jobs: list[Job], limits: Limits, data: st.DataObject) -> None:
    others = data.draw(st.lists(st.sets(st.sampled_from(TARGETS)), min_size=len(jobs), max_size=len(jobs)))
    homes = {each.vm: frozenset({each.target, *more}) for each, more in zip(jobs, others, strict=True)}
    for found in (fastest(jobs, limits), in_order(jobs, limits)):
        for bound in (bounds.makespan(jobs, limits, homes), bounds.with_targets(jobs, limits)):
            assert bound.seconds <= found.makespan * (1 + 1e-9)


@given(moves(most=5, chains=False), few)
def test_the_bound_without_targets_holds_for_every_placement(jobs: list[Job], limits: Limits) -> None:
    """Every VM may go to two of the nodes, wherever its job sends it."""
    homes = {each.vm: frozenset({TARGETS[0], TARGETS[1]}) for each in jobs}
    least = bounds.makespan(jobs, limits, homes).seconds
    for targets in product(TARGETS[:2], repeat=len(jobs)):
        there = [
            Job(each.vm, each.source, target, each.seconds, rate=each.rate)
            for each, target in zip(jobs, targets, strict=True)
        ]
        assert least <= fastest(there, limits).makespan * (1 + 1e-9)


@given(moves(most=5, unit=True, chains=False), st.integers(1, 4), st.integers(1, 2), st.integers(1, 2))
def test_moves_of_one_length_attain_it(jobs: list[Job], total: int, out: int, into: int) -> None:
    """König and de Werra: the optimum is the largest of the three quotients, and some order finds it."""
    limits = Limits(total, out, into)
    least = max(bounds.makespan(jobs, limits).seconds, bounds.with_targets(jobs, limits).seconds)
    sources, targets = (Counter(getattr(each, end) for each in jobs) for end in ("source", "target"))
    quotients = [ceil(count / slots) for ends, slots in ((sources, out), (targets, into)) for count in ends.values()]
    assert least == max([ceil(len(jobs) / total), *quotients])
    assert min(in_order(each, limits).makespan for each in permutations(jobs)) == least
    assert fastest(jobs, limits).makespan <= 2 * least


@given(moves(most=5, chains=False), st.integers(1, 3))
def test_where_only_the_slots_limit_it_it_is_close(jobs: list[Job], slots: int) -> None:
    """Graham, 1969: longest first is at most 4/3 of the optimum, and this bound with pigeonholes is no further off."""
    limits = Limits(slots, 9, 9)
    least = bounds.makespan(jobs, limits).seconds
    assert least <= min(in_order(each, limits).makespan for each in permutations(jobs)) <= 1.5 * least


A = [job(f"a{n}", "n1", seconds=10) for n in range(4)]
NODES = frozenset({"t1", "t2"})


@pytest.mark.parametrize(
    ("jobs", "limits", "options", "bound"),
    [
        ([], Limits(5, 2, 2), {}, Bound(0, "nothing has to move")),
        (A, Limits(1, 9, 9), {}, Bound(40, "the 1 slot of the cluster")),
        (A, Limits(5, 2, 9), {}, Bound(20, "the 2 slots out of n1")),
        (A[:3], Limits(5, 2, 9), {}, Bound(20, "the 2 slots out of n1")),
        ([*A, job("big", "n2", seconds=90)], Limits(5, 2, 9), {}, Bound(90, "the longest move, of big")),
        (A, Limits(5, 9, 1), {"homes": dict.fromkeys(("a0", "a1", "a2", "a3"), NODES)}, Bound(20, "")),
        (A, Limits(5, 9, 9), {"admission": 5.0}, Bound(20, "5 s between two migrations that KubeVirt lets begin")),
        (
            [job("a", "n1", seconds=1, size=100)],
            Limits(5, 9, 9),
            {"network": Network(out={"n1": 2.0})},
            Bound(50, "the network out of n1"),
        ),
        (
            [job("a", size=60), job("b", size=60), job("c", size=500)],
            Limits(5, 9, 9),
            {
                "homes": {"a": NODES, "b": frozenset({"t1"}), "c": NODES | {"t3"}},
                "network": Network(into={"t1": 2.0, "t2": 1.0}),
            },
            Bound(40, "the network into the 2 nodes that 2 VMs can go to"),
        ),
        (
            [job("a", "n1", size=60), job("b", "n2", size=60), job("c", "n1", size=60)],
            Limits(5, 9, 9),
            {
                "homes": {"a": NODES, "b": NODES, "c": NODES | {"n2"}},
                "network": Network(cuts=[Cut("rack-a", frozenset({"n1", "n2"}), 2.0)]),
            },
            Bound(60, "the link rack-a"),
        ),
        (
            [Job(f"v{n}", f"n{n}", "t", 10, rate=5) for n in range(3)],
            Limits(9, 9, 9, bandwidth=5),
            {},
            Bound(30, "the bandwidth of all migrations together"),
        ),
    ],
)
def test_what_binds(jobs: list[Job], limits: Limits, options: dict[str, object], bound: Bound) -> None:
    found = bounds.makespan(jobs, limits, **options)  # type: ignore[arg-type]  # named by the table
    assert found.seconds == bound.seconds
    assert found.by == (bound.by or "the slots into the 2 nodes that 4 VMs can go to")


@pytest.mark.parametrize(
    ("jobs", "bound"),
    [
        ([], Bound()),
        ([job("a"), job("b"), job("c")], Bound(20, "the 2 slots into t")),
        ([job("a"), job("b", "s", "u", 10, "a"), job("c", "s", "v", 7, "b", "gone")], Bound(27, "")),
        ([job("a", target=""), job("b", target="")], Bound(10, "the chain of moves that ends with b")),
    ],
)
def test_what_binds_with_targets(jobs: list[Job], bound: Bound) -> None:
    found = bounds.with_targets(jobs, Limits(9, 9, 2))
    assert found == (bound if bound.by else Bound(bound.seconds, "the chain of moves that ends with c"))


def test_moves_that_wait_for_each_other() -> None:
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        bounds.with_targets([job("a", "s", "t", 1, "b"), job("b", "s", "t", 1, "a")], Limits(1, 1, 1))


@pytest.mark.parametrize(
    ("count", "unplaced", "admitted", "least"),
    [(0, 0, 1, 0), (31, 0, 1, 31), (31, 2.0, 1, 33), (31, 1.2, 1, 33), (31, 5, 2, 34), (31, 1e-9, 1, 31)],
)
def test_migrations(count: int, unplaced: float, admitted: int, least: int) -> None:
    assert bounds.migrations(count, unplaced, admitted) == least
