"""Generated fleets are what they are said to be: the known answer is legal, in the judge's eyes and the planner's."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from benchmarks.planning import sizes
from benchmarks.planning.drawing import a_world
from benchmarks.planning.judging import broken
from benchmarks.planning.objects import a_goal, a_snapshot
from benchmarks.planning.world import HOSTNAME, Guest, Size, World
from drover.facts.index import index
from drover.planning.checks import chain
from drover.planning.site import survey

SIZES = [Size(400, 20, 2, 0.85), Size(1_000, 50, 5, 0.92), Size(1_000, 50, 5, 0.97, 0.05)]


@lru_cache
def world(size: Size, seed: int = 1) -> World:
    return a_world(size, seed)


def places(of: World, where: Callable[[Guest], int]) -> dict[str, str]:
    return {guest.name: of.hosts[where(guest)].name for guest in of.guests}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_fleet_and_the_known_answer_are_legal(size: Size, seed: int) -> None:
    made = world(size, seed)
    assert not broken(made, places(made, lambda guest: guest.at))
    assert not broken(made, places(made, lambda guest: guest.home))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_known_answer_empties_what_is_to_be_emptied_and_leaves_it_as_full_as_wanted(size: Size) -> None:
    made = world(size)
    homes = {guest.home for guest in made.guests}
    assert not homes & set(np.flatnonzero(made.emptied).tolist())
    assert int(made.emptied.sum()) == size.emptied
    assert all(any(guest.at == n for guest in made.guests) for n in np.flatnonzero(made.emptied).tolist())
    there = sum(host.memory for host in made.hosts if not host.emptied)
    assert sum(guest.ordinary for guest in made.guests) / there == pytest.approx(size.util, abs=1e-3)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_only_displaced_guests_stand_elsewhere_without_having_to_leave(size: Size) -> None:
    made = world(size)
    elsewhere = [g for g in made.guests if not made.emptied[g.at] and g.at != g.home]
    staying = sum(not made.emptied[guest.at] for guest in made.guests)
    assert len(elsewhere) <= round(size.displaced * staying)
    assert bool(elsewhere) == bool(size.displaced)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_planner_too_thinks_that_the_known_answer_fits(size: Size) -> None:
    made = world(size)
    snapshot = a_snapshot(made)
    relations = index(snapshot)
    ground = survey.build(snapshot, relations, {})
    assert (ground.free >= 0).all()
    for guest in made.guests:
        vm_class = survey.class_of(snapshot.vmis[guest.namespace, guest.name], snapshot, relations)
        assert vm_class is not None
        home = ground.position[made.hosts[guest.home].name]
        assert chain.static(vm_class, ground.classes)[home] == chain.FITS
        row = ground.demand(vm_class)
        ground.free[ground.position[made.hosts[guest.at].name]] += row
        ground.take(home, row)
    assert (ground.free >= 0).all()
    goal = a_goal(made, snapshot)
    assert {vmi.metadata.name for vmi in goal.vmis} == {g.name for g in made.guests if made.emptied[g.at]}


def test_a_seed_is_one_fleet() -> None:
    size = SIZES[0]
    assert a_world(size, 7).guests == a_world(size, 7).guests
    assert a_world(size, 7).guests != a_world(size, 8).guests


def test_sizes_have_the_marginals_they_are_to_have() -> None:
    made = sizes.guests(2_000, np.random.Generator(np.random.PCG64(3)))
    for shares, counts in (
        (sizes.MEMORY, Counter(guest.memory // 1024 for guest in made)),
        (sizes.CORES, Counter(guest.cores for guest in made)),
    ):
        assert {value: counts[value] / len(made) for value in shares} == pytest.approx(shares, abs=0.002)
    assert np.corrcoef([g.memory for g in made], [g.cores for g in made])[0, 1] > 0.3


def test_thirty_in_a_hundred_stand_apart_by_host() -> None:
    made = world(SIZES[1])
    apart = [g for g in made.guests if g.group and (g.group.rule, g.group.key) == ("apart", HOSTNAME)]
    assert len(apart) / len(made.guests) == pytest.approx(0.30, abs=0.01)
    rules = {g.group.rule for g in made.guests if g.group}
    assert rules == {"apart", "spread", "together"}


def test_each_zonal_volume_is_in_the_zone_of_the_home() -> None:
    made = world(SIZES[0])
    assert len(a_snapshot(made).pvs) == sum(guest.volume for guest in made.guests) > 0


def member(of: World, rule: str) -> Guest:
    return next(g for g in of.guests if g.group is not None and g.group.rule == rule)


def test_the_judge_sees_each_rule_broken() -> None:
    made = world(SIZES[1])
    by_host = {guest.name: guest for guest in made.guests}
    apart = member(made, "apart")
    mate = next(g for g in made.guests if g.group == apart.group and g is not apart)
    assert broken(made, {apart.name: made.hosts[mate.at].name})["apart"] == 1
    for rule in ("spread", "together"):
        one = member(made, rule)
        elsewhere = next(n for n, host in enumerate(made.hosts) if host.zone != made.zone[one.at])
        assert broken(made, {one.name: made.hosts[elsewhere].name})[rule] == 1
    full = dict.fromkeys(by_host, made.hosts[0].name)
    assert broken(made, full)["room"] == 1
    zonal = next(g for g in made.guests if g.volume)
    other = next(host.name for host in made.hosts if host.zone != made.zone[zonal.home])
    assert broken(made, {zonal.name: other})["volume"] == 1
    pooled = next(g for g in made.guests if made.hosts[g.home].pool and not g.volume)
    general = next(host.name for host in made.hosts if not host.pool)
    assert broken(made, {pooled.name: general})["node"] == 1


def test_a_fleet_that_no_host_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="allow more nodes"):
        a_world(replace(SIZES[0], vms=40, nodes=20), 1)
