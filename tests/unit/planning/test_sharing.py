"""Several goals that mean the same VMs: what is booked on the fleet they share, and whether all of it can be done."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drover.planning.proposal import Assignment, Goal, Proposals
from drover.planning.proposing import propose
from drover.planning.relief import relieve
from drover.planning.site import survey
from drover.planning.site.fleet import Fleet
from tests.builders import VMIBuilder, a_node, a_plan, a_vmi
from tests.examples import examples
from tests.unit.planning.crowded import Crowd, crowds, one_in
from tests.unit.planning.enacted import World, carry_out
from tests.unit.planning.scene import Scene, a_scene, targets
from tests.unit.planning.test_standing import told

COMPANY = ("the VM requires near it", "topology spread")


@st.composite
def sharing(draw: st.DrawFn) -> tuple[Crowd, Scene, list[Goal]]:
    """A fleet and goals over any of its VMs, some of them rehearsed, some with a node that they exclude."""
    crowd = draw(crowds())
    names = st.sampled_from([part.name for part in crowd.parts if isinstance(part, VMIBuilder)])
    scene = crowd.scene()
    nodes = sorted(node.name for node in scene.snapshot.nodes.values())
    goals = []
    for n in range(draw(st.integers(2, 3))):
        plan = a_plan(f"p{n}").spec(makeRoom=draw(st.sampled_from(["Suggest", "Move"])))
        if one_in(draw, 5):
            plan.dry()
        if one_in(draw, 3):
            plan.spec(targets={"exclude": {"names": [draw(st.sampled_from(nodes))]}})
        vms = draw(st.lists(names, unique=True, min_size=1))
        goals.append(scene.goal(plan, *vms, sources=crowd.sources if draw(st.booleans()) else ()))
    return crowd, scene, goals


@contextmanager
def watched(broken: int | None) -> Iterator[list[Fleet]]:
    """The fleets that are built; the goal with this number, of those that are asked, ends in a defect when all of it
    has been placed."""
    fleets: list[Fleet] = []
    build, asked = survey.build, iter(range(99))

    def built(*args: Any, **more: Any) -> Fleet:
        fleets.append(build(*args, **more))
        return fleets[-1]

    def relieved(*args: Any, **more: Any) -> Any:
        result = relieve(*args, **more)
        if next(asked) == broken:
            raise ZeroDivisionError
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "build", built)
        patch.setattr("drover.planning.proposing.relieve", relieved)
        yield fleets


def done(goals: Sequence[Goal], found: Proposals) -> dict[str, Assignment]:
    """What comes to pass of it: a VM is moved by the first that has a target for it."""
    result: dict[str, Assignment] = {}
    for goal in goals:
        if not goal.tentative:
            result = {**found[goal.plan.uid].assignments, **result}
    return result


@settings(max_examples=examples(80))
@given(sharing(), st.sampled_from([None, None, 0, 1, 2]))
def test_every_vm_that_moves_is_booked_once_and_nobody_else(
    shared: tuple[Crowd, Scene, list[Goal]], broken: int | None
) -> None:
    _, scene, goals = shared
    with watched(broken) as fleets:
        found = propose(goals, scene.snapshot, {}, {})
    assert sum(bool(each.defect) for each in found.values()) == (broken is not None and broken < len(goals))
    fresh = survey.build(scene.snapshot, scene.relations, {}, ahead=True)
    for uid, each in done(goals, found).items():
        guest = survey.guest(scene.relations.vmis_by_uid[uid], scene.snapshot, scene.relations, fresh.position)
        assert guest is not None
        fresh.move(guest, fresh.position[each.target])
    assert told(scene, fleets[-1]) == told(scene, fresh)
    assert fleets[-1].neighbours.forsaken() == fresh.neighbours.forsaken()


@settings(max_examples=examples(60))
@given(sharing(), st.randoms(use_true_random=False))
def test_nobody_waits_for_ever_or_has_no_room_for_what_another_goal_does(
    shared: tuple[Crowd, Scene, list[Goal]], chance: Random
) -> None:
    """A later goal may take from an earlier one whom its VM was to be near or is counted with: that is planned anew,
    for else it would wait for a plan that perhaps waits for somebody."""
    crowd, scene, goals = shared
    said = carry_out(done(goals, propose(goals, scene.snapshot, {}, {})), World(crowd), chance)
    assert [words for words in said if not any(of in words for of in COMPANY)] == []


def test_the_first_goal_that_has_a_target_for_a_vm_is_not_overruled() -> None:
    """both would find targets if web went to n3; the first plan sends it to n2, and is who moves it."""
    web, db = a_vmi("web").on("n1").memory("4Gi"), a_vmi("db").on("n1").memory("6Gi")
    scene = a_scene(a_node("n1"), a_node("n2").memory("8Gi"), a_node("n3").memory("5Gi"), web, db)
    first = targets(scene.propose(scene.goal(a_plan("one"), "web"))["one"])
    assert first == {"web": "n2"}
    found = scene.propose(scene.goal(a_plan("one"), "web"), scene.goal(a_plan("two"), "web", "db"))
    assert (targets(found["one"]), targets(found["two"])) == (first, first)
    assert found["two"].refused[db.uid].eligible


def test_a_vm_has_another_target_in_a_goal_that_excludes_the_first_one_and_takes_no_room_there() -> None:
    web, db = a_vmi("web").on("n1").memory("4Gi"), a_vmi("db").on("n1").memory("4Gi")
    scene = a_scene(a_node("n1"), a_node("n2").memory("8Gi"), a_node("n3").memory("5Gi"), web, db)
    excluding = a_plan("two").spec(targets={"exclude": {"names": ["n2"]}})
    found = scene.propose(
        scene.goal(a_plan("one"), "web"), scene.goal(excluding, "web"), scene.goal(a_plan("three"), "db")
    )
    assert [targets(found[name]) for name in ("one", "two", "three")] == [{"web": "n2"}, {"web": "n3"}, {"db": "n3"}]
