"""After the end: the result is copied, the finalizer goes, old migrations go with their dead pods (migration.go)."""

from virtsim.cluster.actor import Actor
from virtsim.objects import keys
from virtsim.objects.migrations import is_being_deleted, is_final, owned_state, vmi_key
from virtsim.objects.phases import with_status
from virtsim.objects.resources import PODS, VMIMS, Object

KEPT = 5


async def finalize(actor: Actor, vmim: Object, vmi: Object) -> None:
    """Copies the VMI's migrationState; once it is copied, the next reconcile removes the finalizer."""
    state = owned_state(vmi, vmim)
    finalizers = vmim["metadata"].get("finalizers") or []
    if state is not None and (vmim.get("status") or {}).get("migrationState") != state:
        await actor.update(VMIMS, with_status(vmim, migrationState=state), "status")
    elif keys.MIGRATION_FINALIZER in finalizers:
        left = [name for name in finalizers if name != keys.MIGRATION_FINALIZER]
        await actor.update(VMIMS, {**vmim, "metadata": {**vmim["metadata"], "finalizers": left}})


def surplus(vmims: list[Object]) -> list[Object]:
    """The final migrations of one VMI beyond the newest five that are not being deleted, oldest first."""
    final = [vmim for vmim in vmims if is_final(vmim) and not is_being_deleted(vmim)]
    final.sort(key=lambda vmim: (vmim["metadata"]["creationTimestamp"], int(vmim["metadata"]["resourceVersion"])))
    return final[:-KEPT] if len(final) > KEPT else []


def dead_pod(vmim: Object) -> str | None:
    """The pod a migration left behind: the target of a failed one, the source of a completed one."""
    state = (vmim.get("status") or {}).get("migrationState") or {}
    if state.get("failed"):
        return state.get("targetPod")
    return state.get("sourcePod") if state.get("completed") else None


async def collect(actor: Actor, vmim: Object) -> None:
    """Deletes what is too much of this VMI's history."""
    for old in surplus(actor.caches.vmims.by("vmi", "/".join(vmi_key(vmim)))):
        name = dead_pod(old)
        pod = actor.caches.pods.get(old["metadata"]["namespace"], name) if name else None
        if pod is not None:
            await actor.delete(PODS, pod)
        await actor.delete(VMIMS, old)
