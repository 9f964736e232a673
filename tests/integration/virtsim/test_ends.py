"""What becomes of migrations whose VM ends, and of one that fails on a VM that was moved before."""

from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene
from virtsim.objects.resources import PODS, VMIMS, VMIS, Object

NAMESPACE = "virtsim-ends"
QUICK = {"virtsim.drover.dev/migration-seconds": "0.1"}
LONG = {"virtsim.drover.dev/migration-seconds": "60"}
FLEET: dict[str, Any] = {
    "kubevirt": {"configuration": {"migrations": {"parallelMigrationsPerCluster": 9}}},
    "nodes": [{"name": "ends", "count": 3}],
    "virtualMachines": [
        {"name": name, "namespace": NAMESPACE, "node": "ends-1", "memory": "256Mi", "annotations": annotations}
        for name, annotations in {"deleted": LONG, "shut-down": LONG, "moved": QUICK}.items()
    ],
}
NOWHERE = {"kubernetes.io/hostname": "no-such-node"}

pytestmark = pytest.mark.anyio


def source_of(scene: Scene, vmi: Object) -> Object:
    pod = scene.simulator.caches.current_pod(vmi)
    assert pod is not None
    return pod


async def test_a_deleted_vm_takes_all_its_migrations_along(scene: Scene) -> None:
    await scene.annotate(NAMESPACE, "deleted", migration_seconds="0.1")
    over = await scene.migrate(NAMESPACE, "deleted")
    await scene.vmim(over, "Succeeded")
    await scene.annotate(NAMESPACE, "deleted", migration_seconds="60")
    under_way = await scene.migrate(NAMESPACE, "deleted")
    await scene.vmim(under_way, "Running")
    await scene.user.delete(VMIS, NAMESPACE, "deleted")
    await scene.vmim(over, "gone")
    await scene.vmim(under_way, "gone")
    assert scene.simulator.caches.vmis.get(NAMESPACE, "deleted") is None


async def test_a_migration_fails_when_its_vm_shuts_down(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "shut-down")
    await scene.vmim(vmim, "Running")
    vmi = await scene.vmi(NAMESPACE, "shut-down")
    await scene.delete(PODS, source_of(scene, vmi))
    await scene.vmim(vmim, "Failed")
    told = await scene.events(vmim, "FailedMigration")
    assert ("Warning", "FailedMigration", "Migration failed vmi shutdown during migration.") in told
    target = await scene.target_pod(vmim)
    await scene.pod(target, "Failed")
    ended = await scene.vmi(NAMESPACE, "shut-down", lambda vmi: vmi["status"]["phase"] == "Failed")
    assert ended["metadata"]["finalizers"] == ["kubevirt.io/foregroundDeleteVirtualMachine"], "for its target"
    await scene.delete(PODS, target)
    await scene.vmi(NAMESPACE, "shut-down", lambda vmi: not vmi["metadata"].get("finalizers"))


async def test_a_failure_before_the_hand_over_leaves_the_older_state(scene: Scene) -> None:
    moved = await scene.migrate(NAMESPACE, "moved")
    await scene.vmim(moved, "Succeeded")
    wanted = scene.migration(NAMESPACE, "moved", addedNodeSelector=NOWHERE)
    wanted["metadata"]["annotations"] = {"kubevirt.io/migrationUnschedulablePodTimeoutSeconds": "1"}
    vmim = await scene.user.create(VMIMS, wanted)
    await scene.vmim(vmim, "Failed")
    state = (await scene.vmi(NAMESPACE, "moved"))["status"]["migrationState"]
    assert (state["migrationUid"], state.get("failed")) == (moved["metadata"]["uid"], None)
    await scene.eventually(lambda: _is_finalized(scene, vmim))
    third = await scene.migrate(NAMESPACE, "moved")
    await scene.vmim(third, "Succeeded")


def _is_finalized(scene: Scene, vmim: Object) -> bool:
    known = scene.simulator.caches.vmims.get(NAMESPACE, vmim["metadata"]["name"])
    return known is not None and not known["metadata"].get("finalizers")
