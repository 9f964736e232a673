"""Whatever the fleet: what was planned can be done, in any order in which everybody waits for whom it has to."""

from collections import Counter
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from drover.planning.proposal import Assignment, Proposals
from drover.planning.proposing import propose
from tests.builders import NodeBuilder, VMIBuilder
from tests.examples import examples
from tests.unit.planning.crowded import Crowd, crowds
from tests.unit.planning.enacted import Fault, World, carry_out, faults


@st.composite
def plans(draw: st.DrawFn) -> tuple[Crowd, dict[str, Assignment]]:
    """A fleet and what is planned for it: with room that others make or without, at once or where something else was
    planned before one of its VMs or pods was there."""
    crowd = draw(crowds())
    room = draw(st.sampled_from(["Suggest", "Move"]))
    late = draw(st.sampled_from([None, *(part for part in crowd.parts if not isinstance(part, NodeBuilder))]))
    before = _propose(crowd.without(late), room, {}) if late is not None else {}
    return crowd, dict(next(iter(_propose(crowd, room, before).values())).assignments)


def _propose(crowd: Crowd, room: str, before: Proposals) -> Proposals:
    scene = crowd.scene()
    return propose([crowd.goal(scene, makeRoom=room)], scene.snapshot, {}, before, crowd.reserve)


@given(plans(), st.randoms(use_true_random=False))
def test_no_start_is_refused_and_nothing_is_broken_that_was_not_broken_before(
    planned: tuple[Crowd, dict[str, Assignment]], chance: Random
) -> None:
    crowd, plan = planned
    world = World(crowd)
    before = faults(world.parts)
    assert carry_out(plan, world, chance) == []
    assert ours(before, faults(world.parts), plan, world) == {}


def ours(before: Counter[Fault], after: Counter[Fault], plan: dict[str, Assignment], world: World) -> dict[Fault, int]:
    """What is broken now, without what the scheduler breaks as well. It asks nobody who stays whether he loses whom he
    wants near; nor does it ask, of a VM that moves, whether the VM breaks the spread of others: which is only one's own
    where all that are counted and move have the same constraint, and one with a maxSkew of 1, so that nobody leaves
    where fewest are; and where it was broken for none of them before, so that none may go where it is no better."""
    everybody = [vm for vm in world.parts if isinstance(vm, VMIBuilder)]
    broken = {fault[1] for fault in before if fault[0] == "spread"}
    alike = {vm.uid for vm in everybody if all(_alike(vm, other, broken) for other in everybody if _counts(vm, other))}
    strict = {vm.uid for vm in everybody if len(_spread(vm)) == 1 and _spread(vm)[0]["maxSkew"] == 1} & alike
    moved = {"near": plan.keys(), "spread": plan.keys() & strict}
    return {fault: by for fault, by in (after - before).items() if fault[0] not in moved or fault[1] in moved[fault[0]]}


def _alike(vm: VMIBuilder, other: VMIBuilder, broken: set[str]) -> bool:
    return _rule(vm) == _rule(other) and other.uid not in broken


def _spread(vm: VMIBuilder) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = vm.pods[-1].json["spec"].get("topologySpreadConstraints", [])
    return found


def _rule(vm: VMIBuilder) -> object:
    return _spread(vm), vm.json["spec"].get("nodeSelector"), vm.pods[-1].json["spec"].get("tolerations")


def _counts(vm: VMIBuilder, other: VMIBuilder) -> bool:
    app = other.pods[-1].json["metadata"]["labels"].get("app")
    return any(rule["labelSelector"]["matchLabels"]["app"] == app for rule in _spread(vm))


@settings(max_examples=examples(50))
@given(crowds(), st.randoms(use_true_random=False))
def test_a_plan_half_carried_out_is_planned_on_and_can_be_done(crowd: Crowd, chance: Random) -> None:
    """On the same facts but for those that have moved, nobody who is left loses the target it had."""
    scene, world = crowd.scene(), World(crowd)
    goal = crowd.goal(scene)
    first = propose([goal], scene.snapshot, {}, {})
    plan = dict(first[goal.plan.uid].assignments)
    gone: set[str] = set()
    for uid, each in plan.items():
        if chance.random() < 0.5 and all(other in gone for other, _ in each.after):
            assert world.refuses(uid, each.target) is None
            world.move(uid, each.target)
            gone.add(uid)
    left = Crowd(tuple(world.parts), tuple(uid.removesuffix("-uid") for uid in plan if uid not in gone), crowd.sources)
    scene = left.scene()
    goal = left.goal(scene)
    again = dict(propose([goal], scene.snapshot, {}, first)[goal.plan.uid].assignments)
    assert {uid: each.target for uid, each in again.items()} == {
        uid: each.target for uid, each in plan.items() if uid not in gone
    }
    assert carry_out(again, World(left), chance) == []
