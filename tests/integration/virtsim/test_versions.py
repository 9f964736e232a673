"""Older minors of KubeVirt: what they drop without a word, what they lack, and what they still had."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controlplane.cluster import Cluster
from tests.integration.virtsim.scene import WITHIN_SECONDS, Scene
from virtsim import versions
from virtsim.cluster.client import ApiError
from virtsim.fleet.spec import parse
from virtsim.objects.conditions import condition
from virtsim.objects.migrations import is_final
from virtsim.objects.pods import annotations_of, labels_of
from virtsim.objects.resources import BUDGETS, KUBEVIRTS, NODES, PODS, VMIMS, VMIS, Object
from virtsim.options import Options
from virtsim.simulator import running

NAMESPACE = "virtsim-versions"
FLEET: dict[str, Any] = {
    "nodes": [{"name": "old", "count": 3}],
    "virtualMachines": [
        {
            "name": "vm",
            "count": 4,
            "namespace": NAMESPACE,
            "node": "old-1",
            "memory": "256Mi",
            "annotations": {"virtsim.drover.dev/migration-seconds": "0.2"},
        }
    ],
}
GATED = 'admission webhook "migration-create-validator.kubevirt.io" denied the request: MigrationPriorityQueue feature'
CANCEL = f"/apis/subresources.kubevirt.io/v1/namespaces/{NAMESPACE}/virtualmachineinstances/vm-1/evacuate/cancel"

pytestmark = pytest.mark.anyio

on_1_5 = pytest.mark.parametrize("scene", ["1.5"], indirect=True)
on_1_7 = pytest.mark.parametrize("scene", ["1.7"], indirect=True)


@pytest.fixture(scope="module")
async def scene(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    """The fleet, simulated as the version that the test names."""
    options = Options(version=versions.parse(request.param))
    async with running(cluster.kubeconfig, parse(FLEET), options) as simulator:
        yield Scene(simulator)
        await simulator.clear()


def pod_of(scene: Scene, vm: str) -> Object:
    vmi = scene.simulator.caches.vmis.get(NAMESPACE, vm)
    assert vmi is not None
    pod = scene.simulator.caches.current_pod(vmi)
    assert pod is not None
    return pod


async def put(scene: Scene, path: str, body: Any = None) -> int:
    """The answer's code; an answer may be plain text."""
    client = scene.user
    headers = await client._headers("application/json")
    async with client.session.put(f"{client.configuration.host}{path}", json=body or {}, headers=headers) as response:
        return response.status


async def evict(scene: Scene, vm: str) -> None:
    pod = pod_of(scene, vm)["metadata"]
    metadata = {"name": pod["name"], "namespace": NAMESPACE}
    with pytest.raises(ApiError) as refused:
        await scene.user.create(PODS, {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}, "eviction")
    assert refused.value.code == 429


async def drain(scene: Scene, taints: list[Object] | None) -> None:
    await scene.patch(NODES, "", "old-1", {"spec": {"taints": taints}})


async def most_evacuations(scene: Scene, limit: int) -> int:
    """How many evacuations there ever were at once while all VMs leave the first node, with this cluster limit."""
    await scene.limit(per_cluster=limit, per_node=limit)
    most = 0

    def count(before: Object | None, after: Object | None) -> None:
        nonlocal most
        vmims = list(scene.simulator.caches.vmims)
        most = max(most, sum(not is_final(vmim) for vmim in vmims))

    scene.simulator.caches.vmims.subscribe(count)
    await drain(scene, [{"key": "kubevirt.io/drain", "effect": "NoSchedule"}])
    vmis = scene.simulator.caches.vmis
    await vmis.until(lambda: all(vmi["status"]["nodeName"] != "old-1" for vmi in vmis))
    await drain(scene, None)
    return most


@on_1_5
async def test_1_5_says_what_it_is(scene: Scene) -> None:
    kubevirt = await scene.user.get(KUBEVIRTS, "kubevirt", "kubevirt")
    assert kubevirt["status"]["observedKubeVirtVersion"] == "v1.5.0"
    pod = pod_of(scene, "vm-1")
    assert pod["spec"]["containers"][0]["image"] == "quay.io/kubevirt/virt-launcher:v1.5.0"
    assert "vmi.kubevirt.io/id" not in labels_of(pod)
    assert "kubevirt.io/memory-overhead-bytes" not in annotations_of(pod)
    assert sorted(pod["spec"]["nodeSelector"]) == ["kubernetes.io/arch", "kubevirt.io/schedulable"]


@on_1_5
async def test_1_5_drops_the_chosen_node_and_migrates_anywhere(scene: Scene) -> None:
    nowhere = {"kubernetes.io/hostname": "no-such-node"}
    vmim = await scene.migrate(NAMESPACE, "vm-1", addedNodeSelector=nowhere, priority="system-critical")
    assert vmim["spec"] == {"vmiName": "vm-1"}
    await scene.vmim(vmim, "Succeeded")
    moved = await scene.user.get(VMIS, NAMESPACE, "vm-1")
    configuration = moved["status"]["migrationState"]["migrationConfiguration"]
    assert {"maxDowntimeMs", "utilityVolumesTimeout"}.isdisjoint(configuration)
    assert "targetMemoryOverhead" not in moved["status"]["migrationState"]
    assert not any(key.startswith("cpu-vendor") for key in pod_of(scene, "vm-1")["spec"]["nodeSelector"])


