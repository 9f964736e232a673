"""KubeVirt under bad conditions: lost races, late and repeated events, a virt-controller that restarts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from tests.integration.virtsim.recording import Recording, Write, recording
from tests.integration.virtsim.scene import Scene
from virtsim.objects import keys
from virtsim.objects.migrations import is_final, phase_of
from virtsim.objects.pods import is_terminal, labels_of
from virtsim.objects.resources import KUBEVIRTS, PODS, VMIMS, VMIS, Object

NAMESPACE = "virtsim-chaos"
NUMBER = 20
MACHINES = [f"vm-{number:02d}" for number in range(1, NUMBER + 1)]
FLEET: dict[str, Any] = {
    "kubevirt": {
        "configuration": {"migrations": {"parallelMigrationsPerCluster": 10, "parallelOutboundMigrationsPerNode": 5}}
    },
    "nodes": [{"name": "chaos", "count": 4}],
    "virtualMachines": [
        {
            "name": "vm",
            "count": NUMBER,
            "namespace": NAMESPACE,
            "node": "chaos",
            "memory": "256Mi",
            "annotations": {"virtsim.drover.dev/migration-seconds": "0.2"},
        }
    ],
}
PHASES = ["", "Pending", "Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running", "Succeeded"]

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def trouble(scene: Scene, **wishes: str) -> AsyncIterator[None]:
    """What virtsim.drover.dev/<name with dashes> on the KubeVirt CR asks for, for as long as this is open."""
    await ask(scene, wishes)
    try:
        yield
    finally:
        await ask(scene, dict.fromkeys(wishes))


async def ask(scene: Scene, wishes: dict[str, str] | dict[str, None]) -> None:
    named = {f"virtsim.drover.dev/{name.replace('_', '-')}": value for name, value in wishes.items()}
    body = {"metadata": {"annotations": named}}
    kubevirt = await scene.patch(KUBEVIRTS, keys.NAMESPACE, "kubevirt", body)
    version = int(kubevirt["metadata"]["resourceVersion"])
    store = scene.simulator.caches.kubevirts
    await scene.eventually(lambda: all(int(known["metadata"]["resourceVersion"]) >= version for known in store))


def over(scene: Scene) -> int:
    """How many migrations have come to their end."""
    return sum(is_final(vmim) for vmim in scene.simulator.caches.vmims)


async def test_twenty_migrations_end_well(scene: Scene) -> None:
    async with (
        recording(scene.user, NAMESPACE) as taken,
        trouble(scene, conflicts="0.1", late_events="0.05", duplicate_events="0.2"),
    ):
        vmims = [await scene.migrate(NAMESPACE, vm) for vm in MACHINES]
        for round_, number in enumerate((1, 8, 15)):
            await scene.eventually(lambda number=number: over(scene) >= number)  # type: ignore[misc]
            await ask(scene, {"restart": f"{round_}"})
        for vmim in vmims:
            await scene.vmim(vmim, "Succeeded")
        for vm in MACHINES:
            await scene.vmi(NAMESPACE, vm, lambda vmi: keys.MIGRATION_TARGET_NODE not in labels_of(vmi))
        await scene.eventually(lambda: all(is_alone(scene, vm) for vm in MACHINES))
    for vmim in vmims:
        assert phases(taken, vmim) == PHASES
        assert len(target_pods(taken, vmim)) == 1
    assert all(flips(taken, vm) == 1 for vm in MACHINES)
    touched = [write for write in writes(taken, VMIS.plural) if keys.TOUCHED in labels_of(write.obj)]
    assert touched, "somebody wrote in between"


def is_alone(scene: Scene, vm: str) -> bool:
    """Whether a VM has one launcher that runs, and it is where the VM is."""
    vmi = scene.simulator.caches.vmis.get(NAMESPACE, vm)
    assert vmi is not None
    pods = scene.simulator.caches.pods.by("owner", vmi["metadata"]["uid"])
    nodes = [pod["spec"].get("nodeName") for pod in pods if not is_terminal(pod)]
    return nodes == [vmi["status"]["nodeName"]] == [labels_of(vmi)[keys.NODE_NAME]]


def writes(taken: Recording, plural: str) -> list[Write]:
    return [write for (kind, _), list_ in taken.writes.items() if kind == plural for write in list_]


def phases(taken: Recording, vmim: Object) -> list[str]:
    """The phases of a migration as they were written, each once."""
    seen = [phase_of(write.obj) for write in taken.writes[VMIMS.plural, vmim["metadata"]["name"]]]
    return [seen[0], *(after for before, after in pairwise(seen) if after != before)]


def target_pods(taken: Recording, vmim: Object) -> set[str]:
    pods = [write.obj for write in writes(taken, PODS.plural)]
    uid = vmim["metadata"]["uid"]
    return {pod["metadata"]["name"] for pod in pods if labels_of(pod).get(keys.MIGRATION_JOB_UID) == uid}


def flips(taken: Recording, vm: str) -> int:
    """How often the VM's owner changed, label and status in one write."""
    owners = [
        (write.obj["status"].get("nodeName"), labels_of(write.obj).get(keys.NODE_NAME))
        for write in taken.writes[VMIS.plural, vm]
    ]
    assert all(status == label for status, label in owners)
    return sum(before != after for before, after in pairwise(owners))


async def test_virt_controller_hears_late(scene: Scene) -> None:
    async with recording(scene.user, NAMESPACE) as taken, trouble(scene, late_events="1"):
        vmim = await scene.migrate(NAMESPACE, MACHINES[0])
        assert scene.simulator.caches.vmims.get(NAMESPACE, vmim["metadata"]["name"]) is None
        await scene.delete(VMIMS, vmim)
        await scene.eventually(
            lambda: scene.simulator.caches.vmims.get(NAMESPACE, vmim["metadata"]["name"]) is not None
        )
        await scene.vmim(vmim, "gone")
    assert target_pods(taken, vmim) == set()
