"""Creates what a fleet file asks for, many objects at a time, and waits until its VMs run."""

import asyncio

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.fleet import nodes, vms
from virtsim.fleet.crowd import each
from virtsim.fleet.spec import Fleet, KubeVirt, Nodes, names
from virtsim.kubelet.nodes import Heartbeats
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.migrations import FINAL, is_being_deleted
from virtsim.objects.nodes import handler_runs, heartbeat
from virtsim.objects.resources import (
    KUBEVIRTS,
    NAMESPACES,
    NODES,
    SERVICE_ACCOUNTS,
    VMIS,
    VMS,
    Key,
    Object,
    Resource,
    key_of,
)

NAMESPACE_WITHIN_SECONDS = 60.0


class Loader:
    """Brings a fleet into the cluster. What exists already is kept, so that a second start finds its fleet again."""

    def __init__(self, admin: Actor, controller: Actor, heartbeats: Heartbeats) -> None:
        self._admin = admin
        self._controller = controller
        self._heartbeats = heartbeats

    async def prepare(self, fleet: Fleet) -> None:
        """Creates what VMs stand on: namespaces, the KubeVirt CR, nodes. Returns when the nodes are usable."""
        spaces = {keys.NAMESPACE, *(group.namespace for group in fleet.virtual_machines)}
        await each(sorted(spaces), self._namespace)
        await self._kubevirt(fleet.kubevirt)
        await self._nodes(fleet.nodes)

    async def machines(self, fleet: Fleet) -> None:
        """Creates the VMIs that are not there; returns when every VMI of the fleet is Running."""
        store = self._admin.caches.vmis
        await each((vmi for vmi in vms.render(fleet) if store.get(*key_of(vmi)) is None), self._vmi)
        await self._all_running(vms.keys_of(fleet))

    async def _namespace(self, name: str) -> None:
        """Pods are refused until the controller-manager has put a default ServiceAccount into their namespace."""
        async with asyncio.timeout(NAMESPACE_WITHIN_SECONDS):
            while not await self._has_account(name):  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.05)

    async def _has_account(self, name: str) -> bool:
        """Whether pods can be created there; creates the namespace, once an earlier one of that name has ended."""
        await self._create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        try:
            namespace = await self._admin.client.get(NAMESPACES, "", name)
            await self._admin.client.get(SERVICE_ACCOUNTS, name, "default")
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return not is_being_deleted(namespace)

    async def _kubevirt(self, kubevirt: KubeVirt) -> None:
        spec = {"configuration": kubevirt.configuration, "workloadUpdateStrategy": kubevirt.workload_update_strategy}
        metadata = {"name": kubevirt.name, "namespace": keys.NAMESPACE}
        wanted = {"apiVersion": "kubevirt.io/v1", "kind": "KubeVirt", "metadata": metadata, "spec": spec}
        created = await self._create(KUBEVIRTS, wanted)
        if created is None:
            created = await self._admin.patch_merge(KUBEVIRTS, wanted, {"spec": spec})
        versions = ("observedKubeVirtVersion", "targetKubeVirtVersion", "operatorVersion")
        release = kubevirt.version or self._admin.version.release
        status = {"phase": "Deployed", "defaultArchitecture": "amd64", **dict.fromkeys(versions, release)}
        await self._admin.patch_merge(KUBEVIRTS, created, {"status": status}, "status")

    async def _nodes(self, groups: list[Nodes]) -> None:
        models = nodes.known_models(groups)
        wanted = [(group, node) for group in groups for node in nodes.render(group, models)]
        numbered = [(group, node, number) for number, (group, node) in enumerate(wanted)]
        await each(numbered, self._node)
        await self._all_ready({name for group in groups for name in names(group)})

    async def _node(self, numbered: tuple[Nodes, Object, int]) -> None:
        """Registers it as kubelet does, with its status; one that is there gets what the fleet says of it now."""
        group, node, number = numbered
        address = f"10.{64 + number // 65000}.{number // 250 % 256}.{1 + number % 250}"
        status = {"status": nodes.ready_status(group, address)}
        created = await self._create(NODES, {**node, **status})
        if created is None:
            created = await self._admin.client.get(NODES, "", node["metadata"]["name"])
            if handler_runs(created):  # its last heartbeat may be older than what virt-controller puts up with
                created = await self._admin.patch_merge(NODES, created, heartbeat())
            await self._admin.patch_merge(NODES, created, status, "status")
        await self._heartbeats.renew(created)

    async def _all_ready(self, wanted: set[str]) -> None:
        """Until the node controller has taken its not-ready taints off again."""

        def is_usable(node: Object) -> bool:
            taints = [taint["key"] for taint in node["spec"].get("taints") or ()]
            return is_true(node, "Ready") and "node.kubernetes.io/not-ready" not in taints

        store = self._admin.caches.nodes
        await store.until(lambda: all((node := store.get("", name)) is not None and is_usable(node) for name in wanted))

    async def _vmi(self, vmi: Object) -> None:
        if vmi["kind"] == "VirtualMachine":
            await self._create(VMS, vmi)
            return
        created = await self._create(VMIS, vmi, self._controller)
        if created is None:
            self._admin.caches.vmis.observe(await self._admin.client.get(VMIS, *key_of(vmi)))

    async def _all_running(self, waiting: set[Key]) -> None:
        running = asyncio.Event()

        def look(before: Object | None, after: Object | None) -> None:
            if after is not None and (is_true(after, "Ready") or after["status"].get("phase") in FINAL):
                waiting.discard(key_of(after))
            if not waiting:
                running.set()

        with self._admin.caches.vmis.listening(look):
            look(None, None)
            await running.wait()

    async def _create(self, resource: Resource, obj: Object, actor: Actor | None = None) -> Object | None:
        """The created object, or None if it was there already."""
        try:
            return await (actor or self._admin).create(resource, obj)
        except ApiError as error:
            if error.code == 409 and error.reason == "AlreadyExists":
                return None
            raise
