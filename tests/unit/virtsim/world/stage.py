"""A world for the time of one test."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.unit.virtsim.world.clock import SteppedLoop
from tests.unit.virtsim.world.liveness import WITHIN_SECONDS, all_run
from tests.unit.virtsim.world.world import World
from virtsim.objects import times


def on_stage(script: Callable[[World], Awaitable[None]], *, atomic_admission: bool = True) -> World:
    """Plays a script in a world whose VMs all run; the rules are checked at every write."""
    with asyncio.Runner(loop_factory=SteppedLoop) as runner, pytest.MonkeyPatch.context() as patch:
        loop = runner.get_loop()
        assert isinstance(loop, SteppedLoop)
        patch.setattr(times, "wall_clock", loop.wall_clock)
        return runner.run(_played(World(loop, atomic_admission=atomic_admission), script))


async def _played(world: World, script: Callable[[World], Awaitable[None]]) -> World:
    try:
        await world.begin()
        assert await world.run_until(lambda: all_run(world), WITHIN_SECONDS)
        await script(world)
        return world
    finally:
        await world.end()
