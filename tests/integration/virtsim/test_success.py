"""Where a successful migration goes. How it is written: conformance/tables/success.yaml."""

from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene

NAMESPACE = "virtsim-success"
FLEET: dict[str, Any] = {
    "kubevirt": {
        "configuration": {"migrations": {"parallelMigrationsPerCluster": 50, "parallelOutboundMigrationsPerNode": 10}}
    },
    "nodes": [{"name": "success", "count": 3}],
    "virtualMachines": [
        {
            "name": name,
            "namespace": NAMESPACE,
            "node": "success-1",
            "memory": "128Mi",
            "vcpus": 1,
            "cpuModel": "Skylake-Server",
            "labels": {"app": "a"},
            "annotations": {"virtsim.drover.dev/migration-seconds": "0.5"},
        }
        for name in ("pinned", "stubborn")
    ],
}

pytestmark = pytest.mark.anyio


async def test_a_pinned_migration_goes_where_it_was_pinned(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "pinned", addedNodeSelector={"kubernetes.io/hostname": "success-3"})
    await scene.vmim(vmim, "Succeeded")
    assert (await scene.vmi(NAMESPACE, "pinned"))["status"]["nodeName"] == "success-3"
    selector = (await scene.target_pod(vmim))["spec"]["nodeSelector"]
    assert selector["kubernetes.io/hostname"] == "success-3"


async def test_the_vms_own_selector_wins_over_the_added_one(scene: Scene) -> None:
    added = {"kubevirt.io/schedulable": "false", "kubernetes.io/hostname": "success-2"}
    vmim = await scene.migrate(NAMESPACE, "stubborn", addedNodeSelector=added)
    await scene.vmim(vmim, "Succeeded")
    assert (await scene.vmi(NAMESPACE, "stubborn"))["status"]["nodeName"] == "success-2"
