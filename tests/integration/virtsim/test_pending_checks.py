"""What a migration in Pending waits for: backups, utility volumes, the VM's own status; and its policy at hand-over."""

from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene
from virtsim.cluster.client import MERGE_PATCH, Client
from virtsim.identities import CONTROLLER, HANDLER
from virtsim.objects.conditions import condition
from virtsim.objects.resources import NAMESPACES, POLICIES, QUOTAS, VMIMS, VMIS, Object

NAMESPACE = "virtsim-pending"
QUICK = {"virtsim.drover.dev/migration-seconds": "0.1"}
NAMES = ("backed-up", "volumes", "too-long", "unlabelled", "rootless", "policied", "clean")
FLEET: dict[str, Any] = {
    "nodes": [{"name": "pending", "count": 2}],
    "virtualMachines": [
        *(
            {"name": name, "namespace": NAMESPACE, "node": "pending-1", "memory": "256Mi", "annotations": QUICK}
            for name in NAMES
        ),
        {"name": "limited", "namespace": "virtsim-quota", "memory": "256Mi", "annotations": QUICK},
    ],
    "kubevirt": {"configuration": {"migrations": {"parallelMigrationsPerCluster": 9}}},
}

pytestmark = pytest.mark.anyio


def handler(scene: Scene) -> Client:
    return scene.user.acting_as(HANDLER)


async def set_status(scene: Scene, vm: str, field: str, value: Any) -> None:
    """As virt-handler would (what a user writes is undone); returns when virt-controller has seen it."""
    await handler(scene).patch(VMIS, NAMESPACE, vm, {"status": {field: value}}, MERGE_PATCH)
    await scene.vmi(NAMESPACE, vm, lambda vmi: vmi["status"].get(field) == value)


def message_of(vmim: Object, kind: str) -> tuple[str, str]:
    entry = condition(vmim, kind)
    assert entry is not None
    return entry["reason"], entry["message"]


async def until_condition(scene: Scene, vmim: Object, kind: str) -> Object:
    """The migration once it has that condition."""

    def has_it() -> bool:
        stored = scene.simulator.caches.vmims.get(NAMESPACE, vmim["metadata"]["name"])
        return stored is not None and condition(stored, kind) is not None

    await scene.eventually(has_it)
    return await scene.user.get(VMIMS, NAMESPACE, vmim["metadata"]["name"])


async def test_a_backup_lets_the_pod_run_and_keeps_the_phase(scene: Scene) -> None:
    await scene.annotate(NAMESPACE, "backed-up", backup="nightly")
    await scene.vmi(NAMESPACE, "backed-up", lambda vmi: "changedBlockTracking" in vmi["status"])
    vmim = await scene.migrate(NAMESPACE, "backed-up")
    await scene.pod(await scene.target_pod(vmim), "Running")
    blocked = await until_condition(scene, vmim, "migrationBlockedByBackup")
    assert blocked["status"]["phase"] == "Pending"
    said = ("BackupInProgress", "Waiting for backup nightly to complete")
    assert message_of(blocked, "migrationBlockedByBackup") == said
    await scene.annotate(NAMESPACE, "backed-up", backup=None)
    done = await scene.vmim(vmim, "Succeeded")
    assert condition(done, "migrationBlockedByBackup") is None


async def test_a_critical_migration_aborts_the_backup(scene: Scene) -> None:
    await scene.annotate(NAMESPACE, "clean", backup="hourly")
    await scene.vmi(NAMESPACE, "clean", lambda vmi: "changedBlockTracking" in vmi["status"])
    wanted = scene.migration(NAMESPACE, "clean", priority="system-critical")
    vmim = await scene.user.acting_as(CONTROLLER).create(VMIMS, wanted)
    await scene.vmim(vmim, "Succeeded")
    told = ("Normal", "BackupAbortedForMigration", "Aborting backup hourly for system-critical migration")
    assert told in await scene.events(vmim, "BackupAbortedForMigration")


async def test_utility_volumes_are_waited_for(scene: Scene) -> None:
    await scene.annotate(NAMESPACE, "volumes", utility_volume="scratch")
    await scene.vmi(NAMESPACE, "volumes", lambda vmi: bool(vmi["spec"].get("utilityVolumes")))
    vmim = await scene.migrate(NAMESPACE, "volumes")
    blocked = await until_condition(scene, vmim, "migrationBlockedByUtilityVolumes")
    reason, message = message_of(blocked, "migrationBlockedByUtilityVolumes")
    assert reason == "UtilityVolumesPresent"
    assert message.startswith("Migration is waiting for utility volumes to detach. Will timeout in 1")
    assert await scene.events(vmim, "UtilityVolumeMigrationPending")
    assert scene.simulator.caches.pods.by("migration", vmim["metadata"]["uid"]) == []
    await scene.annotate(NAMESPACE, "volumes", utility_volume="")
    done = await scene.vmim(vmim, "Succeeded")
    assert condition(done, "migrationBlockedByUtilityVolumes") is None


