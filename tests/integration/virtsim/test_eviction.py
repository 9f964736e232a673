"""Evicting launcher pods, by strategy: who is marked and moved, who is refused, and who is shut down."""

import asyncio
from typing import Any

import pytest

from tests.integration.virtsim.scene import WITHIN_SECONDS, Scene
from virtsim.cluster.client import JSON_PATCH, ApiError
from virtsim.objects.conditions import condition
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import NODES, PODS, VMIMS, VMIS, Object

NAMESPACE = "virtsim-eviction"
DENIED = 'admission webhook "virt-launcher-eviction-interceptor.kubevirt.io" denied the request: '
STUCK = {"reason": "DisksNotLiveMigratable", "message": "cannot migrate VMI: PVC data is not shared"}
QUICK = {"virtsim.drover.dev/migration-seconds": "0.2"}


def a_vm(name: str, strategy: str | None, **more: Any) -> dict[str, Any]:
    placed = {"namespace": NAMESPACE, "node": "eviction-1", "memory": "256Mi", "annotations": QUICK}
    return {"name": name, "evictionStrategy": strategy, **placed, **more}


FLEET: dict[str, Any] = {
    "nodes": [{"name": "eviction", "count": 3}],
    "virtualMachines": [
        a_vm("evacuated", "LiveMigrate"),
        a_vm("if-possible", "LiveMigrateIfPossible"),
        a_vm("external", "External"),
        a_vm("none", None),
        a_vm("stuck", "LiveMigrate", notMigratable=STUCK),
        a_vm("stuck-if-possible", "LiveMigrateIfPossible", notMigratable=STUCK),
        a_vm("drained", "LiveMigrate", node="eviction-2"),
        a_vm("rehearsed", "LiveMigrate"),
        a_vm("moved-by-a-user", "LiveMigrate", annotations={"virtsim.drover.dev/migration-seconds": "60"}),
    ],
}

pytestmark = pytest.mark.anyio


def pod_of(scene: Scene, vm: str) -> Object:
    vmi = scene.simulator.caches.vmis.get(NAMESPACE, vm)
    assert vmi is not None
    pod = scene.simulator.caches.current_pod(vmi)
    assert pod is not None
    return pod


async def evict(scene: Scene, vm: str, annotations: dict[str, str] | None = None, **query: str) -> tuple[int, str]:
    """The answer's code and message."""
    metadata = {**{key: pod_of(scene, vm)["metadata"][key] for key in ("name", "namespace")}}
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": metadata | ({"annotations": annotations} if annotations else {}),
    }
    try:
        await scene.user.create(PODS, body, "eviction", **query)
    except ApiError as error:
        return error.code, error.message.removeprefix(DENIED)
    return 201, ""


def triggered(vm: str) -> str:
    return f'Eviction triggered evacuation of VMI "{NAMESPACE}/{vm}"'


def migrations(scene: Scene, vm: str) -> list[Object]:
    return scene.simulator.caches.vmims.by("vmi", f"{NAMESPACE}/{vm}")


def is_requested(vmi: Object) -> bool:
    return condition(vmi, "EvictionRequested") is not None


async def test_a_vm_is_marked_moved_and_unmarked(scene: Scene) -> None:
    source = pod_of(scene, "evacuated")
    assert await evict(scene, "evacuated") == (429, triggered("evacuated"))
    assert await evict(scene, "evacuated") in [
        (429, f"Evacuation in progress: {triggered('evacuated')}"),
        (429, "Eviction request for target Pod"),  # when it was moved in between
    ]
    marked = await scene.vmi(NAMESPACE, "evacuated", is_requested)
    entry = condition(marked, "EvictionRequested")
    assert entry is not None
    assert (entry["status"], entry["reason"]) == ("True", "EvictionRequested")
    assert entry["message"] == "VMI is marked for eviction"
    await scene.eventually(lambda: bool(migrations(scene, "evacuated")))
    (vmim,) = migrations(scene, "evacuated")
    assert vmim["metadata"]["name"].startswith("kubevirt-evacuation-")
    assert vmim["spec"] == {"vmiName": "evacuated", "priority": "system-critical"}
    assert annotations_of(vmim)["kubevirt.io/evacuationMigration"] == "eviction-1"
    told = ("Normal", "SuccessfulCreate", f"Created Migration {vmim['metadata']['name']}")
    await scene.vmim(vmim, "Succeeded")
    # Events of the same reason tell of its pod, and they come in their own time.
    async with asyncio.timeout(WITHIN_SECONDS):
        while told not in await scene.events(marked):  # noqa: ASYNC110 - the API server tells only whom asks
            await asyncio.sleep(0.05)
    after = await scene.vmi(NAMESPACE, "evacuated", lambda vmi: not is_requested(vmi))
    assert "evacuationNodeName" not in after["status"]
    assert after["status"]["nodeName"] != "eviction-1"
    in_progress = "descheduler.alpha.kubernetes.io/eviction-in-progress"
    assert annotations_of(await scene.user.get(PODS, NAMESPACE, source["metadata"]["name"]))[in_progress] == "true"
    assert in_progress not in annotations_of(pod_of(scene, "evacuated"))


