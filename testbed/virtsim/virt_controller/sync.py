"""What virt-controller does for a migration in each phase, before its status is looked at (migration.go, sync)."""

from collections.abc import Awaitable, Callable

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.resources import PODS
from virtsim.virt_controller.backoff import seconds_left
from virtsim.virt_controller.hand_over import hand_over, mark_target_down, request_abort
from virtsim.virt_controller.pending import BUSY_SECONDS, TargetPods
from virtsim.virt_controller.timeouts import watch_pending_pod
from virtsim.virt_controller.view import View

Act = Callable[[View], Awaitable[float | None]]


class Sync:
    """One act for each phase. What it changes is seen in the next reconcile."""

    def __init__(self, actor: Actor, image: str) -> None:
        self._actor = actor
        self._targets = TargetPods(actor, image)
        self._acts: dict[str, Act] = {
            "Pending": self._pending,
            "Scheduling": self._scheduling,
            "Scheduled": self._scheduled,
            "PreparingTarget": self._target_may_be_lost,
            "TargetReady": self._target_may_be_lost,
            "Running": self._running,
            "Failed": self._failed,
        }

    async def act(self, view: View) -> float | None:
        """Does what is due; answers when to look again (None: something will tell)."""
        if is_being_deleted(view.vmi):
            return None
        if view.deleted and not view.handed_off:
            return await self._canceled(view)
        if view.rival is not None:
            return BUSY_SECONDS  # whoever owns the VMI's migrationState comes to an end first
        act = self._acts.get(view.phase)
        return await act(view) if act is not None else None

    async def _canceled(self, view: View) -> float | None:
        pod = view.target
        if pod is None or is_being_deleted(pod) or view.target_is_down:
            return None
        try:
            await self._actor.delete(PODS, pod)
        except ApiError as error:
            message = f"Error deleting canceled migration target pod: {error.message}"
            self._actor.events.warning(view.vmim, "FailedDelete", message)
            raise
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        self._actor.events.normal(view.vmim, "SuccessfulDelete", f"migration canceled and pod {name} is deleted")
        return None

    async def _pending(self, view: View) -> float | None:
        if view.target is None:
            return await self._backed_off(view) or await self._targets.create(view)
        return await watch_pending_pod(self._actor, view)

    async def _backed_off(self, view: View) -> float | None:
        """When an evacuation that follows a failed one looks again, or None if it need not wait."""
        vmi = view.vmi["metadata"]
        where = f"{vmi['namespace']}/{vmi['name']}"
        left = seconds_left(view.vmim, self._actor.caches.vmims.by("vmi", where))
        if left <= 0:
            return None
        self._actor.events.warning(view.vmi, "MigrationBackoff", f"backoff migrating vmi {where}")
        return left

    async def _scheduling(self, view: View) -> float | None:
        return await watch_pending_pod(self._actor, view)

    async def _scheduled(self, view: View) -> float | None:
        if not view.deleted:
            await hand_over(self._actor, view)
        return None

    async def _target_may_be_lost(self, view: View) -> float | None:
        if view.target is None or view.target_is_down:
            await mark_target_down(self._actor, view)
        return None

    async def _failed(self, view: View) -> float | None:
        """A state that nobody ended yet is ended, whatever became of the target pod."""
        await mark_target_down(self._actor, view)
        return None

    async def _running(self, view: View) -> float | None:
        if view.deleted:
            await request_abort(self._actor, view)
        return None
