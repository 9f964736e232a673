"""The event loop behind a schedule: what starts next, and what has to be looked at again when something ends.

Moves from one source to one target are held up together, so they wait as one lane: at what holds it up, and it is not
looked at before something ends there.
"""

from collections import defaultdict
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Literal

from drover.planning.timing.moves import Job, Limits

Entry = tuple[float, tuple[float, ...], int]
"""Minus the work left at a lane's critical end, the rank of its first move, its number: the smallest goes first."""


class Run:
    """Moves under way, from the first to the last. `starts` are the seconds they start at by number, in that order;
    `waits_for` how many others each has to wait for still.

    Every lane with a move that may start is in a heap: `ready`, or that of the source, target or bandwidth that holds
    it up. While an end has a free slot and lanes wait there, the first of them is in `ready`.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        limits: Limits,
        ranks: Sequence[tuple[float, ...]],
        critical: Literal["source", "target"] | None,
    ) -> None:
        self.jobs, self.limits, self.ranks = jobs, limits, ranks
        self.starts: dict[int, float] = {}
        self.flying: list[tuple[float, int]] = []
        self.waits_for: dict[int, int] = {}
        self._now, self._rate = 0.0, 0.0
        self._least = min((job.rate for job in jobs), default=0.0)
        self._lane, self._ends = _lanes(jobs)
        self._queue: list[list[tuple[tuple[float, ...], int]]] = [[] for _ in self._ends]
        self._critical = {"source": 0, "target": 1, None: None}[critical]
        self._left: dict[int, float] = defaultdict(float)
        self._busy: dict[int, int] = defaultdict(int)
        self._held: dict[int, list[Entry]] = defaultdict(list)
        self._ready: list[Entry] = []
        self._wide: list[Entry] = []
        self._then: dict[int, list[int]] = defaultdict(list)
        self._begin()

    def _begin(self) -> None:
        number = {job.vm: n for n, job in enumerate(self.jobs)}
        if len(number) < len(self.jobs):
            raise ValueError("a VM has two moves")
        for n, job in enumerate(self.jobs):
            if job.running:
                self._start(n)
                continue
            for end in self._ends[self._lane[n]]:
                self._left[end] += job.seconds
            before = {number[vm] for vm in job.after if vm in number}
            for other in before:
                self._then[other].append(n)
            self.waits_for[n] = len(before)
            if not before:
                heappush(self._queue[self._lane[n]], (self.ranks[n], n))
        for lane, queue in enumerate(self._queue):
            if queue:
                self._hold(lane, self._ends[lane][self._critical or 0])
        for end in list(self._held):
            self._wake(end)

    def start_all(self) -> None:
        """Everything that can start now, the first by the rule first."""
        while self._ready and self._busy[_ALL] < self.limits.total and self._carries(self._least):
            entry = heappop(self._ready)
            lane = entry[2]
            if not self._queue[lane]:
                continue
            now = self._entry(lane)
            if now > entry:
                # Something of its critical end has started since: another one may be first by now.
                heappush(self._ready, now)
            else:
                self._try(lane, now)
            for end in self._ends[lane]:
                self._wake(end)

    def _try(self, lane: int, entry: Entry) -> None:
        full = next((end for end in self._ends[lane] if self._full(end)), None)
        first = self._queue[lane][0][1]
        if full is not None:
            self._hold(lane, full)
        elif not self._carries(self.jobs[first].rate):
            heappush(self._wide, entry)
        else:
            heappop(self._queue[lane])
            self._start(first)
            if self._queue[lane]:
                self._hold(lane, self._ends[lane][self._critical or 0])

    def end_next(self) -> None:
        """Go on to the next moment at which something ends, and end all that ends then."""
        self._now = self.flying[0][0]
        while self.flying and self.flying[0][0] == self._now:
            self._end(heappop(self.flying)[1])
        for entry in self._wide:
            heappush(self._ready, entry)
        self._wide.clear()

    def _start(self, n: int) -> None:
        job = self.jobs[n]
        self.starts[n] = self._now
        self._rate += job.rate
        self._busy[_ALL] += 1
        for end in self._ends[self._lane[n]]:
            self._busy[end] += 1
            self._left[end] -= 0 if job.running else job.seconds
        heappush(self.flying, (self._now + job.seconds, n))

    def _end(self, n: int) -> None:
        self._busy[_ALL] -= 1
        self._rate = self._rate - self.jobs[n].rate if self._busy[_ALL] else 0.0
        for later in self._then[n]:
            self.waits_for[later] -= 1
            if not self.waits_for[later]:
                self._release(later)
        for end in self._ends[self._lane[n]]:
            self._busy[end] -= 1
            self._wake(end)

    def _release(self, n: int) -> None:
        """A move may start from now on. If its lane waits already, it is looked at twice, which does no harm."""
        lane = self._lane[n]
        heappush(self._queue[lane], (self.ranks[n], n))
        if self._queue[lane][0][1] == n:
            heappush(self._ready, self._entry(lane))

    def _entry(self, lane: int) -> Entry:
        left = -self._left[self._ends[lane][self._critical]] if self._critical is not None else 0.0
        return left, self._queue[lane][0][0], lane

    def _full(self, end: int) -> bool:
        if end < 0:
            return False
        return self._busy[end] >= (self.limits.per_target if end % 2 else self.limits.per_source)

    def _carries(self, rate: float) -> bool:
        return self._rate + rate <= self.limits.bandwidth or not self._busy[_ALL]

    def _hold(self, lane: int, end: int) -> None:
        """Let a lane wait at an end. At their critical end all that wait have the same work before them: it tells
        nobody apart there."""
        left, rank, _ = self._entry(lane)
        heappush(self._held[end], (0.0 if self._is_critical(end, lane) else left, rank, lane))

    def _is_critical(self, end: int, lane: int) -> bool:
        return self._critical is not None and self._ends[lane][self._critical] == end

    def _wake(self, end: int) -> None:
        """Let the first of those that wait at an end try, if there is a slot."""
        held = self._held.get(end)
        while held and not self._full(end):
            lane = heappop(held)[2]
            if not self._queue[lane]:
                continue
            now = self._entry(lane)
            if self._is_critical(end, lane) or not held or now <= held[0]:
                heappush(self._ready, now)
                return
            heappush(held, now)


_ALL = -3
_UNKNOWN = (-2, -1)
"""Ends that nobody knows: of a source, of a target."""


def _lanes(jobs: Sequence[Job]) -> tuple[list[int], list[tuple[int, int]]]:
    """The lane of each move, and the source and target of each lane as numbers: even ones are sources, odd targets."""
    ends: dict[tuple[int, str], int] = {(side, ""): _UNKNOWN[side] for side in (0, 1)}

    def number(side: int, node: str) -> int:
        return ends.setdefault((side, node), 2 * len(ends) + side)

    lanes: dict[tuple[int, int], int] = {}
    of = [lanes.setdefault((number(0, job.source), number(1, job.target)), len(lanes)) for job in jobs]
    return of, list(lanes)
