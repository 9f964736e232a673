"""Whatever goes wrong, and in whatever order: the rules of migrations hold, and in the end everything is well.

The same schedules are played each time, fifty in the thorough profile, so that a failure is the last change's;
`pytest tests/unit/virtsim/test_properties.py --hypothesis-profile long` draws new ones, a hundred times as many.
"""

from collections.abc import Iterable
from inspect import isawaitable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.virtsim.world.liveness import WITHIN_SECONDS, missing, stop_faults
from tests.unit.virtsim.world.moves import MOVES, OFTEN
from tests.unit.virtsim.world.stage import on_stage
from tests.unit.virtsim.world.world import World

Schedule = Iterable[tuple[str, int]]

SCHEDULES = st.lists(st.tuples(st.sampled_from([*MOVES, *OFTEN * 3]), st.integers(0, 99)), min_size=20, max_size=80)
"""Forty moves on average: a schedule that is drawn shorter ends before anything can go wrong."""

EXAMPLES = examples(50)
IS_LONG = EXAMPLES > 50


def play(schedule: Schedule, *, atomic_admission: bool = False) -> World:
    """Makes the moves, then lets everything run without faults."""

    async def script(world: World) -> None:
        for name, number in schedule:
            made = MOVES[name](world, number)
            if isawaitable(made):
                await made
        stop_faults(world)
        await world.run_until(lambda: not missing(world), WITHIN_SECONDS)
        assert missing(world) == []

    return on_stage(script, atomic_admission=atomic_admission)


@settings(max_examples=EXAMPLES, derandomize=not IS_LONG)
@given(SCHEDULES, st.booleans())
def test_whatever_goes_wrong_all_is_well_in_the_end(schedule: Schedule, atomic_admission: bool) -> None:
    play(schedule, atomic_admission=atomic_admission)
