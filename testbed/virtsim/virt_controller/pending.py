"""Pending: what must be true before a target pod is created, and its creation (migration.go)."""

import asyncio
from dataclasses import dataclass, replace

from virtsim.cluster.actor import Actor
from virtsim.cluster.caches import Caches
from virtsim.cluster.client import ApiError
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.migrations import phase_of
from virtsim.objects.pods import NONROOT_USER, annotations_of, is_terminal
from virtsim.objects.resources import PODS, VMIMS, VMIS, Key, Object
from virtsim.virt_controller import limits
from virtsim.virt_controller.configuration import cluster_node_selectors, migration_configuration
from virtsim.virt_controller.launcher_pod import target_pod
from virtsim.virt_controller.node_selectors import NoHostModelError
from virtsim.virt_controller.status import REJECTED_BY_QUOTA, conditioned
from virtsim.virt_controller.view import View

BUSY_SECONDS = 1.0


@dataclass
class TargetPods:
    """Creates target pods, one at a time: virt-controller counts and creates under one mutex."""

    actor: Actor
    image: str

    def __post_init__(self) -> None:
        self._creating = asyncio.Lock()

    async def create(self, view: View) -> float | None:
        """Creates the target pod if it may exist now; else answers when to look again (None: something will tell)."""
        if view.source is None:
            return None
        view = replace(view, vmi=await self._nonroot(view.vmi))
        if self._creating.locked():
            # Waiting for the mutex would hold a worker; KubeVirt looks again too, only less often.
            return 0.02
        async with self._creating:
            return await self._create(view)

    async def _create(self, view: View) -> float | None:
        caches = self.actor.caches
        alive = [pod for pod in caches.pods.by("owner", view.vmi["metadata"]["uid"]) if not is_terminal(pod)]
        if len(alive) > 1:
            return BUSY_SECONDS
        configuration = migration_configuration(caches.kubevirts)
        per_cluster = int(configuration["parallelMigrationsPerCluster"])
        per_node = int(configuration["parallelOutboundMigrationsPerNode"])
        status = view.vmi["status"]
        if not limits.has_room(status.get("nodeName", ""), active_migrations(caches), per_cluster, per_node):
            return limits.requeue_seconds(view.vmim)
        if status.get("phase") != "Running":
            return None
        await self._create_pod(view)
        return None

    async def _create_pod(self, view: View) -> None:
        events = self.actor.events
        source = view.source
        node = self.actor.caches.nodes.get("", view.vmi["status"]["nodeName"])
        if source is None or node is None:
            return
        selectors = cluster_node_selectors(self.actor.caches.kubevirts)
        try:
            pod = await self.actor.create(PODS, target_pod(view.vmi, view.vmim, source, node, self.image, selectors))
        except NoHostModelError as error:
            raise ApiError(0, "NoHostModel", str(error)) from error
        except ApiError as error:
            events.warning(view.vmi, "FailedCreate", f"Error creating pod: {error.message}")
            await self._tell_quota(view.vmim, error)
            raise
        events.normal(view.vmim, "SuccessfulCreate", f"Created migration target pod {pod['metadata']['name']}")

    async def _tell_quota(self, vmim: Object, error: ApiError) -> None:
        if "exceeded quota" in error.message and not is_true(vmim, REJECTED_BY_QUOTA):
            await self.actor.update(VMIMS, conditioned(vmim, REJECTED_BY_QUOTA), "status")

    async def _nonroot(self, vmi: Object) -> Object:
        """The first migration marks a non-root VMI with the annotation that older handlers look for."""
        annotations = annotations_of(vmi)
        if vmi["status"].get("runtimeUser") != NONROOT_USER or keys.NONROOT in annotations:
            return vmi
        metadata = {**vmi["metadata"], "annotations": {**annotations, keys.NONROOT: "true"}}
        return await self.actor.update(VMIS, {**vmi, "metadata": metadata})


def active_migrations(caches: Caches) -> list[limits.Counted]:
    """Everything that counts against the limits: running VMIMs, and pending ones that already have a target pod."""
    running = caches.vmims.by("class", "running")
    arriving = [_migration_of(caches, pod) for pod in caches.pods.by("arriving", "yes")]
    pending = [vmim for vmim in arriving if vmim is not None and phase_of(vmim) in ("", "Pending")]
    return [limits.counted(caches.vmis.get(*_vmi_of(vmim))) for vmim in [*running, *pending]]


def _migration_of(caches: Caches, pod: Object) -> Object | None:
    vmim = caches.vmims.get(pod["metadata"]["namespace"], annotations_of(pod).get(keys.MIGRATION_JOB_NAME, ""))
    uid = pod["metadata"]["labels"][keys.MIGRATION_JOB_UID]
    return vmim if vmim is not None and vmim["metadata"]["uid"] == uid else None


def _vmi_of(vmim: Object) -> Key:
    return vmim["metadata"]["namespace"], vmim["spec"].get("vmiName", "")
