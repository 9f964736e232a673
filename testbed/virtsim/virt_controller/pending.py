"""Pending: what must be true before a target pod is created, and its creation (migration.go)."""

import asyncio
from dataclasses import dataclass, replace

from virtsim.cluster.actor import Actor
from virtsim.cluster.caches import Caches
from virtsim.cluster.client import ApiError
from virtsim.objects import keys
from virtsim.objects.kubevirt import feature_gates
from virtsim.objects.migrations import phase_of, vmi_key
from virtsim.objects.pods import annotations_of, is_terminal
from virtsim.objects.resources import PODS, VMIS, Object
from virtsim.virt_controller import limits, runtime_user
from virtsim.virt_controller.auto_limits import with_auto_limits
from virtsim.virt_controller.blocking import has_utility_volumes
from virtsim.virt_controller.configuration import (
    cluster_node_selectors,
    launcher_image,
    migration_configuration,
)
from virtsim.virt_controller.launcher_pod import target_pod
from virtsim.virt_controller.node_selectors import NoHostModelError
from virtsim.virt_controller.older import pod_as_of
from virtsim.virt_controller.protection import protect
from virtsim.virt_controller.selinux import NoSelinuxContextError, with_source_level
from virtsim.virt_controller.view import View

BUSY_SECONDS = 1.0


@dataclass
class TargetPods:
    """Creates target pods, one at a time: virt-controller counts and creates under one mutex."""

    actor: Actor
    image: str

    def __post_init__(self) -> None:
        self._creating = asyncio.Lock()
        self._created = ""
        """The uid of the last one. The others were heard of before it was created."""

    async def create(self, view: View) -> float | None:
        """Creates the target pod if it may exist now; else answers when to look again (None: something will tell)."""
        if has_utility_volumes(view.vmi) or view.source is None:
            return None
        view = replace(view, vmi=await self._with_runtime_user(view.vmi))
        if not self._has_room(view):
            return limits.requeue_seconds(view.vmim)
        async with self._creating:
            return await self._create(view)

    async def _create(self, view: View) -> float | None:
        """KubeVirt counts pods and migrations only when its caches know of every target pod that it created."""
        caches = self.actor.caches
        if caches.pods.is_unheard(self._created):
            return BUSY_SECONDS
        alive = [pod for pod in caches.pods.by("owner", view.vmi["metadata"]["uid"]) if not is_terminal(pod)]
        if len(alive) > 1:
            return BUSY_SECONDS
        if not self._has_room(view):
            return limits.requeue_seconds(view.vmim)
        if view.vmi["status"].get("phase") != "Running":
            return None
        if (again := await protect(self.actor, view)) is not None:
            return again
        await self._create_pod(view)
        return None

    def _has_room(self, view: View) -> bool:
        configuration = migration_configuration(self.actor.caches.kubevirts)
        per_cluster = int(configuration["parallelMigrationsPerCluster"])
        per_node = int(configuration["parallelOutboundMigrationsPerNode"])
        node = view.vmi["status"].get("nodeName", "")
        return limits.has_room(node, active_migrations(self.actor.caches), per_cluster, per_node)

    async def _create_pod(self, view: View) -> None:
        events = self.actor.events
        try:
            wanted = self._rendered(view)
        except (NoHostModelError, NoSelinuxContextError) as error:
            raise ApiError(0, type(error).__name__, str(error)) from error
        if wanted is None:
            return
        try:
            pod = await self.actor.create(PODS, wanted)
        except ApiError as error:
            events.warning(view.vmi, "FailedCreate", _told(view.vmi, error))
            raise
        self._created = pod["metadata"]["uid"]
        events.normal(view.vmim, "SuccessfulCreate", f"Created migration target pod {pod['metadata']['name']}")

    def _rendered(self, view: View) -> Object | None:
        """The target pod, or None while its source or the source's node is unknown."""
        kubevirts = self.actor.caches.kubevirts
        node = self.actor.caches.nodes.get("", view.vmi["status"].get("nodeName", ""))
        if view.source is None or node is None:
            return None
        image, selectors = launcher_image(kubevirts, self.image), cluster_node_selectors(kubevirts)
        pod = target_pod(view.vmi, view.vmim, view.source, node, image, selectors)
        pod = with_auto_limits(pod_as_of(self.actor.version, pod, view.vmi), view.vmi, self.actor.caches.quotas)
        return with_source_level(pod, view.vmi, migration_configuration(kubevirts))

    async def _with_runtime_user(self, vmi: Object) -> Object:
        root = "Root" in feature_gates(self.actor.caches.kubevirts)
        operations = runtime_user.operations(vmi, root=root)
        return await self.actor.patch_json(VMIS, vmi, operations) if operations else vmi


def _told(vmi: Object, error: ApiError) -> str:
    """What the VMI's event says of a pod that was refused."""
    if error.code != 403 or "violates PodSecurity" not in error.message:
        return f"Error creating pod: {error.message}"
    where = f"{vmi['metadata']['namespace']}/{vmi['metadata']['name']}"
    unprivileged = f"failed to create target pod for vmi {where}, it needs a privileged namespace to run"
    return f"failed to render launch manifest: {unprivileged}: {error.message}"


def active_migrations(caches: Caches) -> list[limits.Counted]:
    """Everything that counts against the limits: running VMIMs, and pending ones that already have a target pod."""
    running = caches.vmims.by("class", "running")
    arriving = [_migration_of(caches, pod) for pod in caches.pods.by("arriving", "yes")]
    pending = [vmim for vmim in arriving if vmim is not None and phase_of(vmim) in ("", "Pending")]
    return [limits.counted(caches.vmis.get(*vmi_key(vmim))) for vmim in [*running, *pending]]


def _migration_of(caches: Caches, pod: Object) -> Object | None:
    vmim = caches.vmims.get(pod["metadata"]["namespace"], annotations_of(pod).get(keys.MIGRATION_JOB_NAME, ""))
    uid = pod["metadata"]["labels"][keys.MIGRATION_JOB_UID]
    return vmim if vmim is not None and vmim["metadata"]["uid"] == uid else None
