"""A VM fits only where another one has left: the plan says so, and does it when it may."""

from typing import Any

import pytest

from tests.e2e.fleets import ENDLESS, QUICK, nodes, vms
from tests.e2e.recorder import MAINTENANCES, PLANS
from tests.e2e.scene import Scene, condition, findings, vm
from tests.e2e.staging import Stage
from tests.e2e.test_plan import evacuation, is_cordoned
from virtsim.objects.resources import NODES, VMIMS

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


def ground() -> list[Json]:
    """web's 7Gi fit on n-2 alone, and there once small has gone to n-3."""
    sizes = {"n-1": "16Gi", "n-2": "10Gi", "n-3": "7Gi"}
    return [one for name, memory in sizes.items() for one in nodes(None, name, memory=memory)]


def guests(seconds: float = QUICK) -> list[Json]:
    return vms("web", memory="7Gi") + vms("small", on="n-2", memory="3Gi", seconds=seconds) + vms("calm", on="n-3")


def made(scene: Scene) -> list[str]:
    """The VMs of all migrations there ever were, in the order in which those were created."""
    seen = {each.object["metadata"]["uid"]: each.object for each in scene.recorder.changes() if each.resource is VMIMS}
    return [vmim["spec"]["vmiName"] for vmim in seen.values()]


def check(scene: Scene, plan: Json) -> None:
    """Both have moved, one after the other, and nothing else was touched."""
    assert made(scene) == ["small", "web"]
    assert (scene.vms_on("n-1"), scene.vms_on("n-2"), scene.vms_on("n-3")) == ([], ["web"], ["calm", "small"])
    assert (plan["status"]["summary"]["vms"], plan["status"]["progressPercent"]) == ("2/2", 100)
    records = scene.records(plan)
    assert {name: record["outcome"] for name, record in records.items()} == {"small": "Done", "web": "Done"}
    ((small,), (web,)) = records["small"]["attempts"], records["web"]["attempts"]
    assert (small["source"], small["target"], web["source"], web["target"]) == ("n-2", "n-3", "n-1", "n-2")
    assert small["why"] == f"makes room for {scene.namespace}/web"
    assert small["steps"]["verifying"] <= web["steps"]["preparingTarget"]
    cordoned = {
        c.object["metadata"]["name"] for c in scene.recorder.changes() if c.resource is NODES and is_cordoned(c.object)
    }
    assert cordoned <= {"n-1"}


async def test_suggested_then_allowed(stage: Stage) -> None:
    async with stage.scene(ground(), guests(ENDLESS)) as scene:
        await scene.plan("leave", **evacuation("n-1", cordon="Apply"))
        blocked = await scene.phase(PLANS, "leave", "Blocked")
        web = vm(blocked, "web")["waiting"]
        assert web["reason"] == "NoRoom"
        assert f"{scene.namespace}/small from n-2 to n-3; makeRoom: Move" in web["suggestion"]
        assert web["suggestion"] == findings(blocked)["NoRoom"]["suggestion"]
        assert blocked["status"]["summary"]["vms"] == "0/1"
        assert condition(blocked, "Stalled")[0] == "True"
        assert made(scene) == []
        await scene.patch(PLANS, "leave", spec={"makeRoom": "Move"})
        moving = await scene.when(PLANS, "leave", lambda p: (p["status"]["summary"] or {}).get("running") == 1)
        assert moving["status"]["summary"]["vms"] == "0/2"
        web = vm(moving, "web")["waiting"]
        assert (web["reason"], web["blockedBy"]) == ("AwaitingMove", [f"{scene.namespace}/small"])
        await scene.annotate("small", migration_seconds=0.2)
        check(scene, await scene.phase(PLANS, "leave", "Succeeded"))


async def test_a_maintenance_makes_room(stage: Stage) -> None:
    async with stage.scene(ground(), guests()) as scene:
        await scene.maintain("n-1", virtualMachines={"makeRoom": "Move"})
        there = await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        assert there["status"]["summary"]["vms"] == "2/2"
        check(scene, await scene.phase(PLANS, "n-1-maintenance", "Succeeded"))
