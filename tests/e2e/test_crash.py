"""kill -9 at the operator's writes: the next one continues, nothing is done twice and nothing is lost."""

import pytest

from tests.e2e import crashing
from tests.e2e.staging import Stage

pytestmark = pytest.mark.anyio

PLAN, REPORT, MIGRATION = "migrationplans n-1-maintenance", "n-1-maintenance/0000", "virtualmachineinstancemigrations"
WRITES = (
    "PATCH nodemaintenances n-1 #1",
    "PATCH nodes n-1 #1",
    f"POST {PLAN} #1",
    f"PATCH {PLAN} #1",
    f"POST {MIGRATION} a-fails/1 #1",
    f"POST {MIGRATION} a-picky/1 #1",
    f"POST {MIGRATION} web-1/1 #1",
    f"POST {MIGRATION} web-2/1 #1",
    f"POST {MIGRATION} web-3/1 #1",
    f"POST {MIGRATION} web-4/1 #1",
    f"POST migrationreports {REPORT} #1",
    *(f"PATCH migrationreports/status {REPORT} #{number}" for number in range(1, 7)),
    f"POST {MIGRATION} a-fails/2 #1",
    f"DELETE {MIGRATION} a-picky/1 #1",
    f"POST {MIGRATION} a-picky/2 #1",
    f"PATCH {PLAN} #2",
    "PATCH nodes n-1 #2",
    "PATCH nodemaintenances n-1 #2",
    f"PATCH {PLAN} #3",
)
"""In about their order: the finalizer, the cordon, the plan and its finalizer, migrations and what became of them, one
that failed, one whose target the scheduler refused, and the way back. A result is on record before anything follows
from it; several that come at once are one write, so that there may be more of those."""
POINTS = [f"{when} {write}" for write in WRITES for when in ("before", "after")]
SAMPLE = (
    "after PATCH nodes n-1 #1",
    f"before POST {PLAN} #1",
    f"after POST {MIGRATION} web-1/1 #1",
    f"before PATCH migrationreports/status {REPORT} #2",
    f"after DELETE {MIGRATION} a-picky/1 #1",
    "before PATCH nodes n-1 #2",
)


@pytest.mark.parametrize("point", SAMPLE)
async def test_the_next_operator_continues(stage: Stage, point: str) -> None:
    async with crashing.six_vms(stage) as scene:
        await crashing.run(scene, kill_at=point)


@pytest.mark.crash
@pytest.mark.parametrize("point", [each for each in POINTS if each not in SAMPLE])
async def test_the_next_operator_continues_from_any_write(stage: Stage, point: str) -> None:
    async with crashing.six_vms(stage) as scene:
        await crashing.run(scene, kill_at=point)


@pytest.mark.crash
async def test_these_are_all_the_writes(stage: Stage) -> None:
    async with crashing.six_vms(stage) as scene:
        await crashing.run(scene)
        await scene.eventually(lambda: crashing.points(scene)[-1:] == POINTS[-1:], "its last write is logged")
        found = crashing.points(scene)
    print("\n".join(found))
    assert set(SAMPLE) <= set(POINTS)
    assert [each for each in POINTS if each not in found] == []
    assert {_unnumbered(each) for each in found} == {_unnumbered(each) for each in POINTS}


def _unnumbered(point: str) -> str:
    return point.rsplit(" #", 1)[0]
