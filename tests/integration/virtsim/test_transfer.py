"""What becomes of a transfer at its deadline, as KubeVirt is configured when it begins, and when it is cancelled."""

from typing import Any

import pytest

from tests.integration.virtsim.recording import Recording, recording
from tests.integration.virtsim.scene import Scene
from virtsim.objects.conditions import condition
from virtsim.objects.resources import KUBEVIRTS, VMIMS, VMIS, Object
from virtsim.options import Options
from virtsim.virt_handler.transfer.job import ABORTED

NAMESPACE = "virtsim-transfer"
OPTIONS = Options(speed_up=100)
FLEET: dict[str, Any] = {
    "nodes": [{"name": "transfer", "count": 3}],
    "virtualMachines": [
        {"name": name, "namespace": NAMESPACE, "node": "transfer-1", "memory": "2Gi", "dirtyRate": rate}
        for name, rate in {"idle": 0, "stubborn": "2Gi", "helped": "2Gi", "paused": "2Gi", "late": "2Gi"}.items()
    ],
}
pytestmark = pytest.mark.anyio


async def test_an_idle_guest_just_moves(scene: Scene) -> None:
    await configure(scene)
    state = await state_of(scene, await scene.migrate(NAMESPACE, "idle"), "Succeeded")
    assert (state["mode"], state["completed"], "failed" in state) == ("PreCopy", True, False)


async def test_a_guest_that_is_too_busy_is_given_up(scene: Scene) -> None:
    await configure(scene)
    state = await state_of(scene, await scene.migrate(NAMESPACE, "stubborn"), "Failed")
    assert (state["mode"], state["failureReason"], "abortRequested" in state) == ("PreCopy", ABORTED, False)
    assert (await scene.vmi(NAMESPACE, "stubborn"))["status"]["nodeName"] == "transfer-1"


async def test_auto_converge_slows_it_down_until_it_fits(scene: Scene) -> None:
    await configure(scene, completionTimeoutPerGiB=150, allowAutoConverge=True)
    state = await state_of(scene, await scene.migrate(NAMESPACE, "stubborn"), "Succeeded")
    assert state["mode"] == "PreCopy"


async def test_post_copy_helps_it_to_an_end(scene: Scene) -> None:
    await configure(scene, allowPostCopy=True)
    async with recording(scene.user, NAMESPACE) as taken:
        state = await state_of(scene, await scene.migrate(NAMESPACE, "helped"), "Succeeded")
        await scene.eventually(lambda: "endTimestamp" in last_state(taken, "helped"))
    assert state["mode"] == "PostCopy"
    order = first_seen(taken, "helped")
    assert order.index("mode=PostCopy") < order.index("targetNodeDomainReadyTimestamp") < order.index("endTimestamp")


async def test_without_post_copy_the_guest_is_paused_until_it_is_over(scene: Scene) -> None:
    await configure(scene, allowWorkloadDisruption=True)
    async with recording(scene.user, NAMESPACE) as taken:
        state = await state_of(scene, await scene.migrate(NAMESPACE, "paused"), "Succeeded")
        await scene.eventually(lambda: "completed" in last_state(taken, "paused"))
    assert state["mode"] == "Paused"
    pauses = [condition(write.obj, "Paused") for write in taken.writes[VMIS.plural, "paused"]]
    assert {pause["reason"] for pause in pauses if pause} == {"PausedByMigrationMonitor"}
    assert pauses[-1] is None


async def test_post_copy_cannot_be_cancelled(scene: Scene) -> None:
    await configure(scene, allowPostCopy=True, bandwidthPerMigration="32Mi")
    vmim = await scene.migrate(NAMESPACE, "late")
    await scene.vmi(NAMESPACE, "late", lambda vmi: mode_of(vmi) == "PostCopy")
    await scene.delete(VMIMS, vmim)
    await scene.vmi(NAMESPACE, "late", lambda vmi: bool(vmi["status"]["migrationState"].get("abortRequested")))
    await scene.vmim(vmim, "gone")
    vmi = await scene.vmi(NAMESPACE, "late")
    state = vmi["status"]["migrationState"]
    assert (state["completed"], "failed" in state, vmi["status"]["nodeName"]) == (True, False, state["targetNode"])


async def configure(scene: Scene, **migrations: Any) -> None:
    """Makes this KubeVirt's whole migration configuration, and waits until virt-controller has read it."""
    wanted = {"completionTimeoutPerGiB": 20, "parallelMigrationsPerCluster": 9} | migrations
    await scene.patch(
        KUBEVIRTS,
        "kubevirt",
        "kubevirt",
        [{"op": "add", "path": "/spec/configuration", "value": {"migrations": wanted}}],
    )
    store = scene.simulator.caches.kubevirts
    await scene.eventually(lambda: all(each["spec"]["configuration"].get("migrations") == wanted for each in store))


async def state_of(scene: Scene, vmim: Object, phase: str) -> Object:
    """The VMI's migrationState once the migration has come to this end."""
    await scene.vmim(vmim, phase)
    vmi = await scene.vmi(NAMESPACE, vmim["spec"]["vmiName"])
    state: Object = vmi["status"]["migrationState"]
    return state


def mode_of(vmi: Object) -> str:
    mode: str = (vmi["status"].get("migrationState") or {}).get("mode", "")
    return mode


def last_state(taken: Recording, vm: str) -> Object:
    state: Object = (taken.last(VMIS.plural, vm).get("status") or {}).get("migrationState") or {}
    return state


def first_seen(taken: Recording, vm: str) -> list[str]:
    """The fields of the migrationState in the order in which they came up; the mode with its value."""
    seen: list[str] = []
    for write in taken.writes[VMIS.plural, vm]:
        state = write.obj["status"].get("migrationState") or {}
        names = [f"mode={value}" if field == "mode" else field for field, value in state.items()]
        seen += [name for name in names if name not in seen]
    return seen
