"""A maintenance of six VMs from its beginning to its end, with an operator that is killed once on the way."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.e2e.fleets import failing, nodes, vms
from tests.e2e.killable import KILL_AT, SAID
from tests.e2e.recorder import MAINTENANCES, PLANS
from tests.e2e.scene import Scene
from tests.e2e.staging import Stage
from tests.e2e.unseen import ADMITS, PICKY, an_unseen_rule
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import NODES, VMIMS, VMIS, Object

MODULE = "tests.e2e.killable"
LATE_SECONDS = 5.0
"""After the end of it all, for a kill at one of the last writes."""
BEFORE = "drover.dev/before"
PLAN = "n-1-maintenance"
HOW = {"failurePolicy": {"backoff": "500ms", "retries": 5}, "limits": {"perTarget": 3}}
VMS = ("a-fails", "a-picky", "web-1", "web-2", "web-3", "web-4")


@asynccontextmanager
async def six_vms(stage: Stage) -> AsyncIterator[Scene]:
    """On n-1, and nothing started yet. `a-picky` is the largest, n-2 has the most room, and a rule that our planner
    knows nothing of is against it: the scheduler refuses that target."""
    picky = vms("a-picky", memory="2Gi", labels=PICKY)
    fleet = picky + vms("a-fails", annotations=failing()) + vms("web", count=4)
    ground = nodes(None, "n-1") + nodes(None, "n-2", memory="40Gi") + nodes(None, "n-3", labels=ADMITS)
    async with stage.scene(ground, fleet, total=8, per_source=3, started=False) as scene, an_unseen_rule(scene):
        yield scene


async def run(scene: Scene, kill_at: str = "") -> None:
    """The whole maintenance: emptied, one VM failing once on the way, and given back; then everything is asked for."""
    await scene.operator.start(MODULE, **{KILL_AT: kill_at})
    helpers = [asyncio.create_task(_recover(scene))] + ([asyncio.create_task(_next(scene))] if kill_at else [])
    try:
        await scene.maintain("n-1", virtualMachines=HOW)
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        await scene.remove(MAINTENANCES, "n-1")
        await scene.gone(MAINTENANCES, "n-1")
        await scene.gone(PLANS, PLAN, within=40)
        for helper in helpers:
            assert await asyncio.wait_for(helper, LATE_SECONDS), "it was not killed"
    finally:
        for helper in helpers:
            helper.cancel()
    look(scene)


async def _recover(scene: Scene) -> bool:
    """The cause of the failure goes away when it has failed once."""

    def failed() -> bool:
        return any(
            m["spec"]["vmiName"] == "a-fails" and m.get("status", {}).get("phase") == "Failed" for m in scene.all(VMIMS)
        )

    await scene.eventually(failed, "a-fails fails")
    await scene.annotate("a-fails", fail=None)
    return True


async def _next(scene: Scene) -> bool:
    """The next operator, as soon as the one before is dead."""
    code = await scene.operator.ended()
    await scene.operator.start(MODULE)
    return code == -signal.SIGKILL


def look(scene: Scene) -> None:
    """No migration twice, no result lost, the node as it was, the VMs where they should be."""
    made = made_by_us(scene)
    tries = Counter(each["spec"]["vmiName"] for each in made)
    assert tries == {**dict.fromkeys(VMS, 1), "a-fails": tries["a-fails"], "a-picky": 2}, tries
    assert 2 <= tries["a-fails"] <= 6
    recorded = {
        a["uid"]: a for plan in _plans(scene) for record in scene.records(plan).values() for a in record["attempts"]
    }
    assert set(recorded) == {each["metadata"]["uid"] for each in made}
    outcomes = Counter((each["spec"]["vmiName"], recorded[each["metadata"]["uid"]]["outcome"]) for each in made)
    assert outcomes == {
        **{(name, "Done"): 1 for name in VMS},
        ("a-fails", "Failed"): tries["a-fails"] - 1,
        ("a-picky", "Rejected"): 1,
    }
    node = scene.get(NODES, "n-1")
    assert not node["spec"].get("unschedulable")
    assert BEFORE not in node["metadata"].get("annotations", {})
    assert scene.vms_on("n-1") == []
    assert scene.node_of("a-picky") == "n-3"
    assert {scene.get(VMIS, name)["status"]["phase"] for name in VMS} == {"Running"}


def made_by_us(scene: Scene) -> list[Object]:
    """Every migration that ever was, in its last version."""
    changes = [each for each in scene.recorder.changes() if each.resource is VMIMS]
    last = {each.object["metadata"]["uid"]: each.object for each in changes}
    return [each for each in last.values() if "drover.dev/plan-uid" in labels_of(each)]


def _plans(scene: Scene) -> list[Object]:
    """The maintenance's plans, gone by now: the last version of each."""
    last = {each.object["metadata"]["uid"]: each.object for each in scene.recorder.changes() if each.resource is PLANS}
    return list(last.values())


def points(scene: Scene) -> list[str]:
    """The writes of the scene's operator, in their order."""
    said = [each["message"] for each in scene.operator.said(scene.since)]
    return [text.removeprefix(SAID) for text in said if text.startswith(SAID)]
