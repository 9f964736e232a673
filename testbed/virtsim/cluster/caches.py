"""The caches all components share, and the indexes they are asked by."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from virtsim.cluster.client import Client
from virtsim.cluster.informer import Informer
from virtsim.cluster.store import Sink, Store
from virtsim.objects import keys
from virtsim.objects.migrations import phase_class, vmi_key
from virtsim.objects.pods import is_arriving, is_terminal, newest
from virtsim.objects.resources import KUBEVIRTS, NODES, PODS, POLICIES, QUOTAS, VMIMS, VMIS, VMS, Object, Resource


def _pod_owner(pod: Object) -> Iterable[str]:
    return [owner["uid"] for owner in pod["metadata"].get("ownerReferences", ()) if owner.get("controller")]


def _pod_migration(pod: Object) -> Iterable[str]:
    uid = pod["metadata"].get("labels", {}).get(keys.MIGRATION_JOB_UID)
    return [uid] if uid else []


def _pod_node(pod: Object) -> Iterable[str]:
    node = pod["spec"].get("nodeName")
    return [node] if node and not is_terminal(pod) else []


@dataclass
class Caches:
    """What the simulator knows of the cluster.

    pods: `owner` (uid of the controlling VMI), `migration` (uid of the VMIM), `node` (not terminal, by node),
    `arriving` (launcher pods that wait for their VM; the single value is "yes").
    vmims: `vmi` ("namespace/name" of the VMI), `class` ("pending", "running", "final", by virt-controller's counting).
    vmis: `node`.
    """

    nodes: Store = field(default_factory=Store)
    kubevirts: Store = field(default_factory=Store)
    vms: Store = field(default_factory=Store)
    policies: Store = field(default_factory=Store)
    quotas: Store = field(default_factory=Store)
    pods: Store = field(
        default_factory=lambda: Store(
            owner=_pod_owner,
            migration=_pod_migration,
            node=_pod_node,
            arriving=lambda pod: ["yes"] if is_arriving(pod) else [],
        )
    )
    vmis: Store = field(default_factory=lambda: Store(node=lambda vmi: [vmi.get("status", {}).get("nodeName", "")]))
    vmims: Store = field(
        default_factory=lambda: Store(
            vmi=lambda vmim: ["/".join(vmi_key(vmim))], **{"class": lambda vmim: [phase_class(vmim)]}
        )
    )

    def of(self, resource: Resource) -> Store | None:
        """The cache of a resource, if there is one."""
        return {
            NODES: self.nodes,
            KUBEVIRTS: self.kubevirts,
            PODS: self.pods,
            VMIS: self.vmis,
            VMIMS: self.vmims,
            VMS: self.vms,
            POLICIES: self.policies,
            QUOTAS: self.quotas,
        }.get(resource)

    def current_pod(self, vmi: Object) -> Object | None:
        """The pod a VM is in: the newest that its VMI controls, on the node that it runs on once it does."""
        node = (vmi.get("status") or {}).get("nodeName")
        owned = self.pods.by("owner", vmi["metadata"]["uid"])
        return newest([pod for pod in owned if not node or pod["spec"].get("nodeName") == node])

    def informers(
        self, client: Client, through: Callable[[Resource, Store], Sink] = lambda resource, store: store
    ) -> list[Informer]:
        """What keeps the caches; `through` may put something between an informer and its cache."""
        return [
            Informer(client, resource, through(resource, store))
            for resource in (NODES, KUBEVIRTS, PODS, VMIS, VMIMS, VMS, POLICIES, QUOTAS)
            if (store := self.of(resource)) is not None
        ]


async def all_synced(informers: list[Informer]) -> None:
    """Returns once every cache holds its first list."""
    await asyncio.gather(*(informer.synced.wait() for informer in informers))
