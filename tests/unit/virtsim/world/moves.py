"""What may happen next: a schedule is a list of moves, each a name and a number that chooses among what is there."""

from collections.abc import Awaitable, Callable

from tests.unit.virtsim.world import kubernetes
from tests.unit.virtsim.world.door import Outcome
from tests.unit.virtsim.world.objects import MACHINES, NAMESPACE, NODES_BY_NAME, a_vmim, limits
from tests.unit.virtsim.world.processes import Process
from tests.unit.virtsim.world.world import World
from virtsim.cluster.client import ApiError
from virtsim.objects import keys
from virtsim.objects.pods import annotations_of, is_terminal, labels_of
from virtsim.objects.resources import KUBEVIRTS, NODES, PODS, VMIMS, VMIS, Object, key_of

Move = Callable[[World, int], Awaitable[None] | None]
VMS = tuple(MACHINES)
DRAIN = {"key": "kubevirt.io/drain", "effect": "NoSchedule"}
LIMITS = ((2, 1), (1, 1), (5, 2), (2, 2))
SOON_SECONDS = 30.0


def _vm(world: World, number: int) -> Object | None:
    return world.server.find(VMIS, NAMESPACE, VMS[number % len(VMS)])


def _pick(objects: list[Object], number: int) -> Object | None:
    return objects[number % len(objects)] if objects else None


def migrate(world: World, number: int) -> None:
    """A user's migration, of every second one to a certain node."""
    added = {"addedNodeSelector": {keys.HOSTNAME: NODES_BY_NAME[number % 3]}} if number % 2 else {}
    try:
        world.server.create("user", VMIMS, a_vmim(f"m{next(world.names)}", VMS[number // 2 % len(VMS)], **added))
    except ApiError as error:
        assert error.code == 400  # noqa: PT017 - nothing else refuses it


def cancel(world: World, number: int) -> None:
    vmim = _pick(world.server.all(VMIMS), number)
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
    pod = _pick(_targets(world), number)
    if pod is not None:
        world.server.delete("user", PODS, key_of(pod))


def kill_pod(world: World, number: int) -> None:
    """A launcher crashes, and its kubelet sees it: mostly a target, sometimes the one its VM is in."""
    pods = _targets(world) if number % 4 else [pod for pod in world.server.all(PODS) if not is_terminal(pod)]
    pod = _pick(pods, number // 4)
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


async def deliver(world: World, number: int) -> None:
    """A few events of one watch reach one process."""
    coming = world.coming()
    if coming:
        process, resource = coming[number % len(coming)]
        process.deliver(resource, 1 + number // len(coming) % 3)
        await world.settle()


async def repeat(world: World, number: int) -> None:
    process = _process(world, number)
    process.repeat((PODS, VMIS, VMIMS)[number // 3 % 3], 1 + number // 9 % 5)
    await world.settle()


async def relist(world: World, number: int) -> None:
    _process(world, number).relist((PODS, VMIS, VMIMS)[number // 3 % 3])
    await world.settle()


def _process(world: World, number: int) -> Process:
    return list(world.processes.values())[number % len(world.processes)]


def answering(outcome: Outcome) -> Move:
    async def answer(world: World, number: int) -> None:
        await world.answer(number, outcome)

    return answer


async def bind(world: World, number: int) -> None:
    pod = _pick(kubernetes.waiting_pods(world.server), number)
    if pod is not None:
        kubernetes.schedule(world.server, pod, number // 3)
    await world.settle()


async def run(world: World, number: int) -> None:
    """For a while nothing goes wrong."""
    for _ in range(1 + number % 6):
        if not await world.round():
            await world.tick(1.0)


async def tick(world: World, number: int) -> None:
    await world.tick(SOON_SECONDS)


async def crash(world: World, number: int) -> None:
    """A process dies with its requests undone, or with one of them done whose answer it never saw."""
    name = list(world.processes)[number % len(world.processes)]
    waiting = [request for request in world.door.waiting if request.process == name]
    if waiting and number // 3 % 2:
        world.door.answer(waiting[number // 6 % len(waiting)])
    await world.restart(name)


MOVES: dict[str, Move] = {
    "run": run,
    "answer": answering(Outcome.DONE),
    "deliver": deliver,
    "bind": bind,
    "tick": tick,
    "migrate": migrate,
    "cancel": cancel,
    "evict": evict,
    "conflict": answering(Outcome.CONFLICT),
    "error": answering(Outcome.ERROR),
    "timeout": answering(Outcome.TIMEOUT),
    "lose": answering(Outcome.LOST),
    "crash": crash,
    "taint": taint,
    "delete_pod": delete_pod,
    "kill_pod": kill_pod,
    "delete_vmi": delete_vmi,
    "annotate": annotate,
    "limits": change_limits,
    "repeat": repeat,
    "relist": relist,
}

OFTEN = ("run", "answer", "deliver", "bind", "tick", "migrate")
"""Moves that are drawn several times as often as the others: without them nothing gets far enough to go wrong."""