async def test_the_descheduler_comes_last(scene: Scene) -> None:
    assert await evict(scene, "if-possible", {"requested-by": "sigs.k8s.io/descheduler"}) == (
        429,
        triggered("if-possible"),
    )
    await scene.eventually(lambda: bool(migrations(scene, "if-possible")))
    (vmim,) = migrations(scene, "if-possible")
    assert vmim["spec"]["priority"] == "system-maintenance"
    await scene.vmim(vmim, "Succeeded")
    after = await scene.user.get(VMIS, NAMESPACE, "if-possible")
    assert "kubevirt.io/eviction-source" not in annotations_of(after), "it goes with the mark"


async def test_an_external_one_is_marked_and_left_to_somebody_else(scene: Scene) -> None:
    assert await evict(scene, "external") == (429, triggered("external"))
    await scene.vmi(NAMESPACE, "external", is_requested)
    assert migrations(scene, "external") == []
    ours = await scene.migrate(NAMESPACE, "external")
    await scene.vmim(ours, "Succeeded")
    after = await scene.vmi(NAMESPACE, "external", lambda vmi: not is_requested(vmi))
    assert "evacuationNodeName" not in after["status"]


@pytest.mark.parametrize("vm", ["none", "stuck-if-possible"])
async def test_who_is_not_to_be_moved_is_shut_down(scene: Scene, vm: str) -> None:
    assert await evict(scene, vm) == (201, "")
    await scene.vmi(NAMESPACE, vm, lambda vmi: vmi["status"]["phase"] in ("Succeeded", "Failed"))


async def test_who_cannot_be_moved_and_must_be_is_refused(scene: Scene) -> None:
    said = "VMI stuck is configured with an eviction strategy but is not live-migratable"
    assert await evict(scene, "stuck") == (429, said)
    assert "evacuationNodeName" not in (await scene.user.get(VMIS, NAMESPACE, "stuck"))["status"]


async def test_a_dry_run_marks_nothing(scene: Scene) -> None:
    assert await evict(scene, "rehearsed", dryRun="All") == (429, triggered("rehearsed"))
    assert "evacuationNodeName" not in (await scene.user.get(VMIS, NAMESPACE, "rehearsed"))["status"]


async def test_a_users_migration_in_flight_is_left_to_do_it(scene: Scene) -> None:
    users = await scene.migrate(NAMESPACE, "moved-by-a-user")
    await scene.vmim(users, "Running")
    assert await evict(scene, "moved-by-a-user") == (429, triggered("moved-by-a-user"))
    await scene.vmi(NAMESPACE, "moved-by-a-user", is_requested)
    assert [each["metadata"]["uid"] for each in migrations(scene, "moved-by-a-user")] == [users["metadata"]["uid"]]
    await scene.delete(VMIMS, users)
    await scene.vmim(users, "gone")
    await scene.eventually(lambda: len(migrations(scene, "moved-by-a-user")) == 1)  # it is still marked
    await scene.annotate(NAMESPACE, "moved-by-a-user", migration_seconds="0.1")


async def test_a_node_with_the_drain_taint_is_emptied(scene: Scene) -> None:
    taint = {"op": "add", "path": "/spec/taints", "value": [{"key": "kubevirt.io/drain", "effect": "NoSchedule"}]}
    await scene.user.patch(NODES, "", "eviction-2", [taint], JSON_PATCH)
    moved = await scene.vmi(NAMESPACE, "drained", lambda vmi: vmi["status"]["nodeName"] != "eviction-2")
    assert not is_requested(moved), "by the taint, which marks nobody"
