"""What virt-api serves beside the API server: evacuate/cancel, migrate, pause; for whom RBAC lets."""

import json
from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene
from virtsim.cluster.client import JSON_PATCH, MERGE_PATCH
from virtsim.identities import APISERVER
from virtsim.objects.conditions import condition
from virtsim.objects.resources import API_SERVICES, NODES, SERVICES, VMIMS, VMIS, VMS, Object, Resource

NAMESPACE = "virtsim-subresources"
ROOT = "/apis/subresources.kubevirt.io"
FLEET: dict[str, Any] = {
    "nodes": [{"name": "sub", "count": 2}],
    "virtualMachines": [
        {
            "name": name,
            "namespace": NAMESPACE,
            "node": "sub-1",
            "memory": "256Mi",
            "evictionStrategy": "External",
            "annotations": {"virtsim.drover.dev/migration-seconds": "0.1"},
        }
        for name in ("vm", "of-vm", "paused", "granted")
    ],
}
ROLES = Resource("rbac.authorization.k8s.io", "v1", "roles")
BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings")

pytestmark = pytest.mark.anyio


async def put(
    scene: Scene, resource: str, name: str, subresource: str, body: Any = None, version: str = "v1"
) -> tuple[int, str]:
    """The answer's code, and its message where it is a refusal."""
    path = f"{ROOT}/{version}/namespaces/{NAMESPACE}/{resource}/{name}/{subresource}"
    return await asked(scene, path, body)


async def asked(scene: Scene, path: str, body: Any = None, user: str = "") -> tuple[int, str]:
    """A PUT as it goes over the wire: the answers of this API are not all JSON."""
    client = scene.user
    headers = {**(await client._headers("application/json")), **({"Impersonate-User": user} if user else {})}
    data = b"" if body is None else json.dumps(body).encode()
    url = f"{client.configuration.host}{path}"
    async with client.session.put(url, data=data, headers=headers) as response:
        text = await response.text()
        is_status = response.content_type == "application/json" and text
        return response.status, json.loads(text).get("message", "") if is_status else text


async def cancel(scene: Scene, name: str, node: str | None, resource: str = "virtualmachineinstances") -> Any:
    return await put(scene, resource, name, "evacuate/cancel", {"evacuationNodeName": node} if node else {})


async def mark(scene: Scene, name: str, node: str = "sub-1") -> None:
    """As the eviction webhook does it."""
    patch = [{"op": "add", "path": "/status/evacuationNodeName", "value": node}]
    await scene.user.acting_as(APISERVER).patch(VMIS, NAMESPACE, name, patch, JSON_PATCH)


async def marked(scene: Scene, name: str) -> str:
    mark: str = (await scene.user.get(VMIS, NAMESPACE, name))["status"].get("evacuationNodeName", "")
    return mark


async def test_the_api_server_knows_the_group(scene: Scene) -> None:
    for version in ("v1", "v1alpha3"):
        listed = await scene.user.request("GET", f"{ROOT}/{version}")
        names = [entry["name"] for entry in listed["resources"]]
        assert {"virtualmachines/migrate", "virtualmachineinstances/evacuate/cancel"} <= set(names)
    group = await scene.user.request("GET", ROOT)
    assert group["preferredVersion"]["version"] == "v1"


async def test_a_mark_is_taken_back(scene: Scene) -> None:
    assert await cancel(scene, "vm", "sub-1") == (200, ""), "nothing to take back"
    await mark(scene, "vm")
    code, message = await cancel(scene, "vm", "sub-2")
    assert (code, message[:25]) == (500, "Internal error occurred: ")
    assert await marked(scene, "vm") == "sub-1"
    dry = {"evacuationNodeName": "sub-1", "dryRun": ["All"]}
    assert await put(scene, "virtualmachineinstances", "vm", "evacuate/cancel", dry) == (200, "")
    assert await marked(scene, "vm") == "sub-1"
    assert await cancel(scene, "vm", "sub-1") == (200, "")
    assert await marked(scene, "vm") == ""


async def test_what_evacuate_cancel_refuses(scene: Scene) -> None:
    missing = 'virtualmachineinstance.kubevirt.io "ghost" not found'
    assert await cancel(scene, "ghost", "sub-1") == (404, missing)
    assert await cancel(scene, "ghost", "sub-1", "virtualmachines") == (
        404,
        'virtualmachine.kubevirt.io "ghost" not found',
    )
    await mark(scene, "vm")
    assert (await put(scene, "virtualmachineinstances", "vm", "evacuate/cancel"))[0] == 500, "the mark is not empty"
    code, message = await put(scene, "virtualmachineinstances", "vm", "evacuate/cancel", "words")
    assert (code, message[:43]) == (400, "Can not unmarshal Request body to struct, e")
    taint = [{"key": "kubevirt.io/drain", "effect": "NoSchedule"}]
    await scene.patch(NODES, "", "sub-1", {"spec": {"taints": taint}})
    assert await cancel(scene, "vm", "sub-1") == (
        400,
        'Node "sub-1" has NodeDrainTaintKey "kubevirt.io/drain:NoSchedule"',
    )
    await scene.patch(NODES, "", "sub-1", {"spec": {"taints": None}})
    assert await cancel(scene, "vm", "sub-1") == (200, "")


async def a_vm(scene: Scene, name: str) -> Object:
    """A VirtualMachine that adopts the VMI of its name, as virt-controller reports it."""
    vmi = await scene.user.get(VMIS, NAMESPACE, name)
    body = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"runStrategy": "Manual", "template": {"spec": {"domain": vmi["spec"]["domain"]}}},
    }
    vm = await scene.user.create(VMS, body)
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": name, "uid": vm["metadata"]["uid"]}
    await scene.patch(VMIS, NAMESPACE, name, {"metadata": {"ownerReferences": [owner]}})
    await scene.user.patch(VMS, NAMESPACE, name, {"status": {"created": True}}, MERGE_PATCH, "status")
    return vm


