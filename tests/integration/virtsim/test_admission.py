"""What virt-api's webhooks refuse, with its texts and codes, and what they change in silence."""

from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene
from virtsim.cluster.client import ApiError
from virtsim.objects.resources import VMIMS, VMIS

NAMESPACE = "virtsim-admission"
CREATE = 'admission webhook "migration-create-validator.kubevirt.io" denied the request: '
UPDATE = 'admission webhook "migration-update-validator.kubevirt.io" denied the request: '
UPDATE_VMI = 'admission webhook "virtualmachineinstances-update-validator.kubevirt.io" denied the request: '
REASON = "cannot migrate VMI which does not use masquerade or a migratable plugin to connect to the pod network"
FLEET: dict[str, Any] = {
    "nodes": [{"name": "admission", "count": 2}],
    "virtualMachines": [
        {"name": "vm", "namespace": NAMESPACE, "node": "admission-1", "memory": "256Mi"},
        {
            "name": "stuck",
            "namespace": NAMESPACE,
            "node": "admission-1",
            "memory": "256Mi",
            "notMigratable": {"reason": "InterfaceNotLiveMigratable", "message": REASON},
        },
    ],
}
NOWHERE = {"kubernetes.io/hostname": "no-such-node"}

pytestmark = pytest.mark.anyio

REFUSED_CREATIONS: list[tuple[dict[str, Any], int, str, str]] = [
    ({"vmiName": ""}, 422, "Invalid", "vmiName is missing"),
    ({"vmiName": "ghost"}, 400, "", f'the VMI "{NAMESPACE}/ghost" does not exist'),
    (
        {"vmiName": "vm", "priority": "system-critical"},
        422,
        "Invalid",
        "Migration priority queue, only virt-controller is allowed to set priority field",
    ),
    (
        {"vmiName": "stuck"},
        400,
        "",
        f"Cannot migrate VMI, Reason: InterfaceNotLiveMigratable, Message: {REASON}",
    ),
]


@pytest.mark.parametrize(("spec", "code", "reason", "message"), REFUSED_CREATIONS)
async def test_refused_creations(scene: Scene, spec: dict[str, Any], code: int, reason: str, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        await scene.migrate(NAMESPACE, spec["vmiName"], "refused", **spec)
    assert (refused.value.code, refused.value.reason, refused.value.message) == (code, reason, CREATE + message)


async def test_a_dry_run_is_judged_and_leaves_nothing(scene: Scene) -> None:
    await scene.user.create(VMIMS, scene.migration(NAMESPACE, "vm", "dry"), dryRun="All")
    with pytest.raises(ApiError) as refused:
        await scene.user.create(VMIMS, scene.migration(NAMESPACE, "stuck", "dry"), dryRun="All")
    assert refused.value.message.startswith(f"{CREATE}Cannot migrate VMI")
    assert (await scene.user.list(VMIMS, NAMESPACE))["items"] == []


async def test_a_second_migration_of_a_vm_is_refused_until_the_first_is_gone(scene: Scene) -> None:
    first = await scene.migrate(NAMESPACE, "vm", addedNodeSelector=NOWHERE)
    with pytest.raises(ApiError) as refused:
        await scene.migrate(NAMESPACE, "vm")
    uid = first["metadata"]["uid"]
    assert (refused.value.code, refused.value.reason) == (400, "")
    assert refused.value.message == (
        f"{CREATE}in-flight migration detected. Active migration job ({uid}) is currently already in progress for "
        f"VMI vm."
    )
    await scene.delete(VMIMS, first)
    await scene.vmim(first, "gone")


async def test_a_new_migration_gets_label_and_finalizer(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "vm", addedNodeSelector=NOWHERE)
    assert vmim["metadata"]["labels"] == {"kubevirt.io/vmi-name": "vm"}
    assert vmim["metadata"]["finalizers"] == ["kubevirt.io/migrationJobFinalize"]
    await scene.vmim(vmim, "Scheduling")

    spec = {"spec": {"addedNodeSelector": {"kubernetes.io/hostname": "admission-2"}}}
    label = {"metadata": {"labels": {"kubevirt.io/vmi-name": None}}}
    other = {"metadata": {"labels": {"kubevirt.io/vmi-name": "other"}}}
    for body, message in (
        (spec, "update of Migration object's spec is restricted"),
        (label, "selector label can't be removed from an in-flight migration"),
        (other, "selector label can't be modified on an in-flight migration"),
    ):
        with pytest.raises(ApiError) as refused:
            await scene.patch(VMIMS, NAMESPACE, vmim["metadata"]["name"], body)
        assert (refused.value.code, refused.value.message) == (422, UPDATE + message)
    await scene.patch(VMIMS, NAMESPACE, vmim["metadata"]["name"], {"metadata": {"labels": {"mine": "yes"}}})
    await scene.delete(VMIMS, vmim)
    await scene.vmim(vmim, "gone")


async def test_what_a_user_may_change_of_a_vmi(scene: Scene) -> None:
    reserved = "modification of the following reserved kubevirt.io/ labels on a VMI object is prohibited"
    for body, message in (
        ({"spec": {"hostname": "other"}}, "update of VMI object is restricted"),
        ({"metadata": {"labels": {"kubevirt.io/nodeName": "admission-2"}}}, reserved),
    ):
        with pytest.raises(ApiError) as refused:
            await scene.patch(VMIS, NAMESPACE, "vm", body)
        assert (refused.value.code, refused.value.message) == (422, UPDATE_VMI + message)
    reverted = await scene.patch(VMIS, NAMESPACE, "vm", {"status": {"nodeName": "admission-2"}})
    assert reverted["status"]["nodeName"] == "admission-1"
    labelled = await scene.patch(VMIS, NAMESPACE, "vm", {"metadata": {"labels": {"mine": "yes"}}})
    assert labelled["metadata"]["labels"]["mine"] == "yes"


async def test_a_vm_that_becomes_migratable_is_accepted(scene: Scene) -> None:
    await scene.annotate(NAMESPACE, "stuck", not_migratable=None, migration_seconds="0")
    migratable = {"type": "LiveMigratable", "status": "True"}
    await scene.vmi(
        NAMESPACE,
        "stuck",
        lambda vmi: any(migratable.items() <= entry.items() for entry in vmi["status"]["conditions"]),
    )
    await scene.vmim(await scene.migrate(NAMESPACE, "stuck"), "Succeeded")
