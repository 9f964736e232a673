"""What happens on stage: a NodeMaintenance is applied, its VMs leave, it is deleted, the node is as before."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from controlplane.cluster import Cluster
from controlplane.errors import ControlPlaneError
from demo import fleet
from demo.check import Evidence
from demo.eyes import MAINTENANCES, Eyes, opened
from demo.facts import Scene
from demo.history import Sighting, from_audit
from demo.program import Program
from demo.screen import Screen, nobody

_LOOK = 0.25
_EVACUATED_WITHIN = 240.0
_RESTORED_WITHIN = 60.0


class Story:
    """One run of the story over a cluster; `programs` are those whose death ends it."""

    def __init__(self, cluster: Cluster, programs: Sequence[Program]) -> None:
        self._cluster = cluster
        self._programs = programs

    def play(self, shown: AbstractContextManager[Screen], say: Callable[[str], None]) -> Evidence:
        """Plays it, and answers with what was seen; `shown` is entered for the time in which VMs move.

        Raises ControlPlaneError if it does not come to its end.
        """
        return asyncio.run(self._play(shown, say))

    async def _play(self, shown: AbstractContextManager[Screen], say: Callable[[str], None]) -> Evidence:
        async with opened(self._cluster.kubeconfig) as eyes:
            before, node_before = await eyes.machines(), await eyes.node_state()
            say(f"$ kubectl apply -f {fleet.MAINTENANCE.name}")
            eyes.restart_clock()
            await eyes.client.create(MAINTENANCES, fleet.maintenance())
            with shown as screen:
                evacuated = await self._until(eyes, screen, lambda scene: scene.settled, _EVACUATED_WITHIN)
            after, node_during = await eyes.machines(), await eyes.node_state()
            say(f"$ kubectl delete nodemaintenance {fleet.NODE}")
            await eyes.client.delete(MAINTENANCES, "", fleet.NODE)
            await self._until(eyes, nobody, is_given_back, _RESTORED_WITHIN)
            return Evidence(
                node=fleet.NODE,
                limits=fleet.limits(),
                immovable=fleet.IMMOVABLE,
                before=before,
                after=after,
                moves=evacuated.moves,
                sightings=self._history(eyes),
                node_before=node_before,
                node_during=node_during,
                node_after=await eyes.node_state(),
            )

    async def _until(self, eyes: Eyes, show: Screen, so: Callable[[Scene], bool], within: float) -> Scene:
        """The first scene in which it is so; every scene on the way there is shown."""
        deadline = time.monotonic() + within
        while True:
            scene = eyes.scene()
            show(scene)
            if so(scene):
                return scene
            for program in self._programs:
                program.check()
            if time.monotonic() > deadline:
                words = "\n".join(f"{program.name}:\n{program.last_lines()}" for program in self._programs)
                raise ControlPlaneError(f"{fleet.NODE} is not done after {within:.0f} s: {scene.goal}\n{words}")
            await asyncio.sleep(_LOOK)

    def _history(self, eyes: Eyes) -> list[Sighting]:
        """By the audit log, which nobody can escape; by our watch where the cluster writes none."""
        log = self._cluster.audit_log
        if log is None:
            return eyes.sightings()
        with log.open() as lines:
            return from_audit(lines)


def is_given_back(scene: Scene) -> bool:
    """Whether the NodeMaintenance is gone and no node is cordoned, as anybody who watches sees it."""
    return scene.goal is None and not any(node.cordoned for node in scene.nodes)
