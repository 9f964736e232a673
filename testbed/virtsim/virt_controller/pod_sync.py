"""What virt-controller keeps up to date on launcher pods (watch/vmi/lifecycle.go, watch/migration/migration.go)."""

from virtsim.cluster.actor import Actor
from virtsim.objects import keys
from virtsim.objects.conditions import condition, is_true
from virtsim.objects.pods import annotations_of, is_ready, is_terminal, labels_of
from virtsim.objects.resources import PODS, Object
from virtsim.objects.times import go_time, now
from virtsim.virt_controller.vmi_status import FINAL

LABELS = (keys.NODE_NAME, keys.OUTDATED_LAUNCHER)
ANNOTATIONS = (keys.DESCHEDULER_EVICT, keys.DESCHEDULER_PREFER_NOT)
"""What follows the VMI, also when it is taken off."""


class PodSync:
    """Patches of pods that follow their VMI, each only when it changes something."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    async def attend(self, vmi: Object, pod: Object | None) -> None:
        """The pod the VM is in, from its creation on: its readiness gate, the descheduler's mark, its node label.

        The gate is open before kubelet starts the pod, so that it is Ready as soon as it runs.
        """
        await self._announce_target(vmi)
        if pod is None or is_terminal(pod) or (vmi.get("status") or {}).get("phase") in FINAL:
            return
        wanted = unpaused(vmi)
        known = (condition(pod, keys.UNPAUSED) or {}).get("status")
        if known != wanted["status"] and "True" in (known, wanted["status"]):
            pod = await self._actor.patch_status(PODS, pod, {"conditions": [wanted]})
        await self._tell_descheduler(vmi, pod)
        changed = {
            "labels": _changed(labels_of(pod), _of(labels_of(vmi), LABELS)),
            "annotations": _changed(annotations_of(pod), _of(annotations_of(vmi), ANNOTATIONS)),
        }
        body = {field: values for field, values in changed.items() if values}
        if body:
            await self._actor.patch_merge(PODS, pod, {"metadata": body})

    async def _tell_descheduler(self, vmi: Object, pod: Object) -> None:
        """A pod whose eviction is under way is not to be chosen again."""
        said = keys.EVICTION_IN_PROGRESS in annotations_of(pod)
        marked = bool(vmi["status"].get("evacuationNodeName")) and is_ready(pod)
        if said != marked:
            value = "true" if marked else None
            await self._actor.patch_merge(PODS, pod, {"metadata": {"annotations": {keys.EVICTION_IN_PROGRESS: value}}})

    async def _announce_target(self, vmi: Object) -> None:
        """Marks the target pod when its domain runs, for network plugins; in Go's time format."""
        state = (vmi.get("status") or {}).get("migrationState") or {}
        ready = state.get("targetNodeDomainReadyTimestamp")
        if not ready or state.get("failed"):
            return
        pod = self._actor.caches.pods.get(vmi["metadata"]["namespace"], state.get("targetPod", ""))
        if pod is not None and keys.TARGET_READY not in annotations_of(pod) and not is_terminal(pod):
            await self._actor.patch_merge(PODS, pod, {"metadata": {"annotations": {keys.TARGET_READY: go_time(ready)}}})


def _of(values: dict[str, str], names: tuple[str, ...]) -> dict[str, str | None]:
    return {name: values.get(name) for name in names}


def _changed(known: dict[str, str], wanted: dict[str, str | None]) -> dict[str, str | None]:
    """What of the wanted is not so yet, as a merge patch: None takes it off."""
    return {name: value for name, value in wanted.items() if known.get(name) != value}


def unpaused(vmi: Object) -> Object:
    """The readiness gate of the pod of this VM."""
    paused = is_true(vmi, "Paused")
    said = ("Paused", "the virtual machine is paused") if paused else ("NotPaused", "the virtual machine is not paused")
    return {
        "type": keys.UNPAUSED,
        "status": "False" if paused else "True",
        "reason": said[0],
        "message": said[1],
        "lastProbeTime": now(),
        "lastTransitionTime": now(),
    }
