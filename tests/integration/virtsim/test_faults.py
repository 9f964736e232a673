"""What is made to go wrong goes wrong as with KubeVirt: in each phase, on each side, with each pod."""

from typing import Any

import pytest

from tests.integration.virtsim.scene import Scene
from virtsim.objects.resources import NODES, VMIMS, Object
from virtsim.options import Options
from virtsim.virt_handler.faults import LIBVIRT_FAILURE, PREPARING_FAILURE
from virtsim.virt_handler.transfer.job import ABORTED
from virtsim.virt_handler.writes import NEVER_OBSERVED

NAMESPACE = "virtsim-faults"
OPTIONS = Options(speed_up=60)
OWN = "virtsim.drover.dev/"
HOSTNAME = "kubernetes.io/hostname"


def a_vm(name: str, **annotations: str) -> dict[str, Any]:
    named = {f"{OWN}{key.replace('_', '-')}": value for key, value in annotations.items()}
    return {"name": name, "namespace": NAMESPACE, "node": "faults-1", "memory": "256Mi", "annotations": named}


FLEET: dict[str, Any] = {
    "kubevirt": {
        "configuration": {
            "migrations": {
                "parallelMigrationsPerCluster": 50,
                "parallelOutboundMigrationsPerNode": 50,
                "completionTimeoutPerGiB": 1_000_000,
            }
        }
    },
    "nodes": [{"name": "faults", "count": 4}],
    "virtualMachines": [
        a_vm("fails"),
        a_vm("crashes", migration_seconds="100000"),
        a_vm("slow", target_pod_seconds="0.3"),
        a_vm("never", target_pod_seconds="never"),
        a_vm("pulls", image_pull_error="true"),
        a_vm("unready", target_pod_unready_seconds="never"),
        a_vm("source-stops"),
        a_vm("target-stops"),
        a_vm("unseen", domain_never_seen="true"),
        a_vm("target-lost", migration_seconds="100000"),
        a_vm("bad-end", source_exit_error="true"),
        a_vm("pending-on-lost"),
    ],
}

pytestmark = pytest.mark.anyio

SHUTDOWN = "Migration failed because target pod shutdown during migration"
REMOVED = "Migration target pod was removed during active migration."
REPORTED = "source node reported migration failed"

FAILURES = [
    ("PreparingTarget", "Target pod is down", SHUTDOWN, "Failed"),
    ("TargetReady", PREPARING_FAILURE, REPORTED, "Failed"),
    ("Running", LIBVIRT_FAILURE, REPORTED, "Failed"),
    ("Switchover", LIBVIRT_FAILURE, REPORTED, "Failed"),
]


@pytest.mark.parametrize(("phase", "reason", "event", "pod"), FAILURES)
async def test_a_failure_in_each_phase(scene: Scene, phase: str, reason: str, event: str, pod: str) -> None:
    await scene.annotate(NAMESPACE, "fails", fail_at=phase)
    vmim = await scene.migrate(NAMESPACE, "fails", f"fails-{phase.lower()}")
    final = await ended(scene, vmim, "Failed")
    assert final["status"]["migrationState"]["failureReason"] == reason
    assert ("Warning", "FailedMigration", event) in await scene.events(vmim, "FailedMigration")
    await scene.pod(await scene.target_pod(vmim), pod)
    vmi = await scene.vmi(NAMESPACE, "fails")
    assert (vmi["status"]["phase"], vmi["status"]["nodeName"]) == ("Running", "faults-1")
    if phase == "PreparingTarget":
        assert ("Warning", "SyncFailed") in {(kind, told) for kind, told, _ in await scene.events(vmi, "SyncFailed")}


@pytest.mark.parametrize("phase", ["Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running"])
async def test_a_target_pod_that_crashes_in_each_phase(scene: Scene, phase: str) -> None:
    await scene.annotate(NAMESPACE, "crashes", target_pod_crash_at=phase)
    vmim = await scene.migrate(NAMESPACE, "crashes", f"crashes-{phase.lower()}")
    final = await ended(scene, vmim, "Failed")
    assert ("Warning", "FailedMigration", SHUTDOWN) in await scene.events(vmim, "FailedMigration")
    entered = [stamp["phase"] for stamp in final["status"]["phaseTransitionTimestamps"]]
    assert phase in entered
    assert (await scene.vmi(NAMESPACE, "crashes"))["status"]["nodeName"] == "faults-1"


async def test_a_slow_target_pod_is_waited_for(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "slow")
    pod = await waiting_pod(scene, vmim, "ContainerCreating")
    assert pod["status"]["phase"] == "Pending"
    await scene.vmim(vmim, "Succeeded")


@pytest.mark.parametrize(("vm", "reason"), [("never", "ContainerCreating"), ("pulls", "ImagePullBackOff")])
async def test_a_target_pod_that_never_starts_is_removed(scene: Scene, vm: str, reason: str) -> None:
    wanted = scene.migration(NAMESPACE, vm)
    wanted["metadata"]["annotations"] = {"kubevirt.io/migrationPendingPodTimeoutSeconds": "2"}
    vmim = await scene.user.create(VMIMS, wanted)
    pod = await waiting_pod(scene, vmim, reason)
    assert (await scene.vmim(vmim, "Scheduling"))["status"]["phase"] == "Scheduling"
    await scene.vmim(vmim, "Failed")
    assert ("Warning", "FailedMigration", REMOVED) in await scene.events(vmim, "FailedMigration")
    if vm == "pulls":
        told = [message for _, _, message in await scene.events({**pod, "kind": "Pod"}, "Failed")]
        assert "Error: ImagePullBackOff" in told


