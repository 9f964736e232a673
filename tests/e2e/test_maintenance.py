"""A NodeMaintenance from its beginning to its end, as the person sees it who wants the node."""

import pytest

from tests.e2e.fleets import ENDLESS, nodes, vms
from tests.e2e.recorder import MAINTENANCES, PLANS
from tests.e2e.scene import condition, findings
from tests.e2e.staging import Stage
from virtsim.objects.resources import NODES, VMIMS

pytestmark = pytest.mark.anyio

NOT_MIGRATABLE = {"reason": "DisksNotLiveMigratable", "message": "cannot migrate VMI: PVC data is not shared"}
BEFORE = "drover.dev/before"


async def test_blocked_until_the_causes_are_removed_then_in_maintenance_then_as_it_was(stage: Stage) -> None:
    pinned = vms("pinned", node_selector={"kubernetes.io/hostname": "n-1"})
    fleet = vms("web", count=3) + pinned + vms("local", not_migratable=NOT_MIGRATABLE) + vms("other", on="n-2")
    async with stage.scene(nodes(3), fleet) as scene:
        await scene.maintain("n-1", reason="new memory", requester="jo")
        blocked = await scene.phase(MAINTENANCES, "n-1", "Blocked")
        assert scene.vms_on("n-1") == ["local", "pinned"]
        found = findings(blocked)
        assert "DisksNotLiveMigratable" in found["NotMigratable"]["message"]
        assert found["NotMigratable"]["virtualMachines"] == [f"{scene.namespace}/local"]
        assert found["NoEligibleTarget"]["virtualMachines"] == [f"{scene.namespace}/pinned"]
        assert all(each["suggestion"] for each in found.values())
        assert condition(blocked, "Stalled")[0] == "True"
        assert blocked["status"]["summary"]["vms"] == "3/5"
        assert scene.get(NODES, "n-1")["spec"]["unschedulable"] is True

        await scene.annotate("local", not_migratable=None)
        await scene.update_spec("pinned", nodeSelector=None)
        there = await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        assert scene.vms_on("n-1") == []
        assert scene.pods_on("n-1") == []
        assert condition(there, "VirtualMachinesEvacuated") == ("True", "NodeEmpty")
        assert condition(there, "Cordoned")[0] == "True"
        assert condition(there, "Ready")[0] == "True"
        assert there["status"]["node"]["unschedulable"] is False
        assert scene.node_of("other") == "n-2", "nobody else is touched"
        plan = await scene.phase(PLANS, "n-1-maintenance", "Succeeded")
        assert plan["status"]["progressPercent"] == 100
        assert {name: record["outcome"] for name, record in scene.records(plan).items()} == dict.fromkeys(
            ("local", "pinned", "web-1", "web-2", "web-3"), "Done"
        )

        await scene.remove(MAINTENANCES, "n-1")
        await scene.gone(MAINTENANCES, "n-1")
        given_back = await scene.when(NODES, "n-1", lambda node: not node["spec"].get("unschedulable"))
        assert BEFORE not in given_back["metadata"].get("annotations", {})
        # Kubernetes' garbage collector looks for new kinds every 30 s only.
        await scene.gone(PLANS, "n-1-maintenance", within=40)
        assert len(scene.records(plan)) == 5, "what happened is kept when the plan is gone"


