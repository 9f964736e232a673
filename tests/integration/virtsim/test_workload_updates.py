"""Workload updates: what was plugged into a VM migrates it; a new launcher image moves all, or has them evicted."""

from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene
from virtsim.objects.conditions import condition
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import KUBEVIRTS, VMIMS, VMS, Object

NAMESPACE = "virtsim-updates"
NEW = "quay.io/kubevirt/virt-launcher:v1.9.1"
OUTDATED = "kubevirt.io/outdatedLauncherImage"
QUICK = {"virtsim.drover.dev/migration-seconds": "0.1"}
STUCK = {"reason": "DisksNotLiveMigratable", "message": "cannot migrate VMI: PVC data is not shared"}
FLEET: dict[str, Any] = {
    "kubevirt": {
        "configuration": {"migrations": {"parallelMigrationsPerCluster": 4, "parallelOutboundMigrationsPerNode": 4}},
        "workloadUpdateStrategy": {"workloadUpdateMethods": ["LiveMigrate", "Evict"]},
    },
    "nodes": [{"name": "updates", "count": 2}],
    "virtualMachines": [
        {"name": "vm", "count": 3, "namespace": NAMESPACE, "memory": "256Mi", "annotations": QUICK},
        {"name": "plugged", "namespace": NAMESPACE, "memory": "1Gi", "annotations": QUICK, "virtualMachine": True},
        {"name": "stuck", "namespace": NAMESPACE, "memory": "256Mi", "evictionStrategy": None, "notMigratable": STUCK},
    ],
}

pytestmark = pytest.mark.anyio


def is_new(vmi: Object) -> bool:
    """Whether the VM is in a launcher of the new image, and virt-controller says so."""
    image = (vmi.get("status") or {}).get("launcherContainerImageVersion")
    return image == NEW and OUTDATED not in labels_of(vmi)


def outdated(kubevirt: Object | None) -> int:
    status = (kubevirt or {}).get("status") or {}
    return int(status.get("outdatedVirtualMachineInstanceWorkloads", 0))


async def test_more_memory_and_cpus_migrate_a_vm(scene: Scene) -> None:
    bigger = {"cpu": {"sockets": 2}, "memory": {"guest": "2Gi"}}
    await scene.patch(VMS, NAMESPACE, "plugged", {"spec": {"template": {"spec": {"domain": bigger}}}})
    await scene.vmi(NAMESPACE, "plugged", lambda vmi: condition(vmi, "HotMemoryChange") is not None)
    after = await scene.vmi(NAMESPACE, "plugged", lambda vmi: vmi["status"]["memory"]["guestRequested"] == "2Gi")
    assert after["status"]["currentCPUTopology"]["sockets"] == 2
    assert condition(after, "HotMemoryChange") is None
    assert condition(after, "HotVCPUChange") is None
    (vmim,) = scene.simulator.caches.vmims.by("vmi", f"{NAMESPACE}/plugged")
    assert vmim["spec"]["priority"] == "user-triggered"
    await scene.vmim(vmim, "Succeeded")


async def test_a_new_launcher_image_moves_all_vms(scene: Scene) -> None:
    counts: set[int] = set()
    scene.simulator.caches.kubevirts.subscribe(lambda before, after: counts.add(outdated(after)))
    stuck = await scene.vmi(NAMESPACE, "stuck")
    body = {"metadata": {"annotations": {"virtsim.drover.dev/launcher-image": NEW}}}
    await scene.patch(KUBEVIRTS, "kubevirt", "kubevirt", body)
    try:
        await scene.vmi(NAMESPACE, "vm-1", lambda vmi: OUTDATED in labels_of(vmi))
        for name in ("vm-1", "vm-2", "vm-3"):
            await scene.vmi(NAMESPACE, name, is_new)
        ended = await scene.vmi(NAMESPACE, "stuck", lambda vmi: vmi["status"]["phase"] in ("Succeeded", "Failed"))
        assert ended["metadata"]["uid"] == stuck["metadata"]["uid"]
        listed = (await scene.user.list(VMIMS, NAMESPACE))["items"]
        vmims = [vmim for vmim in listed if vmim["spec"]["vmiName"].startswith("vm-")]
        assert len(vmims) == 3
        for vmim in vmims:
            assert vmim["metadata"]["name"].startswith("kubevirt-workload-update-")
            assert vmim["metadata"]["annotations"]["kubevirt.io/workloadUpdateMigration"] == ""
            assert vmim["spec"]["priority"] == "system-critical"
        assert 5 in counts
    finally:
        undone = {"metadata": {"annotations": {"virtsim.drover.dev/launcher-image": None}}}
        off = {"spec": {"workloadUpdateStrategy": None}}
        await scene.patch(KUBEVIRTS, "kubevirt", "kubevirt", {**undone, **off})
