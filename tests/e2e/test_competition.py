"""Several goals at once: for the same room, the same slots, and no time between them."""

import asyncio
from datetime import datetime

import pytest

from tests.e2e.fleets import nodes, vms
from tests.e2e.installing import USER
from tests.e2e.invariants import overfilled
from tests.e2e.recorder import MAINTENANCES, PLANS, Recorder
from tests.e2e.scene import Scene, findings, vm
from tests.e2e.staging import Stage
from tests.e2e.test_plan import evacuation
from virtsim.objects.migrations import FINAL, is_final
from virtsim.objects.resources import NODES, VMIMS, VMIS

pytestmark = pytest.mark.anyio

SLOT_TO_START_SECONDS = 1.0


async def test_two_maintenances_in_the_same_second_share_what_room_there_is(stage: Stage) -> None:
    """Eight VMs, and room for seven. Limits and room are also asked for at each start, as in every scene."""
    async with stage.scene(
        nodes(3), vms("a", count=4) + vms("b", on="n-2", count=4) + vms("c", on="n-3", memory="128Mi")
    ) as scene:
        await asyncio.gather(scene.maintain("n-1"), scene.maintain("n-2"))
        await scene.eventually(lambda: len(scene.vms_on("n-3")) == 8, "seven of eight have moved")
        blocked = await scene.recorder.until(lambda: _blocked(scene), 30)
        assert findings(scene.get(MAINTENANCES, blocked))["NoRoom"]["count"] == 1
        other = "n-2" if blocked == "n-1" else "n-1"
        await scene.phase(MAINTENANCES, other, "InMaintenance")
        (left,) = scene.vms_on(blocked)
        waiting = vm(scene.get(PLANS, f"{blocked}-maintenance"), left)["waiting"]
        assert waiting["reason"] == "NoRoom"
        assert "memory" in waiting["message"]
        assert _ever_overfilled(scene.recorder) == []

        await scene.remove(VMIS, next(name for name in scene.vms_on("n-3") if name != "c"))
        await scene.phase(MAINTENANCES, blocked, "InMaintenance")
        assert _ever_overfilled(scene.recorder) == []


def _blocked(scene: Scene) -> str | None:
    phases = {m["metadata"]["name"]: m.get("status", {}).get("phase") for m in scene.all(MAINTENANCES)}
    return next((name for name, phase in phases.items() if phase == "Blocked"), None)


def _ever_overfilled(recorder: Recorder) -> list[str]:
    """Moments at which the pods on a node and those on their way to it asked for more than it has."""
    found = []
    for change, state in recorder.replay():
        flying = [each for each in state[VMIMS].values() if not is_final(each)]
        for _, name in state[NODES]:
            found += [f"{change.version} {name}: {what}" for what in overfilled(name, flying, state)]
    return found


async def test_a_free_slot_is_taken_within_a_second(stage: Stage) -> None:
    async with stage.scene(nodes(3), vms("web", count=7, seconds=0.1), total=1) as scene:
        await scene.plan("leave", **evacuation("n-1"))
        await scene.phase(PLANS, "leave", "Succeeded")
        gaps = _gaps(scene)
    print(f"slot free to next migration: p50 {gaps[len(gaps) // 2]:.3f} s, max {gaps[-1]:.3f} s")
    assert len(gaps) == 6
    assert gaps[-1] <= SLOT_TO_START_SECONDS


def _gaps(scene: Scene) -> list[float]:
    """Seconds from a migration's final phase to the next one's create, by the API server's clock, the least first."""
    ends: dict[str, datetime] = {}
    creates: list[datetime] = []
    for request in scene.audit.requests():
        if request.resource.startswith(VMIMS.plural) and request.namespace == scene.namespace:
            if request.verb == "create" and request.user == USER:
                creates.append(request.received)
            elif request.answer.get("status", {}).get("phase") in FINAL:
                ends.setdefault(request.answer["metadata"]["uid"], request.answered)
    following = [min((c for c in creates if c >= end), default=None) for end in ends.values()]
    return sorted((c - end).total_seconds() for c, end in zip(following, ends.values(), strict=True) if c is not None)
