"""Deleting a VMIM cancels it, in each phase as KubeVirt does, and the object is gone afterwards."""

from typing import Any

import pytest

from tests.integration.virtsim.recording import recording
from tests.integration.virtsim.scene import Scene
from virtsim.objects.conditions import is_true
from virtsim.objects.resources import VMIMS, Object

NAMESPACE = "virtsim-cancel"
FLEET: dict[str, Any] = {
    "kubevirt": {"configuration": {"migrations": {"parallelMigrationsPerCluster": 1}}},
    "nodes": [{"name": "cancel", "count": 2}],
    "virtualMachines": [
        {
            "name": "vm",
            "count": 2,
            "namespace": NAMESPACE,
            "node": "cancel-1",
            "memory": "256Mi",
            "annotations": {"virtsim.drover.dev/migration-seconds": "60"},
        }
    ],
}

pytestmark = pytest.mark.anyio


async def test_in_pending_and_running(scene: Scene) -> None:
    running = await scene.migrate(NAMESPACE, "vm-1")
    await scene.vmim(running, "Running")
    pending = await scene.migrate(NAMESPACE, "vm-2")
    await scene.vmim(pending, "Pending")

    last = await _deleted(scene, pending)
    assert _end(last) == ("Failed", True, None)
    assert ("Warning", "FailedMigration", "Migration failed due to being canceled") in await scene.events(pending)
    assert scene.simulator.caches.pods.by("migration", pending["metadata"]["uid"]) == []

    last = await _deleted(scene, running)
    assert _end(last) == ("Failed", True, "Live migration has been aborted")
    state = last["status"]["migrationState"]
    assert (state["abortRequested"], state["abortStatus"], state["completed"]) == (True, "Succeeded", True)
    told = await scene.events(running, "SuccessfulAbortMigration", "FailedMigration")
    assert [event for event in told if event[1] in ("SuccessfulAbortMigration", "FailedMigration")] == [
        ("Normal", "SuccessfulAbortMigration", "Migration is ready to be canceled by virt-handler."),
        ("Warning", "FailedMigration", "source node reported migration failed"),
    ]
    await scene.pod((await scene.target_pod(running)), "Failed")  # told to exit before a guest ran there
    vmi = await scene.vmi(
        NAMESPACE, "vm-1", lambda vmi: "kubevirt.io/migrationTargetNodeName" not in vmi["metadata"]["labels"]
    )
    assert (vmi["status"]["phase"], vmi["status"]["nodeName"]) == ("Running", "cancel-1")


async def test_in_scheduling(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "vm-2", addedNodeSelector={"kubernetes.io/hostname": "no-such-node"})
    await scene.vmim(vmim, "Scheduling")
    where = f"{NAMESPACE}/vm-2"
    unschedulable = f"Migration target pod for VMI [{where}] is currently unschedulable."
    assert ("Warning", "migrationTargetPodUnschedulable", unschedulable) in await scene.events(
        vmim, "migrationTargetPodUnschedulable"
    )
    pod = await scene.target_pod(vmim)

    last = await _deleted(scene, vmim)

    assert _end(last) == ("Failed", True, None)
    name = f"{NAMESPACE}/{pod['metadata']['name']}"
    told = await scene.events(vmim, "SuccessfulDelete", "FailedMigration")
    assert ("Normal", "SuccessfulDelete", f"migration canceled and pod {name} is deleted") in told
    await scene.eventually(lambda: scene.simulator.caches.pods.get(NAMESPACE, pod["metadata"]["name"]) is None)


async def _deleted(scene: Scene, vmim: Object) -> Object:
    """The last state of a VMIM that is deleted now, seen on its way out."""
    async with recording(scene.user, NAMESPACE) as taken:
        await scene.delete(VMIMS, vmim)
        await scene.vmim(vmim, "gone")
    return taken.writes[VMIMS.plural, vmim["metadata"]["name"]][-1].obj


def _end(vmim: Object) -> tuple[str, bool, str | None]:
    """Phase, the abort condition, and the reason that reached the VMI."""
    status = vmim["status"]
    return status["phase"], is_true(vmim, "migrationAbortRequested"), status["migrationState"].get("failureReason")
