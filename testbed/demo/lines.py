"""What a log shows instead of a picture: a line for everything that has changed from one scene to the next."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from demo.facts import MOVING, Move, Scene


def changes(before: Scene | None, after: Scene) -> list[str]:
    """The lines, without their time."""
    old = {move.vm: move for move in before.moves} if before is not None else {}
    told = len(before.events) if before is not None else 0
    return [
        *_nodes(before, after),
        *(f"{event.about} {event.reason}: {event.message}" for event in after.events[told:] if _of_goal(event.about)),
        *(line for move in after.moves for line in _move(old.get(move.vm), move)),
        *_waits(old, after.moves),
    ]


def _of_goal(about: str) -> bool:
    """The plan's events are about its moves, which have lines of their own."""
    return about.startswith("NodeMaintenance/")


def _nodes(before: Scene | None, after: Scene) -> Iterator[str]:
    known = {node.name: node for node in before.nodes} if before is not None else {}
    if before is None:
        yield "VMs on nodes: " + ", ".join(f"{node.name} {node.vms}" for node in after.nodes)
    for node in after.nodes:
        old = known.get(node.name)
        if old is not None and old.cordoned != node.cordoned:
            yield f"{node.name} is {'cordoned' if node.cordoned else 'schedulable'}"
    counts = [
        f"{node.name} {node.vms}" for node in after.nodes if node.name in known and known[node.name].vms != node.vms
    ]
    if counts:
        yield f"VMs on nodes: {', '.join(counts)}"


def _move(old: Move | None, move: Move) -> Iterator[str]:
    if old is not None and old.step == move.step:
        return
    if move.step in (*MOVING, "Done"):
        took = f", {(move.ended - move.began).total_seconds():.0f} s" if move.ended and move.began else ""
        yield f"{move.vm} {move.step} ({move.source} -> {move.target}{took})"
    elif move.waiting is not None and move.step != "Queued":
        yield f"{move.vm} {move.step}: {move.waiting.reason}: {move.waiting.message}"
        yield f"  -> {move.waiting.suggestion}"


def _waits(old: dict[str, Move], moves: Iterable[Move]) -> Iterator[str]:
    """VMs that began to wait for something, those with the same words in one line."""
    began: dict[str, list[str]] = defaultdict(list)
    for move in moves:
        if move.step == "Queued" and move.waiting is not None and move.waiting != _waiting(old.get(move.vm)):
            began[f"{move.waiting.reason}: {move.waiting.message}"].append(move.vm)
    for why, vms in began.items():
        yield f"{', '.join(vms)} {'wait' if len(vms) > 1 else 'waits'}: {why}"


def _waiting(move: Move | None) -> object:
    return move.waiting if move is not None else None
