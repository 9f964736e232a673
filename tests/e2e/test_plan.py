"""A MigrationPlan, field by field."""

from typing import Any

import pytest

from tests.e2e.fleets import ENDLESS, nodes, vms
from tests.e2e.recorder import PLANS
from tests.e2e.scene import condition, findings, vm
from tests.e2e.staging import Stage
from virtsim.objects.resources import NODES, VMIMS, VMIS, Object

pytestmark = pytest.mark.anyio

BEFORE = "drover.dev/before"


def evacuation(*names: str, cordon: str = "Ignore", **more: Any) -> dict[str, Any]:
    """A plan's spec."""
    evacuate = {"nodes": {"names": list(names)}, "cordon": cordon, "maxNodes": 10}
    return {"evacuate": evacuate, **more}


def is_cordoned(node: Object) -> bool:
    return bool(node["spec"].get("unschedulable"))


async def test_a_cordon_is_required_and_waited_for(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web", count=2)) as scene:
        await scene.plan("leave", evacuate={"nodes": {"names": ["n-1"]}})
        blocked = await scene.phase(PLANS, "leave", "Blocked")
        assert "kubectl cordon n-1" in findings(blocked)["SourceSchedulable"]["suggestion"]
        assert vm(blocked, "web-1")["waiting"]["reason"] == "AwaitingCordon"
        assert scene.all(VMIMS) == []
        await scene.cordon("n-1")
        await scene.phase(PLANS, "leave", "Succeeded")
        assert scene.vms_on("n-1") == []


async def test_an_applied_cordon_stays_until_the_plan_is_gone(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web", count=2)) as scene:
        await scene.plan("leave", **evacuation("n-1", cordon="Apply"))
        await scene.phase(PLANS, "leave", "Succeeded")
        assert scene.vms_on("n-1") == []
        assert is_cordoned(scene.get(NODES, "n-1"))
        await scene.remove(PLANS, "leave")
        await scene.gone(PLANS, "leave")
        node = scene.get(NODES, "n-1")
        assert not is_cordoned(node)
        assert BEFORE not in node["metadata"].get("annotations", {})


async def test_an_applied_cordon_goes_when_the_plan_is_withdrawn(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("slow", seconds=ENDLESS)) as scene:
        await scene.plan("leave", **evacuation("n-1", cordon="Apply"))
        await scene.eventually(lambda: scene.flying("slow"), "a migration in flight")
        assert is_cordoned(scene.get(NODES, "n-1"))
        await scene.patch(PLANS, "leave", spec={"intent": "Withdrawn"})
        await scene.phase(PLANS, "leave", "Withdrawn")
        assert scene.flying() == []
        assert not is_cordoned(scene.get(NODES, "n-1"))


async def test_no_more_nodes_than_may_be_emptied(stage: Stage) -> None:
    """20 % of three nodes is one at least. A cordon that is to be ignored is never made."""
    async with stage.scene(nodes(3), vms("web") + vms("db", on="n-2")) as scene:
        both = {"nodes": {"names": ["n-1", "n-2"]}, "cordon": "Ignore"}
        await scene.plan("leave", evacuate=both)
        blocked = await scene.phase(PLANS, "leave", "Blocked")
        assert "maxNodes to 2" in findings(blocked)["TooManyNodes"]["suggestion"]
        assert scene.all(VMIMS) == []
        await scene.patch(PLANS, "leave", spec={"evacuate": {**both, "maxNodes": 2}})
        await scene.phase(PLANS, "leave", "Succeeded")
        assert scene.vms_on("n-3") == ["db", "web"]
        assert not any(is_cordoned(each.object) for each in scene.recorder.changes() if each.resource is NODES)


async def test_a_plain_move_of_one_vm(stage: Stage) -> None:
    async with stage.scene(nodes(3), vms("web", count=3)) as scene:
        names = [{"namespace": scene.namespace, "name": "web-2"}]
        await scene.plan("move", virtualMachines={"names": names}, targets={"nodes": {"names": ["n-3"]}})
        moved = await scene.phase(PLANS, "move", "Succeeded")
        assert (scene.vms_on("n-1"), scene.vms_on("n-2"), scene.vms_on("n-3")) == (["web-1", "web-3"], [], ["web-2"])
        assert moved["status"]["goal"] == "Move"
        entry = vm(moved, "web-2")
        assert (entry["source"], entry["target"], entry["step"]) == ("n-1", "n-3", "Done")
        assert {"queued", "preparingTarget", "preCopy", "switchover", "verifying", "done"} <= set(entry["steps"])
        assert (entry["switchover"]["from"], entry["switchover"]["to"]) == ("n-1", "n-3")
        assert entry["why"]


async def test_a_name_that_is_missing_blocks_until_it_appears(stage: Stage) -> None:
    async with stage.scene(nodes(3), vms("web", count=2)) as scene:
        wanted = [{"namespace": scene.namespace, "name": name} for name in ("web-1", "later")]
        await scene.plan("move", virtualMachines={"names": wanted}, targets={"nodes": {"names": ["n-3"]}})
        blocked = await scene.phase(PLANS, "move", "Blocked")
        assert findings(blocked)["NothingSelected"]["virtualMachines"] == [f"{scene.namespace}/later"]
        await scene.start_again("web-2", on="n-2", name="later")
        await scene.phase(PLANS, "move", "Succeeded")
        assert scene.vms_on("n-3") == ["later", "web-1"]


async def test_vms_by_namespace_and_label(stage: Stage) -> None:
    shop = vms("a", labels={"app": "shop"}) + vms("b", labels={"app": "db"})
    async with stage.scene(nodes(3), shop + vms("c", labels={"app": "shop"}, namespace="elsewhere-e2e")) as scene:
        chosen = {"namespaces": [scene.namespace], "selector": {"matchLabels": {"app": "shop"}}}
        await scene.plan("leave", **evacuation("n-1", virtualMachines=chosen))
        await scene.phase(PLANS, "leave", "Succeeded")
        assert scene.vms_on("n-1") == ["b", "c"]
        empty = {"selector": {"matchLabels": {"app": "nobody"}}}
        await scene.plan("nobody", **evacuation("n-1", virtualMachines=empty))
        assert "NothingSelected" in findings(await scene.phase(PLANS, "nobody", "Blocked"))


async def test_targets_are_narrowed(stage: Stage) -> None:
    ground = nodes(2) + nodes(2, "rack", labels={"rack": "b"})
    async with stage.scene(ground, vms("web", count=2)) as scene:
        targets = {"nodes": {"selector": {"matchLabels": {"rack": "b"}}}, "exclude": {"names": ["rack-1"]}}
        await scene.plan("leave", **evacuation("n-1", targets=targets))
        await scene.phase(PLANS, "leave", "Succeeded")
        assert scene.vms_on("rack-2") == ["web-1", "web-2"]


async def test_a_dry_run_shows_and_touches_nothing(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web", count=2)) as scene:
        await scene.plan("leave", **evacuation("n-1", cordon="Apply", mode="DryRun"))
        shown = await scene.phase(PLANS, "leave", "Rehearsed")
        assert shown["status"]["proposal"]["migrations"] == 2
        assert vm(shown, "web-1")["target"] == "n-2"
        assert "finalizers" not in shown["metadata"]
        assert scene.all(VMIMS) == []
        assert not is_cordoned(scene.get(NODES, "n-1"))
        await scene.patch(PLANS, "leave", spec={"mode": "Execute"})
        await scene.phase(PLANS, "leave", "Succeeded")


async def test_paused_what_moves_ends_and_nothing_starts(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web", count=4, seconds=ENDLESS)) as scene:
        await scene.plan("leave", **evacuation("n-1", limits={"total": 1}))
        await scene.eventually(lambda: scene.flying(), "the first migration in flight")
        await scene.patch(PLANS, "leave", spec={"paused": True})
        for name in ("web-1", "web-2", "web-3", "web-4"):
            await scene.annotate(name, migration_seconds=0.2)
        waiting = await scene.phase(PLANS, "leave", "Waiting")
        assert waiting["status"]["reason"] == "Paused"
        assert condition(waiting, "Ready")[0] == "True"
        assert waiting["status"]["summary"]["vms"] in ("0/4", "1/4")
        await scene.when(PLANS, "leave", lambda plan: plan["status"]["summary"]["vms"] == "1/4")
        assert len(scene.all(VMIMS)) == 1
        await scene.patch(PLANS, "leave", spec={"paused": False})
        await scene.phase(PLANS, "leave", "Succeeded")


async def test_withdrawn_and_active_again_is_the_same_run(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("quick") + vms("slow", seconds=ENDLESS)) as scene:
        await scene.plan("leave", **evacuation("n-1"))
        before = await scene.when(PLANS, "leave", lambda p: p.get("status", {}).get("summary", {}).get("done") == 1)
        await scene.patch(PLANS, "leave", spec={"intent": "Withdrawn"})
        withdrawn = await scene.phase(PLANS, "leave", "Withdrawn")
        assert scene.flying() == []
        assert scene.vms_on("n-1") == ["slow"]
        assert condition(withdrawn, "Ready")[0] == "True"
        await scene.annotate("slow", migration_seconds=0.2)
        await scene.patch(PLANS, "leave", spec={"intent": "Active"})
        done = await scene.phase(PLANS, "leave", "Succeeded")
        assert done["status"]["run"]["id"] == before["status"]["run"]["id"]
        assert done["status"]["run"]["startedAt"] == before["status"]["run"]["startedAt"]
        records = scene.records(done)
        assert [each["outcome"] for each in records["slow"]["attempts"]] == ["Cancelled", "Done"]
        assert len(records["quick"]["attempts"]) == 1


async def test_a_finished_plan_runs_again_when_its_run_is_renewed(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web")) as scene:
        await scene.plan("leave", **evacuation("n-1"))
        done = await scene.phase(PLANS, "leave", "Succeeded")
        await scene.start_again("web", on="n-1")
        await scene.patch(PLANS, "leave", spec={"limits": {"total": 2}})
        await scene.phase(PLANS, "leave", "Succeeded")
        assert scene.vms_on("n-1") == ["web"], "a change of anything else starts nothing"
        await scene.patch(PLANS, "leave", spec={"runID": "second"})
        again = await scene.when(PLANS, "leave", lambda plan: plan["status"]["run"]["id"] == "second")
        await scene.when(PLANS, "leave", lambda plan: "finishedAt" in plan["status"]["run"])
        assert scene.vms_on("n-1") == []
        assert again["status"]["run"]["startedAt"] >= done["status"]["run"]["finishedAt"]


async def test_emptying_an_empty_node_succeeds_at_once(stage: Stage) -> None:
    async with stage.scene(nodes(2), []) as scene:
        await scene.plan("leave", **evacuation("n-1"))
        assert (await scene.phase(PLANS, "leave", "Succeeded"))["status"]["summary"]["vms"] == "0/0"


async def test_a_vm_that_two_plans_want_is_moved_once(stage: Stage) -> None:
    async with stage.scene(nodes(3), vms("web", seconds=ENDLESS)) as scene:
        await scene.plan("leave", **evacuation("n-1"))
        await scene.eventually(lambda: scene.flying("web"), "a migration in flight")
        wanted = {"names": [{"namespace": scene.namespace, "name": "web"}]}
        await scene.plan("move", virtualMachines=wanted, targets={"nodes": {"names": ["n-3"]}})
        waiting = await scene.phase(PLANS, "move", "Migrating")
        assert vm(waiting, "web")["waiting"]["reason"] == "OtherPlan"
        await scene.annotate("web", migration_seconds=0.1)
        await scene.phase(PLANS, "leave", "Succeeded")
        await scene.phase(PLANS, "move", "Succeeded")
        assert scene.node_of("web") == "n-3"


async def test_a_vm_that_is_stopped_while_it_moves(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("slow", seconds=ENDLESS) + vms("web")) as scene:
        await scene.plan("leave", **evacuation("n-1"))
        await scene.eventually(lambda: scene.flying("slow"), "a migration in flight")
        await scene.remove(VMIS, "slow")
        done = await scene.phase(PLANS, "leave", "Succeeded")
        (attempt,) = scene.records(done)["slow"]["attempts"]
        assert attempt["outcome"] in ("Failed", "CancelledByOthers")