async def test_utility_volumes_that_stay_end_the_migration(scene: Scene) -> None:
    await scene.annotate(NAMESPACE, "too-long", utility_volume="scratch")
    await scene.vmi(NAMESPACE, "too-long", lambda vmi: bool(vmi["spec"].get("utilityVolumes")))
    wanted = scene.migration(NAMESPACE, "too-long")
    wanted["metadata"]["annotations"] = {"kubevirt.io/migrationUtilityVolumesTimeoutSeconds": "1"}
    vmim = await scene.user.create(VMIMS, wanted)
    await scene.vmim(vmim, "Failed")
    said = (
        f"Migration timeout waiting for utility volumes to detach from VMI [{NAMESPACE}/too-long]. "
        "Utility volumes still present after "
    )
    told = await scene.events(vmim, "FailedMigration")
    assert any(message.startswith(said) for _, _, message in told)


async def test_no_target_pod_without_an_selinux_context(scene: Scene) -> None:
    await set_status(scene, "unlabelled", "selinuxContext", None)
    vmim = await scene.migrate(NAMESPACE, "unlabelled")
    await scene.vmim(vmim, "Pending")
    level = "s0:c12,c345"
    await set_status(scene, "unlabelled", "selinuxContext", f"system_u:object_r:container_file_t:{level}")
    pod = await scene.target_pod(vmim)
    assert pod["spec"]["securityContext"]["seLinuxOptions"] == {"level": level}
    await scene.vmim(vmim, "Succeeded")


async def test_a_root_vm_becomes_what_the_cluster_wants(scene: Scene) -> None:
    await set_status(scene, "rootless", "runtimeUser", 0)
    vmim = await scene.migrate(NAMESPACE, "rootless")
    await scene.vmim(vmim, "Succeeded")
    vmi = await scene.vmi(NAMESPACE, "rootless")
    assert vmi["status"]["runtimeUser"] == 107
    assert vmi["metadata"]["annotations"]["kubevirt.io/nonroot"] == "true"


async def test_a_policy_decides_at_the_hand_over(scene: Scene) -> None:
    await scene.user.patch(NAMESPACES, "", NAMESPACE, {"metadata": {"labels": {"team": "a"}}}, MERGE_PATCH)
    policy = {
        "apiVersion": "migrations.kubevirt.io/v1alpha1",
        "kind": "MigrationPolicy",
        "metadata": {"name": "virtsim-team-a"},
        "spec": {
            "selectors": {"namespaceSelector": {"team": "a"}, "virtualMachineInstanceSelector": {"wave": "1"}},
            "allowPostCopy": True,
            "bandwidthPerMigration": "64Mi",
            "experimental": {"compression": "zstd"},
        },
    }
    await scene.patch(VMIS, NAMESPACE, "policied", {"metadata": {"labels": {"wave": "1"}}})
    await scene.user.create(POLICIES, policy)
    try:
        await scene.simulator.caches.policies.until(lambda: len(scene.simulator.caches.policies) > 0)
        vmim = await scene.migrate(NAMESPACE, "policied")
        await scene.vmim(vmim, "Succeeded")
    finally:
        await scene.user.delete(POLICIES, "", "virtsim-team-a")
    state = (await scene.vmi(NAMESPACE, "policied"))["status"]["migrationState"]
    assert state["migrationPolicyName"] == "virtsim-team-a"
    configuration = state["migrationConfiguration"]
    assert (configuration["allowPostCopy"], configuration["allowWorkloadDisruption"]) == (True, True)
    assert (configuration["bandwidthPerMigration"], configuration["completionTimeoutPerGiB"]) == ("64Mi", 150)
    assert configuration["experimental"] == {"compression": "zstd"}


async def test_a_quota_that_grows_wakes_who_it_refused(scene: Scene) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": "virtsim-quota"},
        "spec": {"hard": {"pods": "1"}},
    }
    await scene.user.create(QUOTAS, quota)
    await scene.eventually(
        lambda: any((each.get("status") or {}).get("used") for each in scene.simulator.caches.quotas)
    )
    vmim = await scene.migrate("virtsim-quota", "limited")
    store = scene.simulator.caches.vmims

    def is_refused() -> bool:
        stored = store.get("virtsim-quota", vmim["metadata"]["name"])
        return stored is not None and condition(stored, "migrationRejectedByResourceQuota") is not None

    await scene.eventually(is_refused)
    await scene.patch(QUOTAS, "virtsim-quota", "small", {"spec": {"hard": {"pods": "2"}}})
    done = await scene.vmim(vmim, "Succeeded")
    assert condition(done, "migrationRejectedByResourceQuota") is None
    await scene.user.delete(QUOTAS, "virtsim-quota", "small")
