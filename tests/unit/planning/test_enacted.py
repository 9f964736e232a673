"""Whatever the fleet: what was planned can be done, in any order in which everybody waits for whom it has to."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from drover.planning.proposal import propose
from tests.unit.planning.crowded import Crowd, crowds
from tests.unit.planning.enacted import World, carry_out, faults


@given(crowds(), st.randoms(use_true_random=False))
def test_no_start_is_refused_and_nothing_is_broken_that_was_not_broken_before(crowd: Crowd, chance: Random) -> None:
    scene, world = crowd.scene(), World(crowd)
    goal = crowd.goal(scene)
    plan = propose([goal], scene.snapshot, {}, {}, crowd.reserve)[goal.plan.uid].assignments
    before = faults(world.parts)
    assert carry_out(plan, world, chance) == []
    mine = {fault: by for fault, by in (faults(world.parts) - before).items() if counts(fault, set(plan))}
    assert mine == {}


def counts(fault: tuple[str, ...], moved: set[str]) -> bool:
    """Who stays may lose whom it wants near: the scheduler asks nobody who is there already."""
    return fault[0] not in ("near", "spread") or fault[1] in moved
