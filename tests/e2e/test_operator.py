"""The operator as a process: what it serves, and what becomes of a run while it is away."""

import asyncio
import json
import os
import re
import signal

import pytest

from tests.e2e.fleets import ENDLESS, nodes, vms
from tests.e2e.recorder import MAINTENANCES, PLANS
from tests.e2e.scene import Scene
from tests.e2e.staging import Stage
from tests.e2e.test_plan import evacuation
from virtsim.objects.resources import VMIMS, VMIS

pytestmark = pytest.mark.anyio

AWAY_SECONDS = 12.0
"""Longer than any of our calls waits: some of them are given up, and done by the server all the same."""


async def test_it_is_stopped_and_started_while_vms_move(stage: Stage) -> None:
    async with stage.scene(nodes(3), vms("web", count=3, seconds=ENDLESS)) as scene:
        await scene.plan("leave", **evacuation("n-1"))
        await scene.eventually(lambda: len(scene.flying()) == 2, "two migrations in flight")
        assert await scene.operator.stop() == 0
        first = scene.flying()[0]["spec"]["vmiName"]
        await scene.annotate(first, migration_seconds=0.1)
        await scene.eventually(lambda: scene.node_of(first) != "n-1", "KubeVirt goes on without us")
        await scene.operator.start()
        for name in {"web-1", "web-2", "web-3"} - {first}:
            await scene.annotate(name, migration_seconds=0.1)
        done = await scene.phase(PLANS, "leave", "Succeeded")
        assert len(scene.all(VMIMS)) == 3, "none of them was made twice"
        assert {record["outcome"] for record in scene.records(done).values()} == {"Done"}


async def test_the_api_server_is_away_for_some_seconds(stage: Stage) -> None:
    """It may have begun to create a migration when it is stopped, and cancels that when it comes back."""
    async with stage.scene(nodes(2), vms("web", count=6), waived=["context canceled"]) as scene:
        server = next((each for each in scene.cluster.components if each.name == "kube-apiserver"), None)
        if server is None:
            pytest.skip("this cluster's API server is not ours to stop")
        await scene.maintain("n-1")
        await scene.eventually(lambda: scene.flying(), "a migration in flight")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(AWAY_SECONDS)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        assert len(scene.all(VMIMS)) == 6


async def test_probes_and_metrics(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web", count=2)) as scene:
        await scene.maintain("n-1")
        await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        assert await scene.operator.get("/healthz") == (200, "ok")
        assert await scene.operator.get("/readyz") == (200, "ok")
        status, text = await scene.operator.get("/metrics")
        assert status == 200
        assert 'drover_maintenance_phase{node="n-1",phase="InMaintenance"} 1.0' in text
        assert 'drover_plan_vms{plan="n-1-maintenance",state="done"} 2.0' in text
        started = re.search(r"^drover_migrations_started_total (\S+)$", text, re.MULTILINE)
        assert started is not None
        assert float(started[1]) >= 2


async def test_every_column_is_filled_and_events_tell_what_happened(stage: Stage) -> None:
    async with stage.scene(nodes(2), vms("web") + vms("slow", seconds=ENDLESS)) as scene:
        await scene.maintain("n-1", reason="new memory")
        await scene.when(
            PLANS, "n-1-maintenance", lambda plan: plan.get("status", {}).get("summary", {}).get("done") == 1
        )
        shown = (await scene.kubectl("get", "drover")).stdout
        print(shown)
        await scene.annotate("slow", migration_seconds=0.1)
        there = await scene.phase(MAINTENANCES, "n-1", "InMaintenance")
        finished = (await scene.kubectl("get", "mplan,vnm,mreport")).stdout
        for table in shown.split("\n\n"):
            assert _gaps(table) == [], table
        for table in finished.split("\n\n"):
            assert _gaps(table) == [""] * ("ETA" in table), f"nothing moves any more, and all else is said: {table}"
        told = {reason for _, reason, _ in await scene.events(there)}
        assert {"PhaseChanged", "Cordoned"} <= told
        plan = {reason for _, reason, _ in await scene.events(scene.get(PLANS, "n-1-maintenance"))}
        assert {"PhaseChanged", "MigrationStarted", "MigrationEnded"} <= plan
        vmi = await scene.events(scene.get(VMIS, "web"), scene.namespace)
        assert {"MigrationStarted", "MigrationEnded"} <= {reason for _, reason, _ in vmi}
        await _nothing_of_kopf_anywhere(scene)


def _gaps(table: str) -> list[str]:
    """Cells of a kubectl table that are empty."""
    header, *rows = [line for line in table.splitlines() if line.strip()]
    begins = [found.start() for found in re.finditer(r"\S+", header)]
    assert rows, "no object is shown"
    cells = [row[start:end].strip() for row in rows for start, end in zip(begins, [*begins[1:], None], strict=True)]
    return [cell for cell in cells if cell in ("", "<none>", "<unknown>", "<invalid>")]


async def _nothing_of_kopf_anywhere(scene: Scene) -> None:
    """Of all objects of all kinds: it watches, and writes nothing."""
    kinds = (await scene.kubectl("api-resources", "--verbs=list", "--output=name")).stdout.split()
    listed = json.loads((await scene.kubectl("get", "-A", "--output=json", ",".join(kinds), check=False)).stdout)
    marked = [
        item["metadata"]["name"]
        for item in listed["items"]
        if "kopf" in json.dumps([item["metadata"].get(part) for part in ("annotations", "finalizers", "labels")])
    ]
    assert len(listed["items"]) > 50
    assert marked == []
