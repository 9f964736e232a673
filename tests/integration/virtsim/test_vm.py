"""VirtualMachines and their VMIs through starts, failures, migrations, changes and deletions."""

from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene
from virtsim.objects.conditions import condition, is_true
from virtsim.objects.resources import PODS, VMIMS, VMIS, VMS, Object

NAMESPACE = "virtsim-vm"
QUICK = {"virtsim.drover.dev/migration-seconds": "0.3"}
SLOW = {"virtsim.drover.dev/migration-seconds": "60"}


def a_vm(name: str, annotations: dict[str, str], **more: Any) -> dict[str, Any]:
    placed = {"namespace": NAMESPACE, "memory": "256Mi", "node": "vms-1", "virtualMachine": True}
    return {"name": name, "annotations": annotations, "labels": {"app": name}, **placed, **more}


FLEET: dict[str, Any] = {
    "nodes": [{"name": "vms", "count": 3}],
    "virtualMachines": [
        *(a_vm(name, QUICK) for name in ("always", "moves", "selects", "halted")),
        a_vm("deleted", SLOW),
        a_vm("alone", SLOW, virtualMachine=False),
    ],
}

pytestmark = pytest.mark.anyio


async def vm(scene: Scene, name: str, status: str) -> Object:
    """The VM once it prints that status."""
    store = scene.simulator.caches.vms

    def prints() -> str:
        return str(((store.get(NAMESPACE, name) or {}).get("status") or {}).get("printableStatus", ""))

    await scene.eventually(lambda: prints() == status)
    return await scene.user.get(VMS, NAMESPACE, name)


def current_pod(scene: Scene, vmi: Object) -> Object:
    pod = scene.simulator.caches.current_pod(vmi)
    assert pod is not None
    return pod


async def test_a_vm_owns_its_vmi(scene: Scene) -> None:
    running = await vm(scene, "always", "Running")
    vmi = await scene.user.get(VMIS, NAMESPACE, "always")
    (owner,) = vmi["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("VirtualMachine", running["metadata"]["uid"], True)
    assert vmi["metadata"]["annotations"]["kubevirt.io/vm-generation"] == "1"
    assert vmi["metadata"]["labels"]["app"] == "always"
    assert vmi["status"]["nodeName"] == "vms-1"
    assert is_true(running, "LiveMigratable")
    assert running["status"].items() >= {"created": True, "ready": True, "runStrategy": "Always"}.items()


async def test_what_ends_is_started_again(scene: Scene) -> None:
    before = await scene.user.get(VMIS, NAMESPACE, "always")
    await scene.delete(PODS, current_pod(scene, before))
    after = await scene.vmi(
        NAMESPACE, "always", lambda vmi: (vmi.get("metadata") or before["metadata"])["uid"] != before["metadata"]["uid"]
    )
    await vm(scene, "always", "Running")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert "virtsim.drover.dev/start-on" not in after["metadata"]["annotations"], "now the scheduler chooses"


async def test_it_prints_that_it_migrates(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "moves")
    await vm(scene, "moves", "Migrating")
    await scene.vmim(vmim, "Succeeded")
    await vm(scene, "moves", "Running")


async def test_a_node_selector_reaches_the_vmi_and_binds_at_the_next_migration(scene: Scene) -> None:
    body = {"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "vms-3"}}}}}
    await scene.patch(VMS, NAMESPACE, "selects", body)
    wanted = {"kubernetes.io/hostname": "vms-3"}
    vmi = await scene.vmi(NAMESPACE, "selects", lambda vmi: vmi["spec"].get("nodeSelector") == wanted)
    assert vmi["status"]["nodeName"] == "vms-1", "nothing migrates it"
    vmim = await scene.migrate(NAMESPACE, "selects")
    await scene.vmim(vmim, "Succeeded")
    assert (await scene.vmi(NAMESPACE, "selects"))["status"]["nodeName"] == "vms-3"


async def test_a_halted_vm_has_no_vmi(scene: Scene) -> None:
    await scene.patch(VMS, NAMESPACE, "halted", {"spec": {"runStrategy": "Halted"}})
    stopped = await vm(scene, "halted", "Stopped")
    await scene.eventually(lambda: scene.simulator.caches.vmis.get(NAMESPACE, "halted") is None)
    assert condition(stopped, "Ready") is not None
    await scene.patch(VMS, NAMESPACE, "halted", {"spec": {"runStrategy": "Always"}})
    await vm(scene, "halted", "Running")


@pytest.mark.parametrize(("resource", "name"), [(VMS, "deleted"), (VMIS, "alone")])
async def test_who_is_deleted_during_a_migration_takes_all_with_it(scene: Scene, resource: Any, name: str) -> None:
    caches = scene.simulator.caches
    vmi = await scene.vmi(NAMESPACE, name)
    vmim = await scene.migrate(NAMESPACE, name)
    await scene.vmim(vmim, "Running")
    await scene.user.delete(resource, NAMESPACE, name)
    await scene.eventually(lambda: caches.vmis.get(NAMESPACE, name) is None)
    await scene.eventually(lambda: caches.vmims.get(NAMESPACE, vmim["metadata"]["name"]) is None)
    await scene.eventually(lambda: not caches.pods.by("owner", vmi["metadata"]["uid"]))
    await scene.eventually(lambda: caches.vms.get(NAMESPACE, name) is None)


async def test_a_users_own_vmi_is_started(scene: Scene) -> None:
    like = await scene.vmi(NAMESPACE, "moves")
    metadata = {"name": "applied", "namespace": NAMESPACE}
    spec = {key: value for key, value in like["spec"].items() if key != "nodeSelector"}
    wanted = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": metadata, "spec": spec}
    await scene.user.create(VMIS, wanted)
    vmi = await scene.vmi(NAMESPACE, "applied", lambda vmi: is_true(vmi, "Ready"))
    phases = [entry["phase"] for entry in vmi["status"]["phaseTransitionTimestamps"]]
    assert phases == ["Pending", "Scheduling", "Scheduled", "Running"]
    vmim = await scene.migrate(NAMESPACE, "applied")
    await scene.vmim(vmim, "Running", "Succeeded")
    await scene.delete(VMIMS, vmim)
