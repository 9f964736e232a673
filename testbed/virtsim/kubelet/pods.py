"""Simulated kubelets' work on pods: run what is bound, keep Ready, end what ended, finish deletions."""

import asyncio
import hashlib
from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.cluster.controller import Controller
from virtsim.kubelet.status import ended, running
from virtsim.objects import keys
from virtsim.objects.conditions import condition, is_true
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.pods import annotations_of, is_launcher, is_terminal, labels_of
from virtsim.objects.resources import PODS, Key, Object, key_of
from virtsim.objects.times import seconds_since
from virtsim.options import Options
from virtsim.virt_handler.launcher import exit_phase, qemu_timeout_seconds, waits_for_domain

WORKERS = 10
FASTEST_START_SECONDS = 0.01
SLOWEST_START_SECONDS = 0.1
EXIT_SECONDS = 0.5
"""A launcher that is told to exit is still there when virt-controller has read why."""


class Pods:
    """Reconciles the pods bound to simulated nodes; pods on other nodes have a kubelet of their own."""

    def __init__(self, actor: Actor, options: Options) -> None:
        self._actor = actor
        self._options = options
        self._controller = Controller("kubelet", self.reconcile, WORKERS)
        self._seen: dict[str, float] = {}

    async def run(self) -> None:
        self._actor.caches.pods.subscribe(self._on_pod)
        self._actor.caches.vmis.subscribe(self._on_vmi)
        self._actor.caches.nodes.subscribe(self._on_node)
        await self._controller.run()

    async def reconcile(self, key: Key) -> float | None:
        pod = self._actor.caches.pods.get(*key)
        if pod is None or not self._is_ours(pod):
            return None
        if is_being_deleted(pod):
            await self._actor.delete(PODS, pod, grace_seconds=0)
        elif (pod.get("status") or {}).get("phase") == "Pending":
            return await self._start(pod)
        elif not is_terminal(pod):
            return await self._keep(pod)
        return None

    def _is_ours(self, pod: Object) -> bool:
        node = self._actor.caches.nodes.get("", pod["spec"].get("nodeName", ""))
        return node is not None and keys.SIMULATED_NODE in labels_of(node)

    async def _start(self, pod: Object) -> float | None:
        """Pulling and starting takes a moment, another one for each pod."""
        left = self._left(pod, start_seconds(pod["metadata"]["uid"]))
        if left is not None:
            return left
        await self._actor.patch_status(PODS, pod, running(pod))
        return None

    def _left(self, pod: Object, seconds: float) -> float | None:
        """What is left of a time that began when it was first asked for, or None when it is over."""
        uid, clock = pod["metadata"]["uid"], asyncio.get_running_loop().time()
        left = self._seen.setdefault(uid, clock) + seconds - clock
        if left > 0:
            return left
        self._seen.pop(uid, None)
        return None

    async def _keep(self, pod: Object) -> float | None:
        vmi = self._vmi_of(pod) if is_launcher(pod) else None
        phase = exit_phase(pod, vmi)
        if phase is None and waits_for_domain(pod, vmi):
            left = self._patience(pod)
            if left is not None and left > 0:
                return left
            phase = "Failed" if left is not None else None
        elif phase == "Failed" and (left := self._left(pod, EXIT_SECONDS)) is not None:
            return left
        if phase is not None:
            await self._actor.patch_status(PODS, pod, ended(pod, phase))
        elif not is_true(pod, "Ready") and gates_open(pod):
            ready: dict[str, Any] = {"conditions": running(pod)["conditions"]}
            await self._actor.patch_status(PODS, pod, ready)
        return None

    def _patience(self, pod: Object) -> float | None:
        """Seconds until the launcher gives up waiting for a domain; None if it waits for ever."""
        timeout = qemu_timeout_seconds(pod)
        started = (pod.get("status") or {}).get("startTime")
        if timeout is None or started is None:
            return None
        return timeout / self._options.speed_up - seconds_since(started)

    def _vmi_of(self, pod: Object) -> Object | None:
        name = annotations_of(pod).get(keys.DOMAIN, "")
        return self._actor.caches.vmis.get(pod["metadata"]["namespace"], name)

    def _on_pod(self, before: Object | None, after: Object | None) -> None:
        if after is not None and after["spec"].get("nodeName"):
            self._controller.queue.add(key_of(after))
        elif after is None and before is not None:
            self._seen.pop(before["metadata"]["uid"], None)

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        """A VM's launchers end by what its migration comes to."""
        if after is not None and (after.get("status") or {}).get("migrationState"):
            for pod in self._actor.caches.pods.by("owner", after["metadata"]["uid"]):
                if not is_terminal(pod):
                    self._controller.queue.add(key_of(pod))

    def _on_node(self, before: Object | None, after: Object | None) -> None:
        if before is None and after is not None:
            for pod in self._actor.caches.pods.by("node", after["metadata"]["name"]):
                self._controller.queue.add(key_of(pod))


def start_seconds(uid: str) -> float:
    """Between 10 and 100 ms after binding, by the pod's uid."""
    share = hashlib.sha256(uid.encode()).digest()[0] / 255
    return FASTEST_START_SECONDS + share * (SLOWEST_START_SECONDS - FASTEST_START_SECONDS)


def gates_open(pod: Object) -> bool:
    """Whether all readiness gates are True; a migration target's is not, until its VM has arrived."""
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    return all((condition(pod, gate) or {}).get("status") == "True" for gate in gates)
