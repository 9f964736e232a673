"""What the random schedules found, each in as few steps as it takes."""

from typing import Any, cast

import pytest

from tests.unit.virtsim.objects import a_pod, a_vmi, a_vmim
from tests.unit.virtsim.world import objects
from tests.unit.virtsim.world.liveness import WITHIN_SECONDS, missing
from tests.unit.virtsim.world.stage import on_stage
from tests.unit.virtsim.world.world import World
from virtsim.cluster.actor import Actor
from virtsim.cluster.caches import Caches
from virtsim.cluster.client import Client as ApiClient
from virtsim.cluster.events import Recorder
from virtsim.objects import keys
from virtsim.objects.migrations import is_final
from virtsim.objects.resources import VMIMS, VMIS, Object
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


def test_five_migrations_that_are_over_stay() -> None:
    async def script(world: World) -> None:
        for number in range(7):
            world.server.create("user", VMIMS, objects.a_vmim(f"m{number}", "v1"))
            assert await world.run_until(lambda: not missing(world), WITHIN_SECONDS)
        assert [vmim["metadata"]["name"] for vmim in world.server.all(VMIMS)] == ["m2", "m3", "m4", "m5", "m6"]

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


@pytest.mark.anyio
async def test_a_failed_migration_ends_its_state_while_its_pod_is_still_going() -> None:
    """Cancelled just as it was handed over: the state stayed unfinished, and the VM kept the label of a migration."""
    patches: list[object] = []

    class Client:
        async def patch(self, *request: object) -> Object:
            patches.extend(cast(list[object], request[3]))
            return {"metadata": {}}

    vmi, target = a_vmi(), a_pod(deletionTimestamp="2026-01-01T00:00:00Z")
    vmi["status"]["migrationState"] = {"migrationUid": "vmim-uid", "targetNode": "node-b"}
    actor = Actor(cast(ApiClient, Client()), Caches(), Recorder(cast(ApiClient, None), "virt-controller"))
    await Sync(actor, "").act(View(a_vmim("Failed"), vmi, a_pod(node="node-a"), target, None))
    said = {each["path"].rpartition("/")[2]: each["value"] for each in cast(list[dict[str, Any]], patches)}
    assert (said["failed"], said["failureReason"]) == (True, "Target pod is down")
