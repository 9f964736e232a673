"""What a test does to a simulated cluster and what it waits for: users' requests, and conditions on objects."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from virtsim.cluster.client import JSON_PATCH, MERGE_PATCH, ApiError, Client
from virtsim.objects.migrations import phase_of
from virtsim.objects.resources import EVENTS, KUBEVIRTS, PODS, VMIMS, VMIS, Object, Resource
from virtsim.simulator import Simulator

WITHIN_SECONDS = 30.0
GONE: Object = {"status": {"phase": "gone"}}


class Scene:
    """A running simulation and its user, who is not KubeVirt."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.user: Client = simulator.client
        self._names = itertools.count(1)

    def migration(self, namespace: str, vm: str, name: str = "", **spec: Any) -> Object:
        """A VMIM that is not created yet."""
        return {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstanceMigration",
            "metadata": {"namespace": namespace, "name": name or f"{vm}-{next(self._names)}"},
            "spec": {"vmiName": vm, **spec},
        }

    async def migrate(self, namespace: str, vm: str, name: str = "", **spec: Any) -> Object:
        """Creates a VMIM as a user would. Raises ApiError."""
        return await self.user.create(VMIMS, self.migration(namespace, vm, name, **spec))

    async def delete(self, resource: Resource, obj: Object) -> None:
        await self.user.delete(resource, obj["metadata"]["namespace"], obj["metadata"]["name"])

    async def annotate(self, namespace: str, vm: str, **annotations: str | None) -> None:
        """Sets (or with None removes) annotations virtsim.drover.dev/<name with dashes> of a VMI."""
        named = {f"virtsim.drover.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
        await self.patch(VMIS, namespace, vm, {"metadata": {"annotations": named}})

    async def patch(self, resource: Resource, namespace: str, name: str, body: Any) -> Object:
        kind = JSON_PATCH if isinstance(body, list) else MERGE_PATCH
        return await self.user.patch(resource, namespace, name, body, kind)

    async def limit(self, per_cluster: int, per_node: int) -> None:
        """Sets KubeVirt's limits and waits until virt-controller has read them."""
        limits = {"parallelMigrationsPerCluster": per_cluster, "parallelOutboundMigrationsPerNode": per_node}
        await self.patch(KUBEVIRTS, "kubevirt", "kubevirt", {"spec": {"configuration": {"migrations": limits}}})
        store = self.simulator.caches.kubevirts

        def is_read(kubevirt: Object) -> bool:
            return limits.items() <= (kubevirt["spec"]["configuration"].get("migrations") or {}).items()

        async with asyncio.timeout(WITHIN_SECONDS):
            await store.until(lambda: all(is_read(kubevirt) for kubevirt in store))

    async def eventually(self, so: Callable[[], bool]) -> None:
        """Waits for a condition over several kinds of objects. Fails after 30 s."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while not so():  # noqa: ASYNC110 - no one event says it
                await asyncio.sleep(0.02)

    async def vmim(self, of: Object, *phases: str) -> Object:
        """The migration once it is in one of the phases; "gone" is one of them. Fails after 30 s."""
        return await self._when(VMIMS, of, lambda vmim: phase_of(vmim) in phases)

    async def pod(self, of: Object, phase: str) -> Object:
        return await self._when(PODS, of, lambda pod: pod["status"]["phase"] == phase)

    async def vmi(self, namespace: str, name: str, so: Callable[[Object], bool] = lambda vmi: True) -> Object:
        return await self._when(VMIS, {"metadata": {"namespace": namespace, "name": name}}, so)

    async def target_pod(self, vmim: Object) -> Object:
        """The pod a migration has made, waited for."""
        store = self.simulator.caches.pods
        async with asyncio.timeout(WITHIN_SECONDS):
            await store.until(lambda: bool(store.by("migration", vmim["metadata"]["uid"])))
        return store.by("migration", vmim["metadata"]["uid"])[0]

    async def events(self, about: Object, *reasons: str) -> list[tuple[str, str, str]]:
        """The Events (type, reason, message) about an object, oldest first, once all the reasons are among them."""
        uid = about["metadata"]["uid"]
        query = {"fieldSelector": f"involvedObject.uid={uid}"}
        async with asyncio.timeout(WITHIN_SECONDS):
            while True:
                listed = await self.user.list(EVENTS, about["metadata"]["namespace"], **query)
                events = sorted(listed["items"], key=lambda event: event["metadata"]["name"])
                told = [(event["type"], event["reason"], event["message"]) for event in events]
                if set(reasons) <= {reason for _, reason, _ in told}:
                    return told
                await asyncio.sleep(0.05)

    async def _when(self, resource: Resource, of: Object, so: Callable[[Object], bool]) -> Object:
        store = self.simulator.caches.of(resource)
        assert store is not None
        key = of["metadata"]["namespace"], of["metadata"]["name"]
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                await store.until(lambda: so(store.get(*key) or GONE))
        except TimeoutError:
            raise AssertionError(f"{key} is still {store.get(*key)}") from None
        try:
            return await self.user.get(resource, *key)
        except ApiError as error:
            if error.code == 404:
                return GONE
            raise
