"""What users create: VMIs that start, and what virt-api refuses of VMIs, VMs, migrations and policies."""

from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene
from virtsim.cluster.client import ApiError
from virtsim.objects.conditions import is_true
from virtsim.objects.resources import KUBEVIRTS, PODS, POLICIES, VMIS, VMS, Object, Resource

NAMESPACE = "virtsim-creations"
FLEET: dict[str, Any] = {
    "nodes": [{"name": "creations", "count": 2}],
    "virtualMachines": [{"name": "vm", "namespace": NAMESPACE, "node": "creations-1", "memory": "256Mi"}],
}
RESERVED = "creation of the following reserved kubevirt.io/ labels on a VMI object is prohibited"

pytestmark = pytest.mark.anyio


def a_vmi(name: str, labels: dict[str, str] | None = None, **domain: Any) -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"namespace": NAMESPACE, "name": name, **({"labels": labels} if labels else {})},
        "spec": {"domain": {"devices": {}, **domain}},
    }


def a_vm(name: str, **spec: Any) -> Object:
    template = {"spec": {"domain": {"devices": {}, "memory": {"guest": "128Mi"}}}}
    metadata = {"namespace": NAMESPACE, "name": name}
    body = {"template": template, **spec}
    return {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": metadata, "spec": body}


def a_policy(**spec: Any) -> Object:
    body = {"selectors": {"namespaceSelector": {"no": "where"}}, **spec}
    metadata = {"name": "virtsim-creations"}
    return {
        "apiVersion": "migrations.kubevirt.io/v1alpha1",
        "kind": "MigrationPolicy",
        "metadata": metadata,
        "spec": body,
    }


async def refusal(scene: Scene, resource: Resource, obj: Object) -> tuple[int, str, str]:
    """Code, reason and message without the webhook's name."""
    with pytest.raises(ApiError) as refused:
        await scene.user.create(resource, obj, dryRun="All")
    return refused.value.code, refused.value.reason, refused.value.message.partition("denied the request: ")[2]


async def test_a_vmi_of_a_plain_user_starts_and_migrates(scene: Scene) -> None:
    behind = {"interfaces": [{"name": "default", "masquerade": {}}]}
    vmi = a_vmi("plain", memory={"guest": "128Mi"}, devices=behind)
    vmi["spec"]["networks"] = [{"name": "default", "pod": {}}]
    created = await scene.user.create(VMIS, vmi)
    assert created["status"]["phase"] == "Pending"
    assert created["metadata"]["finalizers"] == ["kubevirt.io/foregroundDeleteVirtualMachine"]
    running = await scene.vmi(NAMESPACE, "plain", lambda vmi: is_true(vmi, "Ready"))
    assert running["status"]["phase"] == "Running"
    cpu = running["spec"]["domain"]["cpu"]
    assert (cpu["model"], cpu["cores"], cpu["sockets"], cpu["threads"]) == ("host-model", 1, 1, 1)
    assert await scene.vmim(await scene.migrate(NAMESPACE, "plain"), "Succeeded", "Failed")


async def test_a_new_vmi_may_not_carry_kubevirts_labels(scene: Scene) -> None:
    labelled = a_vmi("labelled", {"kubevirt.io/nodeName": "creations-1"}, memory={"guest": "128Mi"})
    assert await refusal(scene, VMIS, labelled) == (422, "Invalid", RESERVED)


async def test_a_new_vmi_has_memory(scene: Scene) -> None:
    code, reason, message = await refusal(scene, VMIS, a_vmi("empty"))
    assert (code, reason, message[:19]) == (422, "Invalid", "no memory requested")


NONSENSE: dict[str, dict[str, Any]] = {
    "a feature without a name": {"domain": {"cpu": {"features": [{"policy": "require"}]}}},
    "a quantity of bytes": {"domain": {"memory": {"guest": "4GB"}}},
    "a request that is a list": {"domain": {"resources": {"requests": {"memory": ["1Gi"]}}}},
    "cores in words": {"domain": {"cpu": {"cores": "four"}}},
    "an affinity without terms": {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}},
        "domain": {},
    },
    "a volume without a name": {"volumes": [{"containerDisk": {}}], "domain": {}},
}


@pytest.mark.parametrize("case", NONSENSE)
@pytest.mark.parametrize("kind", ["VirtualMachineInstance", "VirtualMachine"])
async def test_nonsense_is_refused_by_the_definition(scene: Scene, kind: str, case: str) -> None:
    """What the simulator's controllers could not read."""
    spec = {**NONSENSE[case], "domain": {"devices": {}, "memory": {"guest": "128Mi"}, **NONSENSE[case]["domain"]}}
    resource, obj = (VMIS, a_vmi("nonsense")) if kind == "VirtualMachineInstance" else (VMS, a_vm("nonsense"))
    obj["spec"] = spec if resource is VMIS else {"runStrategy": "Always", "template": {"spec": spec}}
    with pytest.raises(ApiError) as refused:
        await scene.user.create(resource, obj, dryRun="All")
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")


