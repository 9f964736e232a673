"""A node whose virt-handler is silent for more than five minutes, which here the heartbeat's own date says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene
from virtsim.cluster.client import MERGE_PATCH
from virtsim.objects import keys
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import NODES, PODS
from virtsim.objects.times import stamp

NAMESPACE = "virtsim-loss"
FLEET: dict[str, Any] = {
    "nodes": [{"name": "loss", "count": 2}],
    "virtualMachines": [
        {"name": "survives", "namespace": NAMESPACE, "node": "loss-1", "memory": "256Mi"},
        {"name": "lost", "namespace": NAMESPACE, "node": "loss-1", "memory": "256Mi"},
    ],
}

pytestmark = pytest.mark.anyio


async def test_a_silent_node_is_closed_and_its_dead_vms_fail(scene: Scene) -> None:
    caches = scene.simulator.caches
    long_ago = stamp(datetime.now(UTC) - timedelta(seconds=400))
    lost = {keys.NODE_LOST: "true", keys.HEARTBEAT: long_ago}
    body = {"metadata": {"annotations": lost}}
    await scene.user.patch(NODES, "", "loss-1", body, MERGE_PATCH)
    await scene.eventually(
        lambda: labels_of(caches.nodes.get("", "loss-1") or {"metadata": {}}).get("kubevirt.io/schedulable") == "false"
    )
    vmi = await scene.vmi(NAMESPACE, "survives")
    assert vmi["status"]["phase"] == "Running", "its pod is alive"
    pod = caches.current_pod(await scene.vmi(NAMESPACE, "lost"))
    assert pod is not None
    ended = {"status": {"phase": "Failed"}}
    await scene.user.patch(PODS, NAMESPACE, pod["metadata"]["name"], ended, MERGE_PATCH, "status")
    failed = await scene.vmi(NAMESPACE, "lost", lambda vmi: vmi["status"]["phase"] == "Failed")
    assert failed["status"]["reason"] == "NodeUnresponsive"
    assert (await scene.vmi(NAMESPACE, "survives"))["status"]["phase"] == "Running"
