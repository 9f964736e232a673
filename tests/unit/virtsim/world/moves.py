"""What may happen next: a schedule is a list of moves, each a name and a number that chooses among what is there."""

from collections.abc import Awaitable, Callable

from tests.unit.virtsim.world import fate, kubernetes
from tests.unit.virtsim.world.door import Outcome
from tests.unit.virtsim.world.processes import Process
from tests.unit.virtsim.world.world import World
from virtsim.objects.resources import PODS, VMIMS, VMIS

Move = Callable[[World, int], Awaitable[None] | None]
SOON_SECONDS = 30.0


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
    pod = fate.pick(kubernetes.waiting_pods(world.server), number)
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
    "migrate": fate.migrate,
    "cancel": fate.cancel,
    "evict": fate.evict,
    "conflict": answering(Outcome.CONFLICT),
    "error": answering(Outcome.ERROR),
    "timeout": answering(Outcome.TIMEOUT),
    "lose": answering(Outcome.LOST),
    "crash": crash,
    "taint": fate.taint,
    "delete_pod": fate.delete_pod,
    "kill_pod": fate.kill_pod,
    "delete_vmi": fate.delete_vmi,
    "annotate": fate.annotate,
    "limits": fate.change_limits,
    "repeat": repeat,
    "relist": relist,
}

OFTEN = ("run", "answer", "deliver", "bind", "tick", "migrate")
"""Moves that are drawn several times as often as the others: without them nothing gets far enough to go wrong."""