async def test_a_node_that_was_cordoned_before_stays_cordoned(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web", count=2)) as scene:
        await scene.cordon("n-1")
        await scene.maintain("n-1")
        there = await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        assert there["status"]["node"]["unschedulable"] is True
        await scene.remove(MAINTENANCES, "n-1")
        await scene.gone(MAINTENANCES, "n-1")
        node = await scene.when(NODES, "n-1", lambda node: BEFORE not in node["metadata"].get("annotations", {}))
        assert node["spec"]["unschedulable"] is True


async def test_deleted_while_vms_move_it_cancels_and_gives_the_node_back(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("slow", seconds=ENDLESS, count=2) + vms("waits", count=1)) as scene:
        await scene.maintain("n-1")
        await scene.eventually(lambda: len(scene.flying()) == 2, "two migrations in flight")
        await scene.remove(MAINTENANCES, "n-1")
        await scene.gone(MAINTENANCES, "n-1")
        assert scene.flying() == []
        assert scene.vms_on("n-1") == ["slow-1", "slow-2", "waits-1"]
        node = scene.get(NODES, "n-1")
        assert not node["spec"].get("unschedulable")
        assert BEFORE not in node["metadata"].get("annotations", {})


async def test_withdrawn_and_wanted_again(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("slow", seconds=ENDLESS) + vms("quick")) as scene:
        await scene.maintain("n-1")
        await scene.eventually(lambda: scene.vms_on("n-1") == ["slow"], "the quick one has left")
        await scene.patch(MAINTENANCES, "n-1", spec={"intent": "Withdrawn"})
        withdrawn = await scene.phase(MAINTENANCES, "n-1", "Withdrawn")
        assert condition(withdrawn, "Ready")[0] == "True"
        assert scene.flying() == []
        assert not scene.get(NODES, "n-1")["spec"].get("unschedulable")
        await scene.annotate("slow", migration_seconds=0.2)
        await scene.patch(MAINTENANCES, "n-1", spec={"intent": "Active"})
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        record = scene.records(await scene.phase(PLANS, "n-1-maintenance", "Succeeded"))["slow"]
        assert [each["outcome"] for each in record["attempts"]] == ["Cancelled", "Done"]


async def test_a_dry_run_touches_nothing(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web", count=2) + vms("local", not_migratable=NOT_MIGRATABLE)) as scene:
        node = scene.get(NODES, "n-1")
        await scene.maintain("n-1", mode="DryRun")
        rehearsed = await scene.phase(MAINTENANCES, "n-1", "Rehearsed")
        assert "NotMigratable" in findings(rehearsed)
        plan = await scene.phase(PLANS, "n-1-maintenance", "Rehearsed")
        assert plan["status"]["proposal"]["migrations"] == 2
        assert scene.all(VMIMS) == []
        now = scene.get(NODES, "n-1")
        assert now["spec"] == node["spec"]
        assert BEFORE not in now["metadata"].get("annotations", {})


async def test_a_vm_that_appears_is_moved_too(stage: Stage) -> None:
    """During the run, and after it has succeeded."""
    async with stage.scene(
        nodes(3), vms("web", count=2, seconds=1) + vms("late", on="n-2") + vms("later", on="n-2")
    ) as scene:
        await scene.maintain("n-1")
        await scene.eventually(lambda: scene.flying(), "a migration in flight")
        await scene.start_again("late", on="n-1")
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        assert scene.vms_on("n-1") == []
        await scene.start_again("later", on="n-1")
        await scene.phase(MAINTENANCES, "n-1", "Evacuating")
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        assert scene.vms_on("n-1") == []


async def test_the_node_is_deleted_while_its_vms_move(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("slow", seconds=ENDLESS)) as scene:
        await scene.maintain("n-1")
        await scene.eventually(lambda: scene.flying("slow"), "a migration in flight")
        await scene.remove(NODES, "n-1")
        blocked = await scene.phase(MAINTENANCES, "n-1", "Blocked")
        assert "NodeNotFound" in findings(blocked)
        await scene.remove(MAINTENANCES, "n-1")
        await scene.gone(MAINTENANCES, "n-1")


async def test_the_last_usable_node_is_refused_until_there_is_another(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web")) as scene:
        await scene.cordon("n-2")
        await scene.maintain("n-1")
        blocked = await scene.phase(MAINTENANCES, "n-1", "Blocked")
        assert findings(blocked)["LastNode"]["suggestion"]
        assert not scene.get(NODES, "n-1")["spec"].get("unschedulable")
        await scene.cordon("n-2", wanted=False)
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")


async def test_two_last_nodes_wanted_at_once_get_one(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web") + vms("db", on="n-2")) as scene:
        await scene.maintain("n-1")
        await scene.maintain("n-2")
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        assert "LastNode" in findings(await scene.phase(MAINTENANCES, "n-2", "Blocked"))
        assert scene.vms_on("n-2") == ["db", "web"]


async def test_a_plan_of_that_name_is_left_alone(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web")) as scene:
        evacuate = {"nodes": {"names": ["n-2"]}, "cordon": "Require"}
        theirs = await scene.plan("n-1-maintenance", evacuate=evacuate)
        await scene.maintain("n-1")
        blocked = await scene.phase(MAINTENANCES, "n-1", "Blocked")
        assert findings(blocked)["NameTaken"]["suggestion"]
        assert scene.get(PLANS, "n-1-maintenance")["spec"] == theirs["spec"]
        assert not scene.get(NODES, "n-1")["spec"].get("unschedulable")
        await scene.remove(PLANS, "n-1-maintenance")
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")


async def test_an_uncordoned_node_is_cordoned_again(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web")) as scene:
        await scene.maintain("n-1")
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        await scene.cordon("n-1", wanted=False)
        await scene.when(NODES, "n-1", lambda node: node["spec"].get("unschedulable"))


async def test_left_behind_on_purpose(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web") + vms("local", not_migratable=NOT_MIGRATABLE)) as scene:
        await scene.maintain("n-1", virtualMachines={"nonMigratable": "Leave"})
        there = await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        assert condition(there, "VirtualMachinesEvacuated") == ("False", "VirtualMachinesLeft")
        assert findings(there)["NotMigratable"]["severity"] == "Warning"
        assert scene.vms_on("n-1") == ["local"]


async def test_turned_into_a_dry_run_it_lets_what_moves_finish_and_gives_the_node_back(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("slow", seconds=ENDLESS) + vms("waits"), per_source=1) as scene:
        await scene.maintain("n-1")
        await scene.eventually(lambda: scene.flying("slow"), "a migration in flight")
        await scene.patch(MAINTENANCES, "n-1", spec={"mode": "DryRun"})
        await scene.annotate("slow", migration_seconds=0.1)
        await scene.phase(MAINTENANCES, "n-1", "Rehearsed")
        await scene.when(NODES, "n-1", lambda node: BEFORE not in node["metadata"].get("annotations", {}))
        assert not scene.get(NODES, "n-1")["spec"].get("unschedulable")
        assert (scene.vms_on("n-1"), scene.vms_on("n-2")) == (["waits"], ["slow"])


async def test_deleted_as_soon_as_it_was_made(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web")) as scene:
        await scene.maintain("n-1")
        await scene.remove(MAINTENANCES, "n-1")
        await scene.gone(MAINTENANCES, "n-1")
        await scene.maintain("n-1", paused=True)
        await scene.phase(MAINTENANCES, "n-1", "Waiting")
        assert not scene.get(NODES, "n-1")["spec"].get("unschedulable")
        assert scene.vms_on("n-1") == ["web"]


async def test_a_node_that_two_want_cordoned_is_given_back_by_the_second(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web")) as scene:
        evacuate = {"nodes": {"names": ["n-1"]}, "cordon": "Apply"}
        await scene.plan("leave", evacuate=evacuate)
        await scene.phase(PLANS, "leave", "Succeeded")
        await scene.maintain("n-1")
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        await scene.remove(PLANS, "leave")
        await scene.gone(PLANS, "leave")
        assert scene.get(NODES, "n-1")["spec"].get("unschedulable")
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        await scene.remove(MAINTENANCES, "n-1")
        await scene.gone(MAINTENANCES, "n-1")
        node = await scene.when(NODES, "n-1", lambda node: not node["spec"].get("unschedulable"))
        assert BEFORE not in node["metadata"].get("annotations", {})


async def test_what_somebody_makes_of_its_plan_is_undone(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("slow", seconds=ENDLESS)) as scene:
        await scene.maintain("n-1")
        await scene.eventually(lambda: scene.flying("slow"), "a migration in flight")
        await scene.patch(PLANS, "n-1-maintenance", spec={"paused": True})
        await scene.when(PLANS, "n-1-maintenance", lambda plan: plan["spec"]["paused"] is False)
        await scene.annotate("slow", migration_seconds=0.1)
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