async def budget_of(scene: Scene, vm: str, least: int) -> Object:
    """The VM's one budget, once it asks for so many pods."""
    uid = (await scene.user.get(VMIS, NAMESPACE, vm))["metadata"]["uid"]
    async with asyncio.timeout(WITHIN_SECONDS):
        while True:
            listed: list[Object] = (await scene.user.list(BUDGETS, NAMESPACE))["items"]
            owned = [each for each in listed if each["metadata"]["ownerReferences"][0]["uid"] == uid]
            if [each["spec"]["minAvailable"] for each in owned] == [least]:
                return owned[0]
            await asyncio.sleep(0.05)


@on_1_5
async def test_1_5_protects_both_pods_while_a_vm_migrates(scene: Scene) -> None:
    alone = await budget_of(scene, "vm-2", 1)
    assert alone["metadata"]["name"].startswith("kubevirt-disruption-budget-")
    await scene.annotate(NAMESPACE, "vm-2", migration_seconds="2")
    vmim = await scene.migrate(NAMESPACE, "vm-2")
    await scene.vmim(vmim, "Running")
    both = await budget_of(scene, "vm-2", 2)
    assert labels_of(both) == {"kubevirt.io/migrationName": vmim["metadata"]["name"]}
    await scene.vmim(vmim, "Succeeded")
    await scene.annotate(NAMESPACE, "vm-2", migration_seconds="0.2")
    assert labels_of(await budget_of(scene, "vm-2", 1)) == {}
    assert both["metadata"]["uid"] == alone["metadata"]["uid"]


@on_1_5
async def test_1_5_cannot_cancel_an_evacuation(scene: Scene) -> None:
    listed = await scene.user.request("GET", "/apis/subresources.kubevirt.io/v1")
    assert "virtualmachineinstances/evacuate/cancel" not in [entry["name"] for entry in listed["resources"]]
    assert await put(scene, CANCEL) == 404


@on_1_5
async def test_1_5_evacuates_as_many_as_the_limits_leave_free(scene: Scene) -> None:
    assert await most_evacuations(scene, limit=1) == 1


@on_1_7
async def test_1_7_keeps_the_chosen_node_and_its_priorities_shut(scene: Scene) -> None:
    with pytest.raises(ApiError) as refused:
        await scene.migrate(NAMESPACE, "vm-1", priority="system-critical")
    assert (refused.value.code, refused.value.message[: len(GATED)]) == (422, GATED)
    there = {"kubernetes.io/hostname": "old-2"}
    vmim = await scene.migrate(NAMESPACE, "vm-1", addedNodeSelector=there)
    assert vmim["spec"]["addedNodeSelector"] == there
    await scene.vmim(vmim, "Succeeded")
    pod = pod_of(scene, "vm-1")
    assert pod["spec"]["nodeName"] == "old-2"
    assert labels_of(pod)["vmi.kubevirt.io/id"] == "vm-1"
    assert not any(key.startswith("cpu-vendor") for key in pod["spec"]["nodeSelector"])
    assert (await scene.user.list(BUDGETS, NAMESPACE))["items"] == []


@on_1_7
async def test_1_7_marks_evacuates_and_cancels(scene: Scene) -> None:
    await scene.annotate(NAMESPACE, "vm-2", migration_seconds="60")
    await evict(scene, "vm-2")
    await scene.vmi(NAMESPACE, "vm-2", lambda vmi: condition(vmi, "EvictionRequested") is not None)
    vmims = scene.simulator.caches.vmims
    await vmims.until(lambda: bool(vmims.by("vmi", f"{NAMESPACE}/vm-2")))
    (vmim,) = vmims.by("vmi", f"{NAMESPACE}/vm-2")
    assert vmim["spec"] == {"vmiName": "vm-2"}, "priorities are behind a gate"
    assert await put(scene, CANCEL.replace("vm-1", "vm-2"), {"evacuationNodeName": "old-1"}) == 200
    await scene.delete(VMIMS, vmim)
    await scene.vmim(vmim, "gone")
    after = await scene.vmi(NAMESPACE, "vm-2", lambda vmi: condition(vmi, "EvictionRequested") is None)
    assert "evacuationNodeName" not in after["status"]
    await scene.annotate(NAMESPACE, "vm-2", migration_seconds="0.2")


@on_1_7
async def test_1_7_with_its_gate_open_evacuates_all_at_once(scene: Scene) -> None:
    gates = {"developerConfiguration": {"featureGates": ["MigrationPriorityQueue"]}}
    await scene.patch(KUBEVIRTS, "kubevirt", "kubevirt", {"spec": {"configuration": gates}})
    leaving = len(scene.simulator.caches.vmis.by("node", "old-1"))
    assert leaving > 1
    assert await most_evacuations(scene, limit=1) == leaving
