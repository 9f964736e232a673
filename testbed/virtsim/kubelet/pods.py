"""Simulated kubelets' work on pods: run what is bound, keep Ready, end what ended, finish deletions."""

import asyncio
from math import inf
from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.cluster.controller import Controller
from virtsim.kubelet.starts import start_of, unready_seconds
from virtsim.kubelet.status import ended, is_unready, is_waiting, running, started_at, unready, waiting
from virtsim.objects import keys
from virtsim.objects.conditions import condition, is_true
from virtsim.objects.migrations import is_being_deleted, phase_of
from virtsim.objects.nodes import is_lost
from virtsim.objects.pods import annotations_of, is_launcher, is_terminal, labels_of
from virtsim.objects.resources import PODS, Key, Object, key_of
from virtsim.objects.times import seconds_since
from virtsim.options import Options
from virtsim.virt_handler.launcher import FINAL, exit_phase, qemu_timeout_seconds, waits_for_domain

WORKERS = 10


class Pods:
    """Reconciles the pods bound to simulated nodes; pods on other nodes have a kubelet of their own."""

    def __init__(self, actor: Actor, options: Options) -> None:
        self._actor = actor
        self._options = options
        self._controller = Controller("kubelet", self.reconcile, WORKERS)
        self._seen: dict[str, float] = {}

    async def run(self) -> None:
        await self._controller.run(
            (self._actor.caches.pods, self._on_pod),
            (self._actor.caches.vmis, self._on_vmi),
            (self._actor.caches.vmims, self._on_vmim),
            (self._actor.caches.nodes, self._on_node),
        )

    async def reconcile(self, key: Key) -> float | None:
        pod = self._actor.caches.pods.get(*key)
        if pod is None or not self._is_ours(pod):
            return None
        if is_being_deleted(pod):
            await self._actor.delete(PODS, pod, grace_seconds=0)
            return None
        if is_terminal(pod):
            return None
        vmi = self._vmi_of(pod) if is_launcher(pod) else None
        if (phase := exit_phase(pod, vmi, self._vmim_of(pod))) is not None:
            await self._actor.patch_status(PODS, pod, ended(pod, phase))
            return None
        if (pod.get("status") or {}).get("phase") == "Pending":
            return await self._start(pod, vmi)
        return await self._keep(pod, vmi)

    def _is_ours(self, pod: Object) -> bool:
        """A lost node's kubelet neither starts nor ends anything."""
        node = self._actor.caches.nodes.get("", pod["spec"].get("nodeName", ""))
        return node is not None and keys.SIMULATED_NODE in labels_of(node) and not is_lost(node)

    async def _start(self, pod: Object, vmi: Object | None) -> float | None:
        """Pulling and starting takes a moment, another one for each pod."""
        start = start_of(pod, vmi)
        left = self._left(pod, start.seconds)
        if left > 0:
            if start.reason and not is_waiting(pod, start.reason):
                await self._actor.patch_status(PODS, pod, waiting(pod, start.reason, start.message))
                for warning in start.warnings:
                    self._actor.events.warning({**pod, "apiVersion": "v1", "kind": "Pod"}, "Failed", warning)
            return left if left < inf else None
        await self._actor.patch_status(PODS, pod, unready(pod) if unready_seconds(pod, vmi) > 0 else running(pod))
        return None

    def _left(self, pod: Object, seconds: float) -> float:
        """What is left of a time that began when it was first asked for; 0 or less once it is over."""
        uid, clock = pod["metadata"]["uid"], asyncio.get_running_loop().time()
        left = self._seen.setdefault(uid, clock) + seconds - clock
        if left <= 0:
            self._seen.pop(uid, None)
        return left

    async def _keep(self, pod: Object, vmi: Object | None) -> float | None:
        """Gives up when its domain does not come, gets ready later, follows its readiness gates."""
        patience = self._patience(pod) if waits_for_domain(pod, vmi) else inf
        if patience <= 0:
            await self._actor.patch_status(PODS, pod, ended(pod, "Failed"))
            return None
        until_ready = unready_seconds(pod, vmi) - _age(pod) if is_unready(pod) else 0.0
        if until_ready <= 0:
            await self._get_ready(pod)
        again = min(patience, until_ready if until_ready > 0 else inf)
        return again if again < inf else None

    async def _get_ready(self, pod: Object) -> None:
        if is_unready(pod):
            await self._actor.patch_status(PODS, pod, running(pod))
        elif not is_true(pod, "Ready") and gates_open(pod):
            ready: dict[str, Any] = {"conditions": running(pod)["conditions"]}
            await self._actor.patch_status(PODS, pod, ready)

    def _patience(self, pod: Object) -> float:
        """Seconds until the launcher gives up waiting for a domain; infinite if it waits for ever."""
        timeout = qemu_timeout_seconds(pod)
        return inf if timeout is None else timeout / self._options.speed_up - _age(pod)

    def _vmi_of(self, pod: Object) -> Object | None:
        name = annotations_of(pod).get(keys.DOMAIN, "")
        vmi = self._actor.caches.vmis.get(pod["metadata"]["namespace"], name)
        its = vmi is not None and labels_of(pod).get(keys.CREATED_BY) == vmi["metadata"]["uid"]
        return vmi if its else None

    def _vmim_of(self, pod: Object) -> Object | None:
        name = annotations_of(pod).get(keys.MIGRATION_JOB_NAME, "")
        return self._actor.caches.vmims.get(pod["metadata"]["namespace"], name) if name else None

    def _on_pod(self, before: Object | None, after: Object | None) -> None:
        if after is not None and after["spec"].get("nodeName"):
            self._controller.queue.add(key_of(after))
        elif after is None and before is not None:
            self._seen.pop(before["metadata"]["uid"], None)

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        """A VM's launchers end by what its migration comes to, and start as its annotations say."""
        if after is None:
            return
        told = before is not None and annotations_of(before) != annotations_of(after)
        status = after.get("status") or {}
        if told or status.get("migrationState") or status.get("phase") in FINAL:
            for pod in self._actor.caches.pods.by("owner", after["metadata"]["uid"]):
                if not is_terminal(pod) and pod["spec"].get("nodeName"):
                    self._controller.queue.add(key_of(pod))

    def _on_vmim(self, before: Object | None, after: Object | None) -> None:
        """A target may be told to crash in a phase."""
        if after is not None and (before is None or phase_of(before) != phase_of(after)):
            for pod in self._actor.caches.pods.by("migration", after["metadata"]["uid"]):
                self._controller.queue.add(key_of(pod))

    def _on_node(self, before: Object | None, after: Object | None) -> None:
        """New here, or back again."""
        if after is not None and (before is None or (is_lost(before) and not is_lost(after))):
            for pod in self._actor.caches.pods.by("node", after["metadata"]["name"]):
                self._controller.queue.add(key_of(pod))


def gates_open(pod: Object) -> bool:
    """Whether all readiness gates are True; a migration target's is not, until its VM has arrived."""
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    return all((condition(pod, gate) or {}).get("status") == "True" for gate in gates)


def _age(pod: Object) -> float:
    """Seconds since its container runs; 0 while it does not."""
    started = started_at(pod)
    return 0.0 if started is None else seconds_since(started)