async def test_a_vm_is_migrated_and_its_mark_taken_back(scene: Scene) -> None:
    assert await put(scene, "virtualmachines", "of-vm", "migrate") == (
        404,
        'virtualmachine.kubevirt.io "of-vm" not found',
    )
    vm = await a_vm(scene, "of-vm")
    await mark(scene, "of-vm")
    assert await cancel(scene, "of-vm", "sub-1", "virtualmachines") == (200, "")
    assert await marked(scene, "of-vm") == ""
    assert await put(scene, "virtualmachines", "of-vm", "migrate", {"dryRun": ["All"]}) == (202, "")
    assert (await scene.user.list(VMIMS, NAMESPACE))["items"] == []
    there = {"addedNodeSelector": {"kubernetes.io/hostname": "sub-2"}}
    assert await put(scene, "virtualmachines", "of-vm", "migrate", there, version="v1alpha3") == (202, "")
    (vmim,) = (await scene.user.list(VMIMS, NAMESPACE))["items"]
    assert vmim["metadata"]["name"].startswith("kubevirt-migrate-vm-")
    assert vmim["spec"] == {"vmiName": "of-vm", **there}
    await scene.vmim(vmim, "Succeeded")
    await scene.delete(VMS, vm)


async def test_a_webhooks_denial_of_a_migrate_is_an_internal_error(scene: Scene) -> None:
    vm = await a_vm(scene, "vm")
    first = await scene.migrate(NAMESPACE, "vm", addedNodeSelector={"kubernetes.io/hostname": "nowhere"})
    code, message = await put(scene, "virtualmachines", "vm", "migrate")
    assert code == 500
    assert message.startswith('Internal error occurred: admission webhook "migration-create-validator.kubevirt.io"')
    await scene.delete(VMIMS, first)
    await scene.vmim(first, "gone")
    await scene.delete(VMS, vm)


async def test_a_vmi_is_paused_and_runs_on(scene: Scene) -> None:
    pause, unpause = "pause", "unpause"
    on_paused = 'Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io "paused": VMI is '
    assert await put(scene, "virtualmachineinstances", "paused", unpause) == (409, f"{on_paused}not paused")
    assert await put(scene, "virtualmachineinstances", "paused", pause) == (200, "")
    entry = condition(await scene.user.get(VMIS, NAMESPACE, "paused"), "Paused") or {}
    assert (entry["status"], entry["reason"], entry["message"]) == ("True", "PausedByUser", "VMI was paused by user")
    assert await put(scene, "virtualmachineinstances", "paused", pause) == (409, f"{on_paused}already paused")
    assert await put(scene, "virtualmachineinstances", "paused", unpause) == (200, "")
    assert condition(await scene.user.get(VMIS, NAMESPACE, "paused"), "Paused") is None


async def grant(scene: Scene, user: str, *resources: str) -> None:
    """Lets a user, who has no other rights, update these subresources."""
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": user, "namespace": NAMESPACE}}
    rule = {"apiGroups": ["subresources.kubevirt.io"], "resources": list(resources), "verbs": ["update"]}
    await scene.user.create(ROLES, {**kind, "kind": "Role", "rules": [rule]})
    await bind(scene, user, "Role", user)


async def bind(scene: Scene, user: str, kind: str, role: str) -> None:
    group = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": user, "namespace": NAMESPACE},
        "roleRef": {"apiGroup": group, "kind": kind, "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    await scene.user.create(BINDINGS, binding)


async def test_rbac_is_asked_twice(scene: Scene) -> None:
    path = f"{ROOT}/v1/namespaces/{NAMESPACE}/virtualmachineinstances/granted/evacuate/cancel"
    code, message = await asked(scene, path, {}, user="nobody")
    assert code == 403, "the API server does not even forward it"
    assert 'cannot update resource "virtualmachineinstances/evacuate"' in message
    await grant(scene, "half", "virtualmachineinstances/evacuate")
    await grant(scene, "whole", "virtualmachineinstances/evacuate", "virtualmachineinstances/evacuate/cancel")

    async def answers(user: str) -> int:
        return (await asked(scene, path, {}, user=user))[0]

    for user, wanted in (("whole", 200), ("half", 401)):
        code = await answers(user)
        while code == 403:  # the authorizer's caches have not seen the binding yet
            code = await answers(user)
        assert code == wanted, user


async def test_the_role_for_migrations_is_not_part_of_edit(scene: Scene) -> None:
    for user, role in (("mover", "kubevirt.io:migrate"), ("editor", "edit")):
        await bind(scene, user, "ClusterRole", role)
    path = f"{ROOT}/v1/namespaces/{NAMESPACE}/virtualmachines/ghost/migrate"
    code, _ = await asked(scene, path, {}, user="mover")
    while code in (401, 403):  # the authorizer's caches have not seen the binding yet
        code, _ = await asked(scene, path, {}, user="mover")
    assert code == 404, "there is no such VM, but who asks may"
    assert (await asked(scene, path, {}, user="editor"))[0] == 403


async def test_what_is_not_served_is_not_found(scene: Scene) -> None:
    assert await put(scene, "virtualmachineinstances", "vm", "console") == (404, "404: Page Not Found")


async def test_the_registration_is_the_simulators_own(scene: Scene) -> None:
    service = await scene.user.get(SERVICES, "kubevirt", "virt-api")
    assert service["spec"]["externalName"] == "localhost"
    registered = await scene.user.get(API_SERVICES, "", "v1.subresources.kubevirt.io")
    assert registered["metadata"]["labels"] == {"virtsim.drover.dev/crd": "true"}
