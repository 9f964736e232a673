"""Plans for a fleet of 300 VMs with all kinds of constraints, carried out: each target is accepted at once."""

from typing import Any

import pytest

from tests.e2e.fleets import nodes, vms
from tests.e2e.recorder import PLANS
from tests.e2e.scene import Scene
from tests.e2e.staging import Stage
from tests.e2e.test_plan import evacuation
from virtsim.objects.resources import VMIMS, VMIS

pytestmark = pytest.mark.anyio

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
ZONES, PER_ZONE, CROWDED = ("a", "b", "c"), 5, 3
WAVES = (("a-1", "b-1", "c-1"), ("a-2", "b-2", "c-2"))
SECONDS = 0.2


def ground() -> list[dict[str, Any]]:
    """15 nodes in three zones; the last of each zone is of a pool of its own, the first three have better disks."""
    return [
        one
        for zone in ZONES
        for number in range(1, PER_ZONE + 1)
        for one in nodes(
            None,
            f"{zone}-{number}",
            memory="48Gi",
            cpu=16,
            labels={ZONE: zone, "disk": "ssd" if number <= CROWDED else "hdd"},
            taints=[{"key": "pool", "value": "own", "effect": "NoSchedule"}] if number == PER_ZONE else [],
        )
    ]


def guests(node: str) -> list[dict[str, Any]]:
    """About 20 VMs. Groups that must be on different nodes are on nine of the fifteen: a wave of three just fits."""
    found = vms(f"plain-{node}", on=node, count=9, seconds=SECONDS)
    found += vms(f"large-{node}", on=node, count=3, seconds=SECONDS, memory="3Gi")
    found += vms(f"tolerant-{node}", on=node, count=2, seconds=SECONDS, spec=TOLERANT)
    found += vms(f"spread-{node}", on=node, seconds=SECONDS, labels={"app": "spread"}, spec=SPREAD)
    found += vms(f"near-{node}", on=node, seconds=SECONDS, spec=NEAR)
    if int(node[-1]) <= CROWDED:
        found += vms(f"ssd-{node}", on=node, count=2, seconds=SECONDS, node_selector={"disk": "ssd"})
        for app in ("apart-0", "apart-1", "apart-2"):
            found += vms(f"{app}-{node}", on=node, seconds=SECONDS, labels={"app": app}, spec=apart(app))
    return found


TOLERANT = {"tolerations": [{"key": "pool", "operator": "Exists"}]}
SPREAD = {
    "topologySpreadConstraints": [
        {
            "topologyKey": ZONE,
            "maxSkew": 2,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "spread"}},
        }
    ]
}
NEAR = {
    "affinity": {
        "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "spread"}}}
            ]
        }
    }
}


def apart(app: str) -> dict[str, Any]:
    term = {"topologyKey": HOST, "labelSelector": {"matchLabels": {"app": app}}}
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def made(scene: Scene) -> int:
    """How many migrations there ever were."""
    return len({each.object["metadata"]["uid"] for each in scene.recorder.changes() if each.resource is VMIMS})


async def test_every_target_is_accepted_at_once(stage: Stage) -> None:
    everybody = [guest for node in ground() for guest in guests(node["name"])]
    async with stage.scene(ground(), everybody, total=50, per_source=10) as scene:
        assert len(scene.all(VMIS)) > 280
        moved = 0
        for number, wave in enumerate(WAVES):
            there, name = sum(len(scene.vms_on(node)) for node in wave), f"wave-{number}"
            await scene.plan(name, **evacuation(*wave, cordon="Apply", limits={"perTarget": 10}))
            done = await scene.phase(PLANS, name, "Succeeded", within=90)
            assert done["status"]["summary"]["vms"] == f"{there}/{there}"
            outcomes = [each["outcome"] for record in scene.records(done).values() for each in record["attempts"]]
            assert outcomes == ["Done"] * there, "a target was refused, or something failed"
            moved += there
            await scene.remove(PLANS, name)
            await scene.gone(PLANS, name)
        assert made(scene) == moved > 120
