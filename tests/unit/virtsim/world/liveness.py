"""What comes to be once nothing goes wrong any more. Each answers what is still missing, for a reader of a failure."""

from collections.abc import Iterator

from tests.unit.virtsim.world.objects import LIMITS_AFTERWARDS, limits
from tests.unit.virtsim.world.server import launchers_of
from tests.unit.virtsim.world.world import World
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.eviction import is_marked
from virtsim.objects.migrations import is_being_deleted, is_final, phase_of, vmi_key
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import KUBEVIRTS, NODES, VMIMS, VMIS, Object, key_of

KEPT = 5
WITHIN_SECONDS = 3600.0
"""On the clock: a launcher waits 6 minutes for its domain, a pod 5 for a node, an evacuation 20 s times 2 to the n."""


def all_run(world: World) -> bool:
    """Whether every VM runs and is ready, and nobody has anything to do."""
    ready = all(is_true(vmi, "Ready") for vmi in world.server.all(VMIS))
    return ready and not world.coming() and not world.door.waiting


def stop_faults(world: World) -> None:
    """Takes away what would stay in the way: taints, failures by annotation, low limits."""
    for node in world.server.all(NODES):
        world.change(NODES, key_of(node), lambda obj: {**obj, "spec": {**obj["spec"], "taints": []}})
    for vmi in world.server.all(VMIS):
        world.change(VMIS, key_of(vmi), _unharmed)
    world.change(KUBEVIRTS, (keys.NAMESPACE, "kubevirt"), lambda obj: {**obj, "spec": limits(*LIMITS_AFTERWARDS)})


def _unharmed(vmi: Object) -> Object:
    kept = {key: value for key, value in vmi["metadata"]["annotations"].items() if key != keys.FAIL}
    return {**vmi, "metadata": {**vmi["metadata"], "annotations": kept}}


def missing(world: World) -> list[str]:
    """Everything that is not yet as it should be; empty when all is well."""
    return [*_of_vmims(world), *(line for vmi in world.server.all(VMIS) for line in _of_vmi(world, vmi))]


def _of_vmims(world: World) -> Iterator[str]:
    kept: dict[str, int] = {}
    for vmim in world.server.all(VMIMS):
        name = vmim["metadata"]["name"]
        if not is_final(vmim) and not _is_blocked(world, vmim):
            yield f"{name} is {phase_of(vmim) or 'new'}"
        if is_being_deleted(vmim):
            yield f"{name} is deleted and still there"
        if is_final(vmim) and vmim["metadata"].get("finalizers"):
            yield f"{name} has its finalizer"
        if world.server.find(VMIS, *vmi_key(vmim)) is None:
            yield f"{name} is there without its VM"
        kept[vmim["spec"]["vmiName"]] = kept.get(vmim["spec"]["vmiName"], 0) + 1
    yield from (f"{number} migrations of {vm} are kept" for vm, number in kept.items() if number > KEPT)


def _is_blocked(world: World, vmim: Object) -> bool:
    """Whether it waits in Pending because its VM has a second pod, which nobody ends."""
    vmi = world.server.find(VMIS, *vmi_key(vmim))
    pods = [] if vmi is None else list(launchers_of(world.server, vmi))
    return phase_of(vmim) == "Pending" and any(_is_unheard_of(world, pod) for pod in pods)


def _is_unheard_of(world: World, pod: Object) -> bool:
    """Whether the pod is one of two that a migration made because it never heard of the first (as KubeVirt does)."""
    uid = labels_of(pod).get(keys.MIGRATION_JOB_UID, "")
    return bool(uid) and world.sight.lost_creations(uid) > 0


def _was_handed_over_unheard(world: World, vmi: Object) -> bool:
    """Whether virt-controller never heard that its hand-over was done, and the migration was cancelled meanwhile.

    Then nobody ends the state until the next migration, as in KubeVirt: handOffMap is filled after the patch's answer.
    """
    state = vmi["status"].get("migrationState") or {}
    lost = [request for request in world.door.lost if request.resource is VMIS and request.verb == "patch"]
    names = {request.about["metadata"]["name"] for request in lost}
    return not state.get("completed") and vmi["metadata"]["name"] in names


def _of_vmi(world: World, vmi: Object) -> Iterator[str]:
    name, status = vmi["metadata"]["name"], vmi["status"]
    if is_being_deleted(vmi):
        yield f"{name} is deleted and still there"
    if status["phase"] != "Running":
        return
    if keys.MIGRATION_TARGET_NODE in labels_of(vmi) and not _was_handed_over_unheard(world, vmi):
        yield f"{name} has the label of a migration"
    if is_marked(vmi) and vmi["spec"]["evictionStrategy"] == "LiveMigrate":
        yield f"{name} is marked"
    pods = [(pod["spec"].get("nodeName"), _is_unheard_of(world, pod)) for pod in launchers_of(world.server, vmi)]
    nodes = [node for node, unheard in pods if node == status["nodeName"] or not unheard]
    if nodes != [status["nodeName"]]:
        yield f"{name} is on {status['nodeName']}, its launchers on {nodes}"
    if labels_of(vmi).get(keys.NODE_NAME) != status["nodeName"]:
        yield f"{name} has two owners"
