"""How a VMI ends and goes (watch/vmi/lifecycle.go): its pods first, then its phase, then its finalizers."""

from virtsim.cluster.actor import Actor
from virtsim.objects import keys
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.phases import in_phase
from virtsim.objects.pods import is_terminal
from virtsim.objects.resources import PODS, VMIS, Object
from virtsim.virt_controller.vmi_status import FINAL

STARTED = ("Scheduled", "Running")
OF_ITS_PODS = ("activePods", "launcherContainerImageVersion")


async def shut_down(actor: Actor, vmi: Object, pods: list[Object]) -> None:
    """One step of a VMI that is being deleted: all its pods, a migration's target too, then the phase it ends in."""
    alive = [pod for pod in pods if not is_terminal(pod)]
    for pod in alive:
        if not is_being_deleted(pod):
            await actor.delete(PODS, pod)
    if alive:
        return
    phase = (vmi.get("status") or {}).get("phase", "")
    if phase in FINAL:
        await release(actor, vmi)
    else:
        await actor.update(VMIS, in_phase(vmi, "Succeeded" if phase in STARTED else "Failed"))


async def release(actor: Actor, vmi: Object) -> None:
    """Takes virt-controller's finalizers, and what is left of its pods, off a VMI that is over.

    The VirtualMachine's finalizer stays while there is one.
    """
    ours = {keys.VMI_FINALIZER} if has_owner(actor, vmi) else {keys.VMI_FINALIZER, keys.VM_FINALIZER}
    finalizers = vmi["metadata"].get("finalizers") or []
    left = [name for name in finalizers if name not in ours]
    if left != finalizers:
        status = {field: value for field, value in vmi["status"].items() if field not in OF_ITS_PODS}
        await actor.update(VMIS, {**vmi, "metadata": {**vmi["metadata"], "finalizers": left}, "status": status})


def has_owner(actor: Actor, vmi: Object) -> bool:
    """Whether the VirtualMachine that made this VMI still exists."""
    for owner in vmi["metadata"].get("ownerReferences", ()):
        if owner["kind"] == "VirtualMachine" and owner.get("controller"):
            vm = actor.caches.vms.get(vmi["metadata"]["namespace"], owner["name"])
            return vm is not None and vm["metadata"]["uid"] == owner["uid"]
    return False
