"""KubeVirt's two limits hold at every moment, and a free slot is used at once."""

from typing import Any

import pytest

from tests.integration.virtsim.recording import Recording, recording
from tests.integration.virtsim.scene import Scene
from virtsim.objects.migrations import phase_class
from virtsim.objects.resources import VMIMS

NAMESPACE = "virtsim-limits"
MACHINES = [f"vm-{number}" for number in range(1, 7)]
FLEET: dict[str, Any] = {
    "kubevirt": {
        "configuration": {"migrations": {"parallelMigrationsPerCluster": 2, "parallelOutboundMigrationsPerNode": 1}}
    },
    "nodes": [{"name": "limits", "count": 4}],
    "virtualMachines": [
        {
            "name": "vm",
            "count": 6,
            "namespace": NAMESPACE,
            "node": "limits",
            "memory": "256Mi",
            "annotations": {"virtsim.drover.dev/migration-seconds": "0.3"},
        }
    ],
}

pytestmark = pytest.mark.anyio


async def test_six_migrations_at_limits_two_and_one(scene: Scene) -> None:
    nodes = {vm: (await scene.vmi(NAMESPACE, vm))["status"]["nodeName"] for vm in MACHINES}
    async with recording(scene.user, NAMESPACE) as taken:
        vmims = [await scene.migrate(NAMESPACE, vm) for vm in MACHINES]
        for vmim in vmims:
            await scene.vmim(vmim, "Succeeded")
    busiest = _busiest(taken, nodes)
    assert busiest.cluster == 2
    assert busiest.node == 1


class _Busiest:
    """The most migrations that held a slot at one moment: in all, and of one source node."""

    def __init__(self) -> None:
        self.cluster = 0
        self.node = 0

    def look(self, active: dict[str, str]) -> None:
        sources = list(active.values())
        self.cluster = max(self.cluster, len(sources))
        self.node = max([self.node, *(sources.count(source) for source in sources)])


def _busiest(taken: Recording, nodes: dict[str, str]) -> _Busiest:
    """Replays the VMIMs' writes in the order of the API server's resource versions."""
    writes = [write for (plural, _), list_ in taken.writes.items() if plural == VMIMS.plural for write in list_]
    active: dict[str, str] = {}
    busiest = _Busiest()
    for write in sorted(writes, key=lambda write: write.version):
        name = write.obj["metadata"]["name"]
        active.pop(name, None)
        if phase_class(write.obj) == "running":
            active[name] = nodes[write.obj["spec"]["vmiName"]]
        busiest.look(active)
    return busiest
