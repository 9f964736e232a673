"""When each move starts: list scheduling under limits, the best of a few rules.

Whenever a slot is free, the move that is first by the rule takes it, of those that their source, their target and the
bandwidth let start (Graham, Bounds on Multiprocessing Timing Anomalies, 1969).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from drover.planning.timing.lanes import Run
from drover.planning.timing.moves import Job, Limits

Rank = tuple[float, ...]
"""What is smaller comes first."""


@dataclass(frozen=True, slots=True)
class Slot:
    """When a move starts and when it has ended, in seconds from now."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """The slots by VM; `order` are the VMs in the order they start in, without those that are in flight already."""

    slots: Mapping[str, Slot] = field(default_factory=dict)
    makespan: float = 0.0
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Which of the moves that could start does. With `critical`, one of the source or target with the most seconds of
    moves that have not started; then the smallest `rank`, then by name."""

    rank: Callable[[Job], Rank]
    critical: Literal["source", "target"] | None = None


def fastest(jobs: Sequence[Job], limits: Limits, enough: float = 0.0) -> Schedule:
    """The shortest schedule that three rules find: critical source, longest first (LPT), critical target; or the first
    that takes no more than `enough` seconds. Each rule takes the longest move first, then the one whose other end has
    the most to do. Of equal schedules it is the first."""
    found: list[Schedule] = []
    for rule in _portfolio(jobs):
        found.append(schedule(jobs, limits, rule))
        if found[-1].makespan <= enough:
            return found[-1]
    return min(found, key=lambda each: each.makespan)


def _portfolio(jobs: Sequence[Job]) -> tuple[Rule, ...]:
    out: dict[str, float] = defaultdict(float)
    into: dict[str, float] = defaultdict(float)
    for job in jobs:
        out[job.source] += job.seconds
        into[job.target] += job.seconds
    return (
        Rule(lambda job: (-job.seconds, -into[job.target]), "source"),
        Rule(lambda job: (-job.seconds, -out[job.source], -into[job.target])),
        Rule(lambda job: (-job.seconds, -out[job.source]), "target"),
    )


def in_order(jobs: Sequence[Job], limits: Limits) -> Schedule:
    """The schedule when moves start in the order they are given in; one that cannot start yet holds nobody up."""
    place = {job.vm: n for n, job in enumerate(jobs)}
    return schedule(jobs, limits, Rule(lambda job: (place[job.vm],)))


def least_loss(jobs: Iterable[Job], weights: Mapping[str, float]) -> tuple[str, ...]:
    """The VMs of a host that may fail at any moment, in the order that loses least on average: weight by duration, the
    largest first (WSPT; Smith, Various Optimizers for Single-Stage Production, 1956). A weight not given is 1."""

    def rank(job: Job) -> tuple[float, str]:
        return -weights.get(job.vm, 1.0) / max(job.seconds, 1e-9), job.vm

    return tuple(job.vm for job in sorted(jobs, key=rank))


def schedule(jobs: Sequence[Job], limits: Limits, rule: Rule) -> Schedule:
    """The schedule by a rule. Raises ValueError for two moves of one VM, for moves that wait for each other, for one
    that never ends, and for a limit below 1."""
    if min(limits.total, limits.per_source, limits.per_target) < 1:
        raise ValueError("nothing may start")
    if not all(isfinite(job.seconds) for job in jobs):
        raise ValueError("a move never ends")
    ordered = sorted(jobs, key=lambda job: job.vm)
    run = Run(ordered, limits, [(*rule.rank(job), n) for n, job in enumerate(ordered)], rule.critical)
    run.start_all()
    while run.flying:
        run.end_next()
        run.start_all()
    stuck = [ordered[n].vm for n, count in run.waits_for.items() if count]
    if stuck:
        raise ValueError(f"these moves wait for each other: {', '.join(stuck[:10])}")
    slots = {ordered[n].vm: Slot(start, start + ordered[n].seconds) for n, start in run.starts.items()}
    makespan = max((slot.end for slot in slots.values()), default=0.0)
    order = tuple(ordered[n].vm for n in run.starts if not ordered[n].running)
    return Schedule(slots, makespan, order)
