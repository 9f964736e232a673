"""What the random schedules found, each in as few steps as it takes."""

from tests.unit.virtsim.world import objects
from tests.unit.virtsim.world.liveness import WITHIN_SECONDS, missing
from tests.unit.virtsim.world.stage import on_stage
from tests.unit.virtsim.world.world import World
from virtsim.objects import keys
from virtsim.objects.migrations import is_final
from virtsim.objects.resources import VMIMS, VMIS


def test_a_migration_that_is_over_goes_with_its_vm() -> None:
    """It stayed for ever when it had no pod whose end would have brought it up once more."""

    async def script(world: World) -> None:
        at_home = {"addedNodeSelector": {keys.HOSTNAME: "a"}}
        vmim = world.server.create("user", VMIMS, objects.a_vmim("m", "v1", **at_home))
        key = objects.NAMESPACE, vmim["metadata"]["name"]
        assert await world.run_until(lambda: is_final(world.server.get(VMIMS, *key)), WITHIN_SECONDS)
        world.server.delete("user", VMIS, (objects.NAMESPACE, "v1"))
        await world.run_until(lambda: not world.server.all(VMIMS), WITHIN_SECONDS)
        assert missing(world) == []

    on_stage(script)
