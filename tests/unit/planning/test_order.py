"""When moves start: against a slow search at every moment, an exhaustive one over small instances, and the limits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from math import inf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drover.planning.timing.moves import Job, Limits
from drover.planning.timing.order import Rule, Schedule, fastest, in_order, least_loss, schedule

LONGEST_OF_CRITICAL_SOURCE = Rule(lambda job: (-job.seconds,), "source")
LONGEST_TO_CRITICAL_TARGET = Rule(lambda job: (-job.seconds,), "target")
LONGEST = Rule(lambda job: (-job.seconds,))
RULES = pytest.mark.parametrize(
    "rule", [LONGEST_OF_CRITICAL_SOURCE, LONGEST_TO_CRITICAL_TARGET, LONGEST], ids=["source", "target", "longest"]
)


def job(vm: str, source: str, target: str, seconds: float = 10, *after: str, rate: float = 0, **more: bool) -> Job:
    return Job(vm, source, target, seconds, after, rate, **more)


@st.composite
def some_jobs(draw: st.DrawFn, most: int = 7, rates: Sequence[float] = (0,), running: bool = False) -> list[Job]:
    """Moves between few nodes, some after others; whole seconds, so that sums are exact."""
    jobs: list[Job] = []
    for n in range(draw(st.integers(0, most))):
        before = draw(st.lists(st.sampled_from(jobs), max_size=2, unique=True)) if jobs else []
        jobs.append(
            Job(
                f"v{n}",
                f"s{draw(st.integers(0, 3))}",
                draw(st.sampled_from(["", "t0", "t1", "t2", "t3"])),
                draw(st.integers(0, 9)),
                tuple(one.vm for one in before) if draw(st.integers(0, 2)) == 0 else (),
                draw(st.sampled_from(rates)),
                running=running and draw(st.integers(0, 4)) == 0,
            )
        )
    return draw(st.permutations([replace(one, after=()) if one.running else one for one in jobs]))


few = st.builds(Limits, st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))


def by_search(jobs: Sequence[Job], limits: Limits, rule: Rule) -> dict[str, tuple[float, float]]:
    """The same by looking at every move at every moment."""
    starts: dict[str, float] = {each.vm: 0.0 for each in jobs if each.running}
    of = {each.vm: each for each in jobs}
    now = 0.0

    def left(end: str, node: str) -> float:
        return sum(each.seconds for each in jobs if getattr(each, end) == node and each.vm not in starts)

    def place(each: Job) -> tuple[object, ...]:
        work = left(rule.critical, getattr(each, rule.critical)) if rule.critical else 0
        return (-work, rule.rank(each), each.vm)

    while len(starts) < len(jobs):
        flying = [of[vm] for vm, start in starts.items() if start + of[vm].seconds > now]
        can = [
            each
            for each in jobs
            if each.vm not in starts
            and all(vm not in of or (vm in starts and starts[vm] + of[vm].seconds <= now) for vm in each.after)
            and len(flying) < limits.total
            and sum(other.source == each.source for other in flying) < limits.per_source
            and (not each.target or sum(other.target == each.target for other in flying) < limits.per_target)
        ]
        # What takes no time is over at once, and is told apart from what starts after it by being looked at again.
        if can:
            starts[min(can, key=place).vm] = now
        else:
            now = min(starts[each.vm] + each.seconds for each in flying)
    return {vm: (start, start + of[vm].seconds) for vm, start in starts.items()}


def told(found: Schedule) -> dict[str, tuple[float, float]]:
    return {vm: (slot.start, slot.end) for vm, slot in found.slots.items()}


@RULES
@given(jobs=some_jobs(running=True), limits=few)
def test_it_is_what_a_search_at_every_moment_finds(rule: Rule, jobs: list[Job], limits: Limits) -> None:
    jobs = [replace(each, seconds=each.seconds + 1) for each in jobs]
    assert told(schedule(jobs, limits, rule)) == by_search(jobs, limits, rule)


@given(some_jobs(running=True), few)
def test_it_does_not_matter_how_they_are_listed(jobs: list[Job], limits: Limits) -> None:
    assert fastest(jobs, limits) == fastest(sorted(jobs, key=lambda each: each.vm), limits)


def check(jobs: Sequence[Job], limits: Limits, found: Schedule) -> None:
    """No limit is broken at any moment by what was not in flight before, and nobody starts before those it is after."""
    assert set(found.slots) == {each.vm for each in jobs}
    assert found.makespan == max((slot.end for slot in found.slots.values()), default=0)
    starts = [found.slots[vm].start for vm in found.order]
    assert starts == sorted(starts)
    assert sorted(found.order) == sorted(each.vm for each in jobs if not each.running)
    for each in jobs:
        slot = found.slots[each.vm]
        assert slot.end == slot.start + each.seconds
        assert all(found.slots[vm].end <= slot.start for vm in each.after)
        if each.running:
            assert slot.start == 0
            continue
        there = [o for o in jobs if found.slots[o.vm].start <= slot.start < found.slots[o.vm].end and o is not each]
        assert Counter(o.source for o in there)[each.source] < limits.per_source or not each.seconds
        assert not each.target or Counter(o.target for o in there)[each.target] < limits.per_target or not each.seconds
        assert len(there) < limits.total or not each.seconds
        assert not there or sum(o.rate for o in there) + each.rate <= limits.bandwidth or not each.seconds


@given(some_jobs(rates=(0, 1, 3, 9)), few, st.sampled_from([inf, 4.0, 2.0]))
def test_limits_hold_at_every_moment(jobs: list[Job], limits: Limits, bandwidth: float) -> None:
    limits = replace(limits, bandwidth=bandwidth)
    for found in (fastest(jobs, limits), in_order(jobs, limits)):
        check(jobs, limits, found)


@given(some_jobs(running=True), few)
def test_what_is_in_flight_keeps_its_slots(jobs: list[Job], limits: Limits) -> None:
    found = fastest(jobs, limits)
    flying = [each for each in jobs if each.running]
    assert all(found.slots[each.vm].start == 0 for each in flying)
    for each in jobs:
        slot = found.slots[each.vm]
        there = [o for o in flying if o.seconds > slot.start]
        assert each.running or len(there) < limits.total


def shortest(jobs: Sequence[Job], limits: Limits) -> float:
    """The shortest makespan there is: some order of starting gives it."""
    return min(in_order(each, limits).makespan for each in permutations(jobs))


@given(some_jobs(most=4), few)
def test_it_is_near_the_shortest_there_is(jobs: list[Job], limits: Limits) -> None:
    """A move that waits does so for one of three limits, so three times the shortest are never exceeded; in small
    instances it is half more at most."""
    assume(not any(each.after for each in jobs))
    found = fastest(jobs, limits).makespan
    assert shortest(jobs, limits) <= found <= 1.5 * shortest(jobs, limits)


@given(some_jobs(most=6), few)
def test_no_rule_of_the_portfolio_is_better_than_what_is_taken(jobs: list[Job], limits: Limits) -> None:
    assert fastest(jobs, limits).makespan <= schedule(jobs, limits, LONGEST_OF_CRITICAL_SOURCE).makespan + 9


def test_the_source_with_the_most_to_do_comes_first() -> None:
    jobs = [job("a", "s1", "t1", 30), *(job(f"b{n}", "s2", f"t{n + 2}", 20) for n in range(3))]
    found = fastest(jobs, Limits(2, 1, 1))
    assert found.order == ("b0", "a", "b1", "b2")
    assert found.makespan == 60


def test_one_that_cannot_start_holds_nobody_up() -> None:
    jobs = [job("a", "s1", "t1"), job("b", "s1", "t2"), job("c", "s2", "t3")]
    assert in_order(jobs, Limits(2, 1, 1)).order == ("a", "c", "b")


def test_after() -> None:
    """An ejection: v can go to t1 only when w has left it."""
    found = fastest([job("v", "s1", "t1", 10, "w"), job("w", "t1", "t2", 5), job("x", "s1", "t2", 1, "gone")], WIDE)
    assert told(found)["v"] == (5, 15)
    assert told(found)["x"] == (0, 1)


WIDE = Limits(10, 10, 10)


@pytest.mark.parametrize(
    ("jobs", "limits", "words"),
    [
        ([job("a", "s", "t", 1, "b"), job("b", "s", "t", 1, "a")], WIDE, "wait for each other: a, b"),
        ([job("a", "s", "t", 1, "a")], WIDE, "wait for each other: a"),
        ([job("a", "s", "t"), job("a", "s", "u")], WIDE, "two moves"),
        ([job("a", "s", "t", inf)], WIDE, "never ends"),
        ([job("a", "s", "t")], Limits(0, 1, 1), "nothing may start"),
    ],
)
def test_what_has_no_schedule(jobs: list[Job], limits: Limits, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fastest(jobs, limits)


def test_one_that_needs_more_than_the_bandwidth_goes_alone() -> None:
    jobs = [job("a", "s1", "t1", 10, rate=9), job("b", "s2", "t2", 10, rate=1), job("c", "s3", "t3", 10, rate=1)]
    found = told(fastest(jobs, Limits(9, 9, 9, bandwidth=2)))
    assert found == {"a": (0, 10), "b": (10, 20), "c": (10, 20)}


def test_nothing_to_do() -> None:
    assert fastest([], WIDE) == Schedule()


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=6))
def test_least_loss_is_the_least(pairs: list[tuple[int, int]]) -> None:
    """Of all orders one after the other, by weight times when each has ended."""
    jobs = [job(f"v{n}", "s", "t", seconds) for n, (seconds, _) in enumerate(pairs)]
    weights = {f"v{n}": float(weight) for n, (_, weight) in enumerate(pairs)}

    def loss(order: Sequence[str]) -> float:
        ended, total = 0.0, 0.0
        for vm in order:
            ended += next(each.seconds for each in jobs if each.vm == vm)
            total += weights[vm] * ended
        return total

    assert loss(least_loss(jobs, weights)) == min(map(loss, permutations(weights)))
    assert least_loss(jobs, {}) == tuple(each.vm for each in sorted(jobs, key=lambda each: (each.seconds, each.vm)))


def test_what_is_good_enough_is_not_improved() -> None:
    jobs = [Job(f"v{n}", f"s{n % 3}", f"t{n % 2}", float(n + 1)) for n in range(9)]
    limits = Limits(4, 1, 2)
    best = fastest(jobs, limits)
    assert fastest(jobs, limits, enough=1e9).makespan >= best.makespan
    assert fastest(jobs, limits, enough=best.makespan).makespan == best.makespan
