"""What goes wrong with migrations, and what Drover makes of it."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.e2e.fleets import ENDLESS, failing, nodes, vms
from tests.e2e.installing import USER
from tests.e2e.recorder import MAINTENANCES, PLANS
from tests.e2e.scene import Scene, findings, vm
from tests.e2e.staging import Stage
from tests.e2e.test_plan import evacuation
from tests.e2e.unseen import ADMITS, PICKY, an_unseen_rule
from virtsim.objects.resources import VMIMS, VMIS, Object

pytestmark = pytest.mark.anyio

IMPATIENT = {"retries": 1, "backoff": "3s"}


def _waits(name: str, reason: str) -> Callable[[Object], bool]:
    return lambda plan: any(
        each["name"] == name and each.get("waiting", {}).get("reason") == reason
        for each in plan.get("status", {}).get("virtualMachines", [])
    )


async def test_a_vm_that_fails_is_tried_on_another_node_then_left_until_the_run_is_renewed(stage: Stage) -> None:
    async with stage.scene(nodes(3), vms("bad", annotations=failing()) + vms("web")) as scene:
        await scene.plan("leave", **evacuation("n-1", failurePolicy=IMPATIENT))
        await scene.when(PLANS, "leave", _waits("bad", "Backoff"))
        blocked = await scene.phase(PLANS, "leave", "Blocked")
        spent = findings(blocked)["RetriesSpent"]
        assert "the guest panicked" in spent["message"]
        assert spent["suggestion"]
        assert vm(blocked, "bad")["step"] == "Failed"
        assert blocked["status"]["summary"]["failed"] == 1
        assert scene.vms_on("n-1") == ["bad"], "the other one is not held up"
        attempts = scene.records(blocked)["bad"]["attempts"]
        assert [each["outcome"] for each in attempts] == ["Failed", "Failed"]
        assert {each["target"] for each in attempts} == {"n-2", "n-3"}
        assert all("the guest panicked" in each["error"] for each in attempts)

        await scene.annotate("bad", fail=None)
        await scene.patch(PLANS, "leave", spec={"runID": "again"})
        done = await scene.when(PLANS, "leave", lambda plan: "finishedAt" in plan["status"]["run"])
        assert done["status"]["run"]["id"] == "again"
        assert scene.vms_on("n-1") == []


async def test_spent_retries_come_back_when_another_node_can_take_it(stage: Stage) -> None:
    async with stage.scene(
        nodes(2) + nodes(None, "spare", unschedulable=True), vms("bad", annotations=failing())
    ) as scene:
        await scene.plan("leave", **evacuation("n-1", failurePolicy={"retries": 0, "backoff": "500ms"}))
        assert "RetriesSpent" in findings(await scene.phase(PLANS, "leave", "Blocked"))
        await scene.annotate("bad", fail=None)
        await scene.cordon("spare", wanted=False)
        await scene.phase(PLANS, "leave", "Succeeded")
        assert scene.node_of("bad") == "spare", "the node it failed on is not tried first"


async def test_a_target_that_the_scheduler_refuses_is_replaced_in_seconds(stage: Stage) -> None:
    """A rule of an admission policy is nothing our planner knows: it takes the node with the most room."""
    ground = nodes(None, "n-1") + nodes(None, "n-2", memory="40Gi") + nodes(None, "n-3", labels=ADMITS)
    async with stage.scene(ground, vms("picky", labels=PICKY)) as scene, an_unseen_rule(scene):
        await scene.plan("leave", **evacuation("n-1"))
        pending = await scene.when(PLANS, "leave", _waits("picky", "TargetPending"))
        assert "the scheduler: " in vm(pending, "picky")["waiting"]["message"]
        done = await scene.phase(PLANS, "leave", "Succeeded", within=15)
        assert scene.node_of("picky") == "n-3"
        record = scene.records(done)["picky"]
        assert [each["outcome"] for each in record["attempts"]] == ["Rejected", "Done"]
        assert [each["node"] for each in record["rejected"]] == ["n-2"]
        assert "node affinity/selector" in record["rejected"][0]["message"]
        told = await scene.events(scene.get(VMIS, "picky"), scene.namespace)
        assert any(kind == "Warning" and reason == "TargetRejected" for kind, reason, _ in told)


async def test_vms_that_must_be_apart_are_sent_apart_at_once(stage: Stage) -> None:
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "rival"}}}
    lonely = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}}
    ground = nodes(None, "n-1") + nodes(None, "n-2", memory="40Gi") + nodes(None, "n-3")
    fleet = vms("lonely", spec=lonely) + vms("rival", on="n-2", labels={"app": "rival"})
    async with stage.scene(ground, fleet) as scene:
        await scene.plan("leave", **evacuation("n-1"))
        done = await scene.phase(PLANS, "leave", "Succeeded")
        assert scene.node_of("lonely") == "n-3"
        assert [each["outcome"] for each in scene.records(done)["lonely"]["attempts"]] == ["Done"]


async def test_vms_that_must_be_together_follow_one_another(stage: Stage) -> None:
    """The one that requires nobody goes first; the other waits until it has arrived, and then its scheduler agrees."""
    together = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "leader"}}}
    follows = {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [together]}}}
    fleet = vms("follower", spec=follows) + vms("leader", labels={"app": "leader"}, seconds=4)
    async with stage.scene(nodes(3), fleet) as scene:
        await scene.plan("leave", **evacuation("n-1"))
        waiting = await scene.when(PLANS, "leave", _waits("follower", "AwaitingMove"))
        assert "leader" in vm(waiting, "follower")["waiting"]["message"]
        done = await scene.phase(PLANS, "leave", "Succeeded")
        assert scene.node_of("follower") == scene.node_of("leader") != "n-1"
        for name in ("leader", "follower"):
            assert [each["outcome"] for each in scene.records(done)[name]["attempts"]] == ["Done"]


async def test_nowhere_left_to_go(stage: Stage) -> None:
    """All targets refused: it says so, and leaves no migration behind."""
    async with stage.scene(nodes(2), vms("picky", labels=PICKY)) as scene, an_unseen_rule(scene):
        await scene.plan("leave", **evacuation("n-1"))
        blocked = await scene.phase(PLANS, "leave", "Blocked")
        assert "refused by the scheduler" in next(iter(findings(blocked).values()))["message"]
        assert scene.flying() == []


async def test_somebody_deletes_our_migration(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web", seconds=ENDLESS)) as scene:
        await scene.plan("leave", **evacuation("n-1", failurePolicy={"retries": 0, "backoff": "500ms"}))
        await scene.eventually(
            lambda: any(each.get("status", {}).get("phase") == "Running" for each in scene.flying("web")), "it runs"
        )
        (first,) = scene.flying("web")
        await scene.annotate("web", migration_seconds=2)
        await scene.remove(VMIMS, first["metadata"]["name"])
        done = await scene.phase(PLANS, "leave", "Succeeded")
        assert [each["outcome"] for each in scene.records(done)["web"]["attempts"]] == ["CancelledByOthers", "Done"]


async def test_foreign_migrations_are_counted_and_waited_for(stage: Stage) -> None:
    async with stage.scene(nodes(3), vms("theirs", seconds=ENDLESS) + vms("web", count=3, seconds=1), total=2) as scene:
        await _migrate(scene, "theirs", "somebodys")
        await scene.eventually(lambda: scene.flying("theirs"), "the foreign migration")
        await scene.plan("leave", **evacuation("n-1"))
        waiting = await scene.when(PLANS, "leave", _waits("theirs", "ForeignMigration"))
        assert "somebodys" in vm(waiting, "theirs")["waiting"]["message"]
        await scene.when(PLANS, "leave", _waits("web-3", "ClusterLimit"))
        await scene.when(PLANS, "leave", lambda plan: plan["status"]["summary"]["done"] == 3)
        assert len(scene.flying()) == 1, "ours went one by one beside the foreign one"
        await scene.annotate("theirs", migration_seconds=0.1)
        done = await scene.phase(PLANS, "leave", "Succeeded")
        assert "theirs" not in scene.records(done), "what others did is not ours"
        assert len([each for each in scene.all(VMIMS) if each["spec"]["vmiName"] == "theirs"]) == 1


async def test_somebody_drains_the_node_too(stage: Stage) -> None:
    """KubeVirt makes a migration for every VM whose pod is to be evicted: Drover waits for those and moves the rest."""
    vms_there = vms("web", count=6, seconds=1)
    # A create of ours may come second: KubeVirt refuses it, and it is waited for like any other.
    async with stage.scene(nodes(3), vms_there, waived=["create virtualmachineinstancemigrations"]) as scene:
        await scene.maintain("n-1")
        await scene.eventually(lambda: scene.flying(), "a migration of ours")
        drained = await scene.kubectl("drain", "n-1", "--force", "--delete-emptydir-data", "--timeout=60s")
        assert "Eviction triggered evacuation" in drained.stderr
        there = await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        assert there["status"]["summary"]["done"] <= 6
        assert scene.vms_on("n-1") == []
        ended = Counter((each["spec"]["vmiName"], each["status"]["phase"]) for each in scene.all(VMIMS))
        assert ended == {(f"web-{n}", "Succeeded"): 1 for n in range(1, 7)}, "each was moved once"
        await scene.remove(MAINTENANCES, "n-1")
        await scene.gone(MAINTENANCES, "n-1")


async def test_a_create_that_is_refused_is_tried_again(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web"), waived=["create virtualmachineinstancemigrations"]) as scene:
        async with _denied(scene):
            await scene.maintain("n-1")
            await scene.phase(MAINTENANCES, "n-1", "Evacuating")
            waiting = await scene.when(PLANS, "n-1-maintenance", _waits("web", "Refused"))
            assert "not tonight" in vm(waiting, "web")["waiting"]["message"]
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")


async def _migrate(scene: Scene, name: str, migration: str) -> Object:
    body = {"kind": "VirtualMachineInstanceMigration", "metadata": {"namespace": scene.namespace, "name": migration}}
    return await scene.user.create(VMIMS, {"apiVersion": "kubevirt.io/v1", **body, "spec": {"vmiName": name}})


@asynccontextmanager
async def _denied(scene: Scene) -> AsyncIterator[None]:
    """A policy of the cluster's that refuses our migrations."""
    rule = {"apiGroups": ["kubevirt.io"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": [VMIMS.plural]}
    group, name = "admissionregistration.k8s.io/v1", {"name": "not-tonight"}
    policy = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": name,
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": f"request.userInfo.username != '{USER}'", "message": "not tonight"}],
        },
    }
    binding = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": name,
        "spec": {"policyName": "not-tonight", "validationActions": ["Deny"]},
    }
    both = json.dumps({"apiVersion": "v1", "kind": "List", "items": [policy, binding]})
    await scene.kubectl("create", "-f", "-", input=both)
    try:
        await _until_in_force(scene)
        yield
    finally:
        await scene.kubectl("delete", "-f", "-", input=both)


async def _until_in_force(scene: Scene) -> None:
    """A new policy takes about a second."""
    probe = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration"}
    body = json.dumps({**probe, "metadata": {"name": "probe"}, "spec": {"vmiName": "web"}})
    command = ("create", f"--as={USER}", f"--namespace={scene.namespace}", "--dry-run=server", "-f", "-")

    async def refused() -> bool:
        return "not tonight" in (await scene.kubectl(*command, input=body, check=False)).stderr

    for _ in range(100):
        if await refused():
            return
    raise AssertionError("the policy is not in force")
