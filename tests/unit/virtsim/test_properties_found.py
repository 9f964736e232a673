"""What the random schedules found, each in as few steps as it takes."""

from typing import cast

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi, a_vmim
from tests.unit.virtsim.world import objects
from tests.unit.virtsim.world.liveness import WITHIN_SECONDS, missing
from tests.unit.virtsim.world.stage import on_stage
from tests.unit.virtsim.world.world import World
from virtsim.cluster.actor import Actor
from virtsim.objects import keys
from virtsim.objects.migrations import is_final
from virtsim.objects.resources import VMIMS, VMIS
from virtsim.virt_controller.sync import Sync
from virtsim.virt_controller.view import View


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


@pytest.mark.anyio
async def test_a_migration_does_nothing_while_another_owns_the_state() -> None:
    """Two that admission let pass: the second one took the VM over from the first, which was Running."""
    rival = a_vmim("Running")
    rival["metadata"] |= {"name": "first", "uid": "first-uid"}
    vmi = a_vmi()
    vmi["status"]["migrationState"] = {"migrationUid": "first-uid", "targetNode": "node-b"}
    view = View(a_vmim("Scheduled"), vmi, a_pod(node="node-a"), a_pod(node="node-c"), rival)
    assert await Sync(cast(Actor, None), "").act(view) == 1.0
