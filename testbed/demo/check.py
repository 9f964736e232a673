"""Whether the demo may say that it went well: pure functions from what was seen to what was wrong with it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from demo.facts import Move
from demo.fleet import Limits
from demo.history import Sighting


@dataclass(frozen=True, slots=True)
class Machine:
    """A VM at one moment. `pods`: UIDs of its launcher pods that have not ended, with the node of each."""

    node: str
    running: bool
    pods: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class NodeState:
    """What Drover may change of a node, with everything else of its spec."""

    unschedulable: bool
    taints: tuple[str, ...]
    marks: tuple[str, ...]
    """Keys of Drover's labels and annotations."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the verdict rests on. `immovable`: VMs that must stay, with the reason the status has to give."""

    node: str
    limits: Limits
    immovable: Mapping[str, str]
    before: Mapping[str, Machine]
    after: Mapping[str, Machine]
    moves: Sequence[Move]
    sightings: Sequence[Sighting]
    node_before: NodeState
    node_during: NodeState
    node_after: NodeState

    @property
    def movable(self) -> list[str]:
        return [vm for vm, was in self.before.items() if was.node == self.node and vm not in self.immovable]


@dataclass(frozen=True, slots=True)
class Check:
    """One claim about the end, and what contradicts it."""

    claim: str
    violations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flight:
    """A migration that holds a slot."""

    migration: str
    vm: str
    source: str
    target: str


def judge(seen: Evidence) -> list[Check]:
    """All checks; the demo went well if none has a violation."""
    moved, stayed = len(seen.movable), len(seen.immovable)
    others = len(seen.before) - moved - stayed
    return [
        _check(f"{moved} VMs are Running on other nodes", left(seen)),
        _check(f"{stayed} VMs that cannot move were not touched, and the status says why", unexplained(seen)),
        _check(f"{others} VMs of other nodes were not touched", moved_bystanders(seen)),
        *kept_limits(seen),
        _check(f"{seen.node} was cordoned, and is as it was before", not_restored(seen)),
    ]


def kept_limits(seen: Evidence) -> list[Check]:
    """That at no moment more was in flight than allowed, with how much it was at most."""
    moments = list(in_flight(seen.sightings, {vm: was.node for vm, was in seen.before.items()}))
    allowed, most = seen.limits, peaks(moments)
    out_of = above(moments, "out of", lambda flight: flight.source, allowed.per_source)
    into = above(moments, "into", lambda flight: flight.target, allowed.per_target)
    return [
        _check(f"at most {most.total} in flight (allowed: {allowed.total})", above_total(moments, allowed.total)),
        _check(f"at most {most.per_source} out of one node (allowed: {allowed.per_source})", out_of),
        _check(f"at most {most.per_target} into one node (allowed: {allowed.per_target})", into),
        _check("no VM had two migrations in flight", above(moments, "of", lambda flight: flight.vm, 1)),
    ]


def _check(claim: str, violations: Iterable[str]) -> Check:
    return Check(claim, tuple(violations))


def left(seen: Evidence) -> Iterator[str]:
    """Movable VMs that are not where they should be, or got there in a way that nobody logged."""
    proven = {each.vm for each in seen.sightings if each.phase == "Succeeded"}
    if not seen.movable:
        yield f"no VM of {seen.node} could move: there was nothing to show"
    for vm in seen.movable:
        now = seen.after.get(vm)
        if now is None:
            yield f"{vm} is gone"
        elif now.node == seen.node or not now.running:
            yield f"{vm} is {'' if now.running else 'not '}Running on {now.node}"
        elif {node for _, node in now.pods} != {now.node}:
            yield f"{vm} runs on {now.node}, its pods on {', '.join(sorted(node for _, node in now.pods)) or 'no node'}"
        elif vm not in proven:
            yield f"{vm} moved without a migration that succeeded"


def unexplained(seen: Evidence) -> Iterator[str]:
    """VMs that cannot move and were touched, or of which the status does not say why they stay."""
    told = {move.vm: move for move in seen.moves}
    for vm, reason in seen.immovable.items():
        if seen.before.get(vm) != seen.after.get(vm):
            yield f"{vm} was touched: {seen.before.get(vm)} before, {seen.after.get(vm)} after"
        move = told.get(vm)
        if move is None or move.step != "Blocked" or move.waiting is None:
            yield f"{vm} is not called blocked: {move}"
        elif move.waiting.reason != reason or not (move.waiting.message and move.waiting.suggestion):
            yield f"{vm} should be explained by {reason} with a message and a suggestion: {move.waiting}"


def moved_bystanders(seen: Evidence) -> Iterator[str]:
    """VMs of other nodes that are not what they were: same node, same pod, Running."""
    for vm, was in seen.before.items():
        if was.node != seen.node and seen.after.get(vm) != was:
            yield f"{vm} was touched: {was} before, {seen.after.get(vm)} after"
    for vm in seen.after.keys() - seen.before.keys():
        yield f"{vm} is new"


def in_flight(sightings: Iterable[Sighting], homes: Mapping[str, str]) -> Iterator[tuple[Flight, ...]]:
    """The migrations that hold a slot, after every write; `homes` is where the VMs were before the first."""
    homes = dict(homes)
    flying: dict[str, Flight] = {}
    for seen in sightings:
        if not seen.live:
            ended = flying.pop(seen.migration, None)
            if ended is not None and seen.phase == "Succeeded":
                homes[seen.vm] = seen.target
        elif seen.migration in flying:
            flying[seen.migration] = replace(flying[seen.migration], target=seen.target)
        else:
            flying[seen.migration] = Flight(seen.migration, seen.vm, homes.get(seen.vm, "?"), seen.target)
        yield tuple(flying.values())


def peaks(moments: Iterable[tuple[Flight, ...]]) -> Limits:
    """The most that was ever in flight: at all, out of one node, into one node."""
    total = source = target = 0
    for flights in moments:
        total = max(total, len(flights))
        source = max(source, *Counter(flight.source for flight in flights).values(), 0)
        target = max(target, *Counter(flight.target for flight in flights).values(), 0)
    return Limits(total, source, target)


def above_total(moments: Iterable[tuple[Flight, ...]], limit: int) -> Iterator[str]:
    """The worst moment with more in flight than allowed."""
    worst = max(moments, key=len, default=())
    if len(worst) > limit:
        yield f"{len(worst)} in flight: {_names(worst)}"


def above(moments: Iterable[tuple[Flight, ...]], words: str, key: Callable[[Flight], str], limit: int) -> Iterator[str]:
    """For each key (a node, a VM) with more in flight than allowed, its worst moment."""
    worst: dict[str, list[Flight]] = {}
    for flights in moments:
        for name in {key(flight) for flight in flights}:
            mine = [flight for flight in flights if key(flight) == name]
            if len(mine) > max(limit, len(worst.get(name, ()))):
                worst[name] = mine
    for name, mine in sorted(worst.items()):
        yield f"{len(mine)} in flight {words} {name}: {_names(mine)}"


def _names(flights: Iterable[Flight]) -> str:
    return ", ".join(flight.migration for flight in flights)


def not_restored(seen: Evidence) -> Iterator[str]:
    """Whether the node was out of use during the maintenance and is what it was before."""
    if not seen.node_during.unschedulable:
        yield f"{seen.node} was not cordoned during the maintenance"
    if seen.node_after != seen.node_before:
        yield f"{seen.node} was {seen.node_before} and is {seen.node_after}"
