"""What users do, and what happens to nodes and launchers. Each takes a number that chooses among what is there."""

from tests.unit.virtsim.world import kubernetes
from tests.unit.virtsim.world.objects import MACHINES, NAMESPACE, NODES_BY_NAME, a_vmim, limits
from tests.unit.virtsim.world.world import World
from virtsim.cluster.client import ApiError
from virtsim.objects import keys
from virtsim.objects.pods import annotations_of, is_terminal, labels_of
from virtsim.objects.resources import KUBEVIRTS, NODES, PODS, VMIMS, VMIS, Object, key_of

VMS = tuple(MACHINES)
DRAIN = {"key": "kubevirt.io/drain", "effect": "NoSchedule"}
LIMITS = ((2, 1), (1, 1), (5, 2), (2, 2))


def migrate(world: World, number: int) -> None:
    """A user's migration, of every second one to a certain node."""
    added = {"addedNodeSelector": {keys.HOSTNAME: NODES_BY_NAME[number % 3]}} if number % 2 else {}
    try:
        world.server.create("user", VMIMS, a_vmim(f"m{next(world.names)}", VMS[number // 2 % len(VMS)], **added))
    except ApiError as error:
        assert error.code == 400  # noqa: PT017 - nothing else refuses it


def cancel(world: World, number: int) -> None:
    vmim = pick(world.server.all(VMIMS), number)
    if vmim is not None:
        world.server.delete("user", VMIMS, key_of(vmim))


def evict(world: World, number: int) -> None:
    vm = _vm(world, number)
    if vm is not None:
        kubernetes.mark(world.server, vm)


def taint(world: World, number: int) -> None:
    """The drain taint comes, or goes."""
    key = "", NODES_BY_NAME[number % len(NODES_BY_NAME)]
    world.change(
        NODES, key, lambda node: {**node, "spec": {**node["spec"], "taints": [] if node["spec"]["taints"] else [DRAIN]}}
    )


def _targets(world: World) -> list[Object]:
    pods = world.server.all(PODS)
    return [pod for pod in pods if keys.MIGRATION_JOB_UID in labels_of(pod) and not is_terminal(pod)]


def delete_pod(world: World, number: int) -> None:
    """A user deletes a pod that was, or is, a migration's target."""
    pod = pick(_targets(world), number)
    if pod is not None:
        world.server.delete("user", PODS, key_of(pod))


def kill_pod(world: World, number: int) -> None:
    """A launcher crashes, and its kubelet sees it: mostly a target, sometimes the one its VM is in."""
    pods = _targets(world) if number % 4 else [pod for pod in world.server.all(PODS) if not is_terminal(pod)]
    pod = pick(pods, number // 4)
    kubelet = world.processes["kubelet"]
    busy = {request.about["metadata"]["name"] for request in world.door.waiting if request.process == kubelet.name}
    if pod is not None and pod["metadata"]["name"] not in busy:
        world.change(PODS, key_of(pod), lambda obj: {**obj, "status": {**obj["status"], "phase": "Failed"}}, "status")
        kubelet.caches.pods.observe(world.server.get(PODS, *key_of(pod)))


def delete_vmi(world: World, number: int) -> None:
    vm = _vm(world, number)
    if vm is not None:
        world.server.delete("user", VMIS, key_of(vm))


def annotate(world: World, number: int) -> None:
    """The next transfer fails, or does not; it takes longer, or is quick."""
    key, value = (
        (keys.FAIL, "true"),
        (keys.FAIL, "false"),
        (keys.MIGRATION_SECONDS, "60"),
        (keys.MIGRATION_SECONDS, "0"),
    )[number // len(VMS) % 4]
    vm = _vm(world, number)
    if vm is not None:
        annotations = {**annotations_of(vm), key: value}
        world.change(VMIS, key_of(vm), lambda obj: {**obj, "metadata": {**obj["metadata"], "annotations": annotations}})


def change_limits(world: World, number: int) -> None:
    spec = limits(*LIMITS[number % len(LIMITS)])
    world.change(KUBEVIRTS, (keys.NAMESPACE, "kubevirt"), lambda obj: {**obj, "spec": spec})


def _vm(world: World, number: int) -> Object | None:
    return world.server.find(VMIS, NAMESPACE, VMS[number % len(VMS)])


def pick(objects: list[Object], number: int) -> Object | None:
    return objects[number % len(objects)] if objects else None
