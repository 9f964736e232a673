"""A simulator that is started again goes on with what ran when it was stopped."""

from typing import Any

import pytest

from controlplane.cluster import Cluster
from tests.integration.virtsim.scene import Scene
from virtsim.fleet.spec import parse
from virtsim.options import Options
from virtsim.simulator import running

NAMESPACE = "virtsim-restart"
FLEET: dict[str, Any] = {
    "nodes": [{"name": "restart", "count": 2}],
    "virtualMachines": [
        {
            "name": "vm",
            "namespace": NAMESPACE,
            "node": "restart-1",
            "memory": "256Mi",
            "annotations": {"virtsim.drover.dev/migration-seconds": "100"},
        }
    ],
}

pytestmark = pytest.mark.anyio


async def test_a_running_transfer_goes_on(cluster: Cluster) -> None:
    async with running(cluster.kubeconfig, parse(FLEET), Options()) as simulator:
        scene = Scene(simulator)
        vmim = await scene.migrate(NAMESPACE, "vm")
        await scene.vmim(vmim, "Running")
        before = await scene.vmi(NAMESPACE, "vm")
    async with running(cluster.kubeconfig, parse(FLEET), Options(speed_up=50)) as simulator:
        scene = Scene(simulator)
        await scene.vmim(vmim, "Succeeded")
        after = await scene.vmi(NAMESPACE, "vm")
        await simulator.clear()
    assert after["status"]["nodeName"] == "restart-2"
    started = [vmi["status"]["migrationState"]["startTimestamp"] for vmi in (before, after)]
    assert started[0] == started[1]
