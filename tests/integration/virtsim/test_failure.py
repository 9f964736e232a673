"""Failures, injected and made, end as KubeVirt ends them, and the VM stays where it was."""

from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene
from virtsim.objects.resources import PODS, VMIMS, Object
from virtsim.virt_handler.faults import FORCED_FAILURE, LIBVIRT_FAILURE

NAMESPACE = "virtsim-failure"
MIGRATION_SECONDS = {"virtsim.drover.dev/migration-seconds": "0.4"}
FLEET: dict[str, Any] = {
    "kubevirt": {"configuration": {"migrations": {"parallelMigrationsPerCluster": 9}}},
    "nodes": [{"name": "failure", "count": 3}],
    "virtualMachines": [
        {"name": name, "namespace": NAMESPACE, "node": "failure-1", "memory": "256Mi", "annotations": annotations}
        for name, annotations in {
            "fails": {**MIGRATION_SECONDS, "virtsim.drover.dev/fail": "true"},
            "forced": {**MIGRATION_SECONDS, "kubevirt.io/func-test-force-launcher-migration-failure": ""},
            "long": {"virtsim.drover.dev/migration-seconds": "60"},
            "nowhere": MIGRATION_SECONDS,
            "worn": {"virtsim.drover.dev/migration-seconds": "0"},
        }.items()
    ],
}

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("vm", "reason"), [("fails", LIBVIRT_FAILURE), ("forced", FORCED_FAILURE)])
async def test_the_source_reports_a_failure(scene: Scene, vm: str, reason: str) -> None:
    vmim = await scene.migrate(NAMESPACE, vm)
    await scene.vmim(vmim, "Failed")
    final = await _finalized(scene, vmim)
    state = final["status"]["migrationState"]
    assert (state["failed"], state["completed"], state["failureReason"]) == (True, True, reason)
    vmi = await scene.vmi(NAMESPACE, vm)
    assert (vmi["status"]["phase"], vmi["status"]["nodeName"]) == ("Running", "failure-1")
    told = await scene.events(vmi, "Migrated")
    uid = vmim["metadata"]["uid"]
    assert ("Warning", "Migrated", f"VirtualMachineInstance migration uid {uid} failed. reason:{reason}") in told


async def test_a_second_attempt_replaces_the_old_state(scene: Scene) -> None:
    await scene.annotate(NAMESPACE, "fails", fail="false")
    vmim = await scene.migrate(NAMESPACE, "fails")
    await scene.vmim(vmim, "Succeeded")
    final = await _finalized(scene, vmim)
    assert "failureReason" not in final["status"]["migrationState"]
    assert final["status"]["migrationState"]["completed"] is True


async def test_the_target_pod_is_deleted_while_running(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "long")
    await scene.vmim(vmim, "Running")
    await scene.delete(PODS, await scene.target_pod(vmim))
    await scene.vmim(vmim, "Failed")
    state = (await _finalized(scene, vmim))["status"]["migrationState"]
    assert (state["failed"], state["failureReason"]) == (True, "Target pod is down")
    message = "Migration target pod was removed during active migration."
    assert ("Warning", "FailedMigration", message) in await scene.events(vmim, "FailedMigration")
    assert (await scene.vmi(NAMESPACE, "long"))["status"]["nodeName"] == "failure-1"


async def test_an_unschedulable_target_times_out(scene: Scene) -> None:
    wanted = scene.migration(NAMESPACE, "nowhere", addedNodeSelector={"kubernetes.io/hostname": "no-such-node"})
    wanted["metadata"]["annotations"] = {"kubevirt.io/migrationUnschedulablePodTimeoutSeconds": "1"}
    vmim = await scene.user.create(VMIMS, wanted)
    pod = await scene.target_pod(vmim)
    final = await scene.vmim(vmim, "Failed")
    assert final["status"]["migrationState"] == {"sourcePod": final["status"]["migrationState"]["sourcePod"]}
    name = f"{NAMESPACE}/{pod['metadata']['name']}"
    told = await scene.events(vmim, "SuccessfulDelete", "FailedMigration")
    assert ("Normal", "SuccessfulDelete", f"unschedulable pod {name} timeout period exceeded") in told


async def test_seven_migrations_leave_five_and_their_pods(scene: Scene) -> None:
    names = [f"worn-{number}" for number in range(7)]
    for name in names:
        vmim = await scene.migrate(NAMESPACE, "worn", name)
        await scene.vmim(vmim, "Succeeded")
        await _source_ended(scene, vmim)
    caches = scene.simulator.caches
    uid = (await scene.vmi(NAMESPACE, "worn"))["metadata"]["uid"]
    await scene.eventually(lambda: len(caches.pods.by("owner", uid)) == 6)
    left = await scene.user.list(VMIMS, NAMESPACE, labelSelector="kubevirt.io/vmi-name=worn")
    assert sorted(vmim["metadata"]["name"] for vmim in left["items"]) == names[2:]


async def _finalized(scene: Scene, vmim: Object) -> Object:
    """A finished migration once virt-controller has copied the state and removed the finalizer."""
    name = vmim["metadata"]["name"]

    def done() -> bool:
        stored = scene.simulator.caches.vmims.get(NAMESPACE, name)
        return stored is not None and not stored["metadata"].get("finalizers")

    await scene.eventually(done)
    return await scene.user.get(VMIMS, NAMESPACE, name)


async def _source_ended(scene: Scene, vmim: Object) -> None:
    """The next migration of the same VM waits for its old pod; so does this."""
    final = await _finalized(scene, vmim)
    name = final["status"]["migrationState"]["sourcePod"]

    def ended() -> bool:
        pod = scene.simulator.caches.pods.get(NAMESPACE, name)
        return pod is None or pod["status"]["phase"] == "Succeeded"

    await scene.eventually(ended)
