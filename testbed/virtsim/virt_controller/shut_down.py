"""How a VMI ends and goes (watch/vmi/lifecycle.go): its pods first, then its phase, then its finalizers."""

from virtsim.cluster.actor import Actor
from virtsim.objects import keys
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.phases import in_phase
from virtsim.objects.pods import is_terminal, labels_of
from virtsim.objects.resources import PODS, VMIS, Object
from virtsim.virt_controller.vmi_status import FINAL

STARTED = ("Scheduled", "Running")
OF_ITS_PODS = ("activePods", "launcherContainerImageVersion")


async def shut_down(actor: Actor, vmi: Object, pods: list[Object]) -> None:
    """One step of a VMI that is being deleted: all its pods, a migration's target too, then the phase it ends in."""
    for pod in pods:
        if not is_being_deleted(pod):
            await actor.delete(PODS, pod)
            actor.events.normal(vmi, "SuccessfulDelete", f"Deleted virtual machine pod {pod['metadata']['name']}")
    phase = (vmi.get("status") or {}).get("phase", "")
    if phase in FINAL:
        await release(actor, vmi, pods)
    elif all(is_terminal(pod) for pod in pods):
        await actor.update(VMIS, in_phase(vmi, "Succeeded" if phase in STARTED else "Failed"))


async def release(actor: Actor, vmi: Object, pods: list[Object]) -> None:
    """Takes virt-controller's finalizer, and what is left of its pods, off a VMI that is over and has none any more.

    The VirtualMachine's finalizer goes at once where there is none, and stays while there is one.
    """
    gone = set() if has_owner(actor, vmi) else {keys.VM_FINALIZER}
    if not pods:
        gone.add(keys.VMI_FINALIZER)
    finalizers = vmi["metadata"].get("finalizers") or []
    left = [name for name in finalizers if name not in gone]
    if left != finalizers:
        released = {**vmi, "metadata": {**vmi["metadata"], "finalizers": left}}
        await actor.update(VMIS, released if pods else _without_pods(released))


def _without_pods(vmi: Object) -> Object:
    status = {field: value for field, value in vmi["status"].items() if field not in OF_ITS_PODS}
    labels = {key: value for key, value in labels_of(vmi).items() if key != keys.OUTDATED_LAUNCHER}
    return {**vmi, "metadata": {**vmi["metadata"], "labels": labels}, "status": status}


def has_owner(actor: Actor, vmi: Object) -> bool:
    """Whether the VirtualMachine that made this VMI still exists."""
    for owner in vmi["metadata"].get("ownerReferences", ()):
        if owner["kind"] == "VirtualMachine" and owner.get("controller"):
            vm = actor.caches.vms.get(vmi["metadata"]["namespace"], owner["name"])
            return vm is not None and vm["metadata"]["uid"] == owner["uid"]
    return False
