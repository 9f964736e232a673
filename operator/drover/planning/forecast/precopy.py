"""Pre-copy, pass by pass, over a writable working set.

The first pass sends all memory. Each further pass sends what was dirtied during the one before: with a hot set of W
bytes written at d bytes a second, and the rest at c, those are W(1-e^(-d·t/W)) + c·t different bytes after t seconds
(writable working set: Clark et al., Live Migration of Virtual Machines, NSDI 2005). The guest goes over when what
remains can be sent within the downtime limit (QEMU migration/migration.c). Many migrations are computed at once.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PASSES = 100
"""After so many passes a migration is taken for one that does not come to its end by itself."""
SWITCHOVER = 0.05
"""Seconds that the switchover takes beside sending what remains."""
# QEMU migration/options.c: throttle-trigger-threshold, cpu-throttle-initial, -increment and max-cpu-throttle.
_TRIGGER, _FIRST, _STEP, _MOST = 0.5, 0.2, 0.1, 0.99


@dataclass(frozen=True, slots=True)
class Lanes:
    """Migrations side by side: sizes in bytes, rates in bytes a second, times in seconds, float64[n] or bool[n]."""

    memory: Floats
    """To send in the first pass."""
    disks: Floats
    """To send once, before the memory: a block migration's."""
    bandwidth: Floats
    dirty: Floats
    """At which the working set is written while memory is copied."""
    working_set: Floats
    cold: Floats
    """At which the rest is written."""
    downtime_limit: Floats
    deadline: Floats
    """After which it is ended: by post-copy, by a pause, or aborted."""
    auto_converge: Bools
    post_copy: Bools
    disrupts: Bools

    def at(self, which: NDArray[np.int64]) -> "Lanes":
        """Some of them."""
        return Lanes(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Course:
    """How each went: float64[n], bool[n]. `downtime` is NaN where it was aborted; `seconds` are infinite where it would
    go on for ever; `converged`: pre-copy came to its end before the deadline."""

    seconds: Floats
    sent: Floats
    downtime: Floats
    converged: Bools


@dataclass(slots=True)
class _State:
    """Migrations under way: bytes that remain, seconds and bytes so far, how much of its time the guest is stopped, and
    how many passes in a row too much was dirtied."""

    remaining: Floats
    elapsed: Floats
    sent: Floats
    throttle: Floats
    high: Floats

    def at(self, which: NDArray[np.int64]) -> "_State":
        return _State(*(getattr(self, field.name)[which] for field in fields(self)))


def run(lanes: Lanes) -> Course:
    """Every migration to its end."""
    count = len(lanes.memory)
    course = Course(np.empty(count), np.empty(count), np.full(count, np.nan), np.zeros(count, dtype=np.bool_))
    where = np.arange(count)
    state = _State(lanes.memory + lanes.disks, np.zeros(count), np.zeros(count), np.zeros(count), np.zeros(count))
    for _ in range(PASSES):
        over, hopeless = _pass(lanes, state)
        _finish(course, where, lanes, state, over & ~hopeless, hopeless)
        going = np.flatnonzero(~(over | hopeless))
        if going.size < len(where):
            where, lanes, state = where[going], lanes.at(going), state.at(going)
        if not where.size:
            return course
    everybody = np.ones(len(where), dtype=np.bool_)
    _finish(course, where, lanes, state, ~everybody, everybody)
    return course


def _pass(lanes: Lanes, state: _State) -> tuple[Bools, Bools]:
    """Send what remains once; which have little enough left to go over, and which will not before their deadline."""
    time = state.remaining / lanes.bandwidth
    late = state.elapsed + time >= lanes.deadline
    dirtied = _dirtied(lanes, state, time)
    over = dirtied <= lanes.bandwidth * lanes.downtime_limit
    hopeless = late | (~over & ~_throttle(lanes, state, dirtied) & _stuck(lanes, state, dirtied))
    state.sent += np.where(late, 0, state.remaining)
    state.elapsed += np.where(late, 0, time)
    state.remaining = np.where(late, state.remaining, dirtied)
    return over, hopeless


def _dirtied(lanes: Lanes, state: _State, time: Floats) -> Floats:
    """Different bytes written in so many seconds."""
    runs = (1 - state.throttle) * time
    hot = lanes.working_set * -np.expm1(-lanes.dirty * runs / lanes.working_set)
    return np.minimum(hot + lanes.cold * runs, lanes.memory)


def _stuck(lanes: Lanes, state: _State, dirtied: Floats) -> Bools:
    """Which come to rest above the downtime limit, and nearly have: what a pass leaves is concave in what it sent, so
    it falls below the limit in the end only if it does so from the limit itself."""
    resting = dirtied > 0.9 * state.remaining
    limit = _dirtied(lanes, state, lanes.downtime_limit)
    result: Bools = resting & (limit >= lanes.bandwidth * lanes.downtime_limit)
    return result


def _throttle(lanes: Lanes, state: _State, dirtied: Floats) -> Bools:
    """Stop the guest for a larger share of its time where it dirtied more than half of what was sent, two passes in a
    row; says where more of that can follow (QEMU migration/ram.c, migration_trigger_throttle)."""
    state.high = np.where(lanes.auto_converge & (dirtied > _TRIGGER * state.remaining), state.high + 1, state.high)
    now = state.high >= 2
    more = np.where(state.throttle > 0, np.minimum(state.throttle + _STEP, _MOST), _FIRST)
    state.throttle = np.where(now, more, state.throttle)
    state.high = np.where(now, 0, state.high)
    result: Bools = lanes.auto_converge & (state.throttle < _MOST)
    return result


def _finish(course: Course, where: NDArray[np.int64], lanes: Lanes, state: _State, over: Bools, late: Bools) -> None:
    """Write down those that go over, and those whose deadline decides."""
    rest = state.remaining / lanes.bandwidth
    mine = where[over]
    course.converged[mine] = True
    course.downtime[mine] = rest[over] + SWITCHOVER
    course.seconds[mine] = state.elapsed[over] + rest[over] + SWITCHOVER
    course.sent[mine] = state.sent[over] + state.remaining[over]
    if late.any():
        which = np.flatnonzero(late)
        _at_deadline(course, where[which], lanes.at(which), state.at(which))


def _at_deadline(course: Course, where: NDArray[np.int64], lanes: Lanes, state: _State) -> None:
    """Post-copy sends what is not there yet while the guest runs on the target; a pause sends it while it stands; else
    it was for nothing."""
    waited = lanes.deadline - state.elapsed
    rest = np.where(lanes.disrupts, state.remaining / lanes.bandwidth, 0)
    stands = np.where(lanes.post_copy, 0, rest) + SWITCHOVER
    course.seconds[where] = lanes.deadline + rest
    course.sent[where] = state.sent + lanes.bandwidth * (waited + rest)
    course.downtime[where] = np.where(lanes.disrupts & np.isfinite(lanes.deadline), stands, np.nan)