async def test_a_target_pod_that_never_gets_ready_gives_up(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "unready")
    final = await scene.vmim(vmim, "Failed")
    assert final["status"]["phaseTransitionTimestamps"][-2]["phase"] == "Scheduling"
    assert ("Warning", "FailedMigration", SHUTDOWN) in await scene.events(vmim, "FailedMigration")


async def test_without_the_sources_handler_nothing_begins_until_it_is_back(scene: Scene) -> None:
    await mark(scene, "faults-1", "handler-stopped", "true")
    await node(scene, "faults-1", schedulable="false")
    vmim = await scene.migrate(NAMESPACE, "source-stops")
    await scene.vmim(vmim, "TargetReady")
    await mark(scene, "faults-1", "handler-stopped", None)
    await node(scene, "faults-1", schedulable="true")
    await scene.vmim(vmim, "Succeeded")


async def test_a_target_whose_handler_stops_never_sees_the_guest_arrive(scene: Scene) -> None:
    await mark(scene, "faults-3", "link-speed", "1")
    vmim = await scene.migrate(NAMESPACE, "target-stops", addedNodeSelector={HOSTNAME: "faults-3"})
    await scene.vmim(vmim, "Running")
    await mark(scene, "faults-3", "handler-stopped", "true")
    await node(scene, "faults-3", schedulable="false")
    await mark(scene, "faults-3", "link-speed", None)
    await nobody_has_it(scene, vmim)
    await mark(scene, "faults-3", "handler-stopped", None)
    await node(scene, "faults-3", schedulable="true")


async def test_a_domain_that_is_never_seen(scene: Scene) -> None:
    await nobody_has_it(scene, await scene.migrate(NAMESPACE, "unseen"))


async def test_a_transfer_to_a_lost_node_stands_still_and_is_given_up(scene: Scene) -> None:
    vmim = await scene.migrate(NAMESPACE, "target-lost", addedNodeSelector={HOSTNAME: "faults-4"})
    await scene.vmim(vmim, "Running")
    await mark(scene, "faults-4", "lost", "true")
    stuck = await scene.migrate(NAMESPACE, "pending-on-lost", addedNodeSelector={HOSTNAME: "faults-4"})
    final = await ended(scene, vmim, "Failed")
    assert final["status"]["migrationState"]["failureReason"] == ABORTED
    pod = await scene.target_pod(stuck)
    assert (await scene.pod(pod, "Pending"))["status"]["phase"] == "Pending"
    await mark(scene, "faults-4", "lost", None)
    await scene.vmim(stuck, "Succeeded")


async def test_a_source_pod_may_end_in_error_after_a_good_migration(scene: Scene) -> None:
    final = await ended(scene, await scene.migrate(NAMESPACE, "bad-end"), "Succeeded")
    name = final["status"]["migrationState"]["sourcePod"]
    pod = await scene.pod({"metadata": {"namespace": NAMESPACE, "name": name}}, "Failed")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Error"
    assert (await scene.vmi(NAMESPACE, "bad-end"))["status"]["phase"] == "Running"


async def ended(scene: Scene, vmim: Object, phase: str) -> Object:
    """The migration at its end, with the state that virt-controller copies into it."""
    await scene.vmim(vmim, phase)
    store, key = scene.simulator.caches.vmims, (NAMESPACE, vmim["metadata"]["name"])
    await scene.eventually(lambda: not (store.get(*key) or vmim)["metadata"].get("finalizers"))
    final = store.get(*key)
    assert final is not None
    return final


async def nobody_has_it(scene: Scene, vmim: Object) -> None:
    """The guest has left and not arrived: its VMI fails, and so does the migration."""
    vmi = await scene.vmi(NAMESPACE, vmim["spec"]["vmiName"], lambda vmi: vmi["status"]["phase"] == "Failed")
    assert ("Warning", "Migrated", NEVER_OBSERVED) in await scene.events(vmi, "Migrated")
    await scene.vmim(vmim, "Failed")


async def waiting_pod(scene: Scene, vmim: Object, reason: str) -> Object:
    """The target pod once its containers wait for this reason."""
    name = (await scene.target_pod(vmim))["metadata"]["name"]
    store = scene.simulator.caches.pods

    def waits() -> bool:
        pod = store.get(NAMESPACE, name) or {}
        states = [entry["state"] for entry in pod.get("status", {}).get("containerStatuses") or ()]
        return [state.get("waiting", {}).get("reason") for state in states] == [reason]

    await scene.eventually(waits)
    pod = store.get(NAMESPACE, name)
    assert pod is not None
    return pod


async def mark(scene: Scene, name: str, annotation: str, value: str | None) -> None:
    body = {"metadata": {"annotations": {f"{OWN}{annotation}": value}}}
    await scene.patch(NODES, "", name, body)


async def node(scene: Scene, name: str, schedulable: str) -> None:
    """Waits until virt-handler says this of its node."""
    store = scene.simulator.caches.nodes
    await scene.eventually(
        lambda: (store.get("", name) or {})["metadata"]["labels"]["kubevirt.io/schedulable"] == schedulable
    )