async def test_null_is_nothing(scene: Scene) -> None:
    """The API server drops it where the definition knows the field."""
    vmi = a_vmi("nothing", memory={"guest": "128Mi"}, cpu=None)
    vmi["spec"] |= {"affinity": None, "tolerations": None, "volumes": None}
    created = await scene.user.create(VMIS, vmi, dryRun="All")
    assert not {"affinity", "tolerations", "volumes"} & set(created["spec"])
    assert created["spec"]["domain"]["cpu"] is not None


@pytest.mark.parametrize("amount", ["4GB", "64 Mi", True])
async def test_a_bandwidth_is_a_quantity(scene: Scene, amount: Any) -> None:
    with pytest.raises(ApiError, match="bandwidthPerMigration") as refused:
        await scene.user.create(POLICIES, a_policy(bandwidthPerMigration=amount), dryRun="All")
    assert refused.value.code == 422
    migrations = {"spec": {"configuration": {"migrations": {"bandwidthPerMigration": amount}}}}
    with pytest.raises(ApiError, match="bandwidthPerMigration"):
        await scene.patch(KUBEVIRTS, "kubevirt", "kubevirt", migrations)


async def test_the_old_name_of_the_api_is_admitted_in_the_same_way(scene: Scene) -> None:
    old = Resource("kubevirt.io", "v1alpha3", "virtualmachineinstances")
    vmi = {**a_vmi("old", memory={"guest": "128Mi"}), "apiVersion": "kubevirt.io/v1alpha3"}
    created = await scene.user.create(old, vmi, dryRun="All")
    assert created["status"]["phase"] == "Pending"
    empty = {**a_vmi("empty"), "apiVersion": "kubevirt.io/v1alpha3"}
    assert (await refusal(scene, old, empty))[0] == 422


async def test_a_vm_says_when_it_runs(scene: Scene) -> None:
    assert await refusal(scene, VMS, a_vm("silent")) == (422, "Invalid", "RunStrategy must be specified")
    vm = await scene.user.create(VMS, a_vm("halted", runStrategy="Halted"), dryRun="All")
    assert vm["spec"]["template"]["spec"]["domain"]["machine"] == {"type": "q35"}


async def test_migrations_between_clusters_are_behind_a_gate(scene: Scene) -> None:
    there = {"sendTo": {"migrationID": "a", "connectURL": "https://there"}, "receive": {"migrationID": "b"}}
    code, reason, message = await _migration_refused(scene, **there)
    shut = "DecentralizedLiveMigration feature gate is not enabled in kubevirt resource"
    assert (code, reason, message) == (422, "Invalid", shut)
    developer = {"developerConfiguration": {"featureGates": ["DecentralizedLiveMigration"]}}
    await scene.patch(KUBEVIRTS, "kubevirt", "kubevirt", {"spec": {"configuration": developer}})
    differs = "sendTo migrationID a does not match receive migrationID b"
    assert await _migration_refused(scene, **there) == (422, "Invalid", differs)
    shut_again: Object = {"developerConfiguration": {"featureGates": []}}
    await scene.patch(KUBEVIRTS, "kubevirt", "kubevirt", {"spec": {"configuration": shut_again}})


async def _migration_refused(scene: Scene, **spec: Any) -> tuple[int, str, str]:
    with pytest.raises(ApiError) as refused:
        await scene.migrate(NAMESPACE, "vm", "refused", **spec)
    return refused.value.code, refused.value.reason, refused.value.message.partition("denied the request: ")[2]


async def test_policies_are_looked_at(scene: Scene) -> None:
    assert await refusal(scene, POLICIES, a_policy(bandwidthPerMigration="-1Mi")) == (
        422,
        "Invalid",
        "must not be negative",
    )
    gated = "maxDowntimeMs cannot be modified without enabling the MigrationStallDetection feature gate"
    assert await refusal(scene, POLICIES, a_policy(maxDowntimeMs=500)) == (422, "Invalid", gated)
    await scene.user.create(POLICIES, a_policy(allowPostCopy=True), dryRun="All")


async def test_the_pod_of_a_hotplugged_volume_is_not_evicted_beneath_its_vm(scene: Scene) -> None:
    vmi = await scene.user.get(VMIS, NAMESPACE, "vm")
    launcher = scene.simulator.caches.current_pod(vmi)
    assert launcher is not None
    owner = {"apiVersion": "v1", "kind": "Pod", **{key: launcher["metadata"][key] for key in ("name", "uid")}}
    pod = await scene.user.create(
        PODS,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "hp-volume-data",
                "namespace": NAMESPACE,
                "labels": {"kubevirt.io": "hotplug-disk"},
                "ownerReferences": [owner],
            },
            "spec": {"nodeName": "creations-1", "containers": [{"name": "hotplug-disk", "image": "none"}]},
        },
    )
    metadata = {"name": pod["metadata"]["name"], "namespace": NAMESPACE}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    with pytest.raises(ApiError) as refused:
        await scene.user.create(PODS, eviction, "eviction")
    assert (refused.value.code, refused.value.message) == (
        429,
        'admission webhook "hotplug-pod-eviction-interceptor.kubevirt.io" denied the request: cannot evict hotplug '
        f"pod: hp-volume-data associated with running vmi: vm in namespace {NAMESPACE}",
    )
    await scene.delete(PODS, pod)
