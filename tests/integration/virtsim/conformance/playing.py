"""Plays all tables on one simulator: those that leave KubeVirt's limits alone at once, the others one by one."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.virtsim.conformance.comparing import Difference, Run, differences
from tests.integration.virtsim.conformance.steps import Player
from tests.integration.virtsim.conformance.table import Table
from tests.integration.virtsim.recording import Recording, recording
from tests.integration.virtsim.scene import Scene
from virtsim.cluster.client import ApiError, Client, connect
from virtsim.objects.resources import EVENTS, Object

SETTLED_WITHIN_SECONDS = 15.0
LIMITS = {"parallelMigrationsPerCluster": 50, "parallelOutboundMigrationsPerNode": 10}
VIRT_CONTROLLER = ("virtualmachine-controller", "evacuation-controller")
LOST_RACE = "FailedHandOver"
"""A lost race for the hand-over is told, repeated, and need not happen."""


@dataclass(frozen=True)
class Outcome:
    """A scenario's differences, or why it was not played."""

    differences: list[Difference]
    skipped: str = ""

    def __str__(self) -> str:
        return self.skipped or "\n".join(map(str, self.differences)) or "same"


def fleet(tables: Iterable[Table]) -> dict[str, Any]:
    """Four nodes, and the VMs of all scenarios as those of the recordings were: one core, 128Mi, a named CPU model."""
    vm: dict[str, Any] = {"memory": "128Mi", "vcpus": 1, "cpuModel": "Skylake-Server", "labels": {"app": "a"}}
    quick = {"virtsim.drover.dev/migration-seconds": "0.3"}
    return {
        "kubevirt": {"configuration": {"migrations": LIMITS}},
        "nodes": [{"name": "conformance", "count": 4, "pods": 500}],
        "virtualMachines": [
            {**vm, "name": name, "namespace": table.namespace, "node": "conformance", "annotations": quick, **more}
            for table in tables
            for name, more in table.vms.items()
        ],
    }


async def played(scene: Scene, kubeconfig: Path, tables: list[Table]) -> dict[str, Outcome]:
    """What each scenario came to. It is looked at when it has settled, and once more when all are over.

    Each is watched through connections of its own: they are many, and the simulator's are few.
    """
    async with AsyncExitStack() as recordings:
        lacking = {table.name: await _lacks(scene.user, table.needs) for table in tables}
        ready = [table for table in tables if not lacking[table.name]]
        taken: dict[str, Recording] = {}
        for table in ready:
            client = await recordings.enter_async_context(connect(str(kubeconfig)))
            taken[table.name] = await recordings.enter_async_context(recording(client, table.namespace))
        together = [_settled(scene, table, taken[table.name]) for table in ready if not table.alone]
        runs = dict(await asyncio.gather(*together))
        for table in ready:
            if table.alone:
                await scene.limit(*(LIMITS | table.limits).values())
                runs |= [await _settled(scene, table, taken[table.name])]
                await scene.limit(*LIMITS.values())
    skipped = {name: Outcome([], why) for name, why in lacking.items() if why}
    return skipped | {table.name: Outcome(differences(table, runs[table.name])) for table in ready}


async def _settled(scene: Scene, table: Table, taken: Recording) -> tuple[str, Run]:
    """The run once it has come to what the table says, or after a while all the same."""
    answers = await Player(scene, table, taken).play()
    clock = asyncio.get_running_loop()
    deadline = clock.time() + SETTLED_WITHIN_SECONDS
    while True:
        run = Run(taken, await _events(scene.user, table.namespace), answers)
        if not differences(table, run) or clock.time() > deadline:
            return table.name, run
        await asyncio.sleep(0.2)


async def _events(user: Client, namespace: str) -> dict[str, list[list[str]]]:
    """What virt-controller told of each object (by UID), in order, without the start of its VMs."""
    told: dict[str, list[list[str]]] = {}
    for event in sorted((await user.list(EVENTS, namespace))["items"], key=lambda event: event["metadata"]["name"]):
        said = [event["type"], event["reason"], event["message"]]
        if event["source"].get("component") in VIRT_CONTROLLER and not _is_left_out(event):
            told.setdefault(event["involvedObject"]["uid"], []).append(said)
    return told


def _is_left_out(event: Object) -> bool:
    return bool(event["reason"] == LOST_RACE or event["message"].startswith("Created virtual machine pod "))


async def _lacks(user: Client, api: str) -> str:
    """Why a scenario that needs an aggregated API cannot be played, or nothing."""
    if not api:
        return ""
    try:
        await user.request("GET", f"/apis/apiregistration.k8s.io/v1/apiservices/{api}")
    except ApiError as error:
        return f"not played: the APIService {api} is answered with {error.code}"
    return ""
