"""What a live migration of each VM will be like, as far as what is known of it allows to say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, inf, log
from statistics import NormalDist

import numpy as np

from drover.planning.forecast import precopy
from drover.planning.forecast.estimate import Z90, Estimate, Range
from drover.planning.forecast.policy import Policy
from drover.planning.forecast.precopy import Course, Floats, Lanes

LINK = Estimate(370e6, level=0.9, each=0.25)
"""Bytes a second that a migration sends, before anything was seen: one in ten is slower than 1 Gbit/s Ethernet carries
(117 MB/s), one in ten faster than 10 Gbit/s Ethernet. An assumption."""
ONE_FURTHER_PASS = log(2) / Z90
"""Of a VM whose dirty rate nobody knows: one in ten sends its memory more than twice. An assumption; a guest that
dirtied 650 of 1,000 Mbit/s sent it 1.45 times (kubevirt/enhancements, VEP 291)."""
GOODPUT = replace(LINK, each=hypot(LINK.each, ONE_FURTHER_PASS))
"""Bytes of guest memory a second that a migration has moved when it ends, pages sent again not counted."""
SINGLE_STREAM = 600e6
"""Bytes a second that one encrypted stream carries at most. An assumption: one core encrypts it."""
DIRTIED_WHILE_MIGRATED = 2.5
"""By how much the dirty rate during a migration exceeds that before it: 2 to 3 times (kubevirt/enhancements, VEP
246)."""
_DIRTY_SPREAD = {False: 0.4, True: 0.2}
"""Standard deviation of the logarithm of the dirty rate, by whether it was seen in a migration."""
_SCENARIOS = 13
_DEFAULTS = Policy()


@dataclass(frozen=True, slots=True)
class Subject:
    """A VM to be migrated: bytes, bytes a second."""

    memory: int
    disks: int = 0
    """What a block migration sends of them."""
    nonzero: int | None = None
    """How much of the memory has to be sent; None: all of it."""
    dirty_rate: float | None = None
    in_migration: bool = False
    """Whether the dirty rate was seen in a migration of it; else it is what it dirties otherwise."""
    working_set: float | None = None
    """The part of the memory that is written again and again; None: all of it."""
    cold_rate: float = 0.0
    """At which the rest of the memory is written."""
    single_stream: bool = False
    """It has a CPU limit or dedicated CPUs: then KubeVirt uses no multifd (live-migration-source.go)."""
    policy: Policy = _DEFAULTS

    @property
    def to_send(self) -> int:
        """In the first pass and before it."""
        return (self.memory if self.nonzero is None else self.nonzero) + self.disks

    @property
    def cap(self) -> float:
        """Bytes a second it sends at most."""
        return min(self.policy.bandwidth, SINGLE_STREAM if self.single_stream else inf)


@dataclass(frozen=True, slots=True)
class Forecast:
    """`seconds` until the migration has ended, whichever way, with its set-up; `sent` in bytes. None is not known:
    `unknown` says what is missing."""

    seconds: Range
    sent: Range
    downtime: Range | None = None
    """Seconds the guest stands still, if the migration is not aborted."""
    converges: bool | None = None
    """Whether pre-copy is more likely than not to come to its end by itself before the deadline."""
    timeout_risk: float | None = None
    """How likely the deadline comes first, from 0 to 1."""
    unknown: tuple[str, ...] = ()


NO_DIRTY_RATE = "its dirty rate, and with it whether it converges, its downtime and whether it times out"
NO_WORKING_SET = "its working set: all its memory is taken for it"


def predict(
    subjects: Sequence[Subject], setup: float, link: Estimate = LINK, goodput: Estimate = GOODPUT
) -> list[Forecast]:
    """A forecast for each, in their order. `setup` is what a migration takes beside the transfer, in seconds.

    `link` is for those whose dirty rate is known: pass by pass (precopy.py), each in 13 scenarios of dirty rate and
    bandwidth. `goodput` is for the others: one transfer of the memory at that rate.
    """
    known = iter(_simulated([subject for subject in subjects if subject.dirty_rate is not None], setup, link))
    slower = goodput.median / goodput.quantile(0.1)
    return [
        next(known) if subject.dirty_rate is not None else _one_pass(subject, setup, goodput.median, slower)
        for subject in subjects
    ]


def _one_pass(subject: Subject, setup: float, rate: float, slower: float) -> Forecast:
    size = subject.to_send
    seconds = size / min(rate, subject.cap)
    return Forecast(Range(setup + seconds, setup + seconds * slower), Range(size, 2 * size), unknown=(NO_DIRTY_RATE,))


def _simulated(subjects: Sequence[Subject], setup: float, link: Estimate) -> list[Forecast]:
    lanes = _lanes(subjects, link)
    course = precopy.run(lanes)
    shape = len(subjects), _SCENARIOS
    seconds, sent = (_quantiles(each.reshape(shape)) for each in (course.seconds, course.sent))
    downtime, share = _downtimes(course, shape)
    converged = course.converged.reshape(shape).mean(axis=1).tolist()
    return [
        Forecast(
            Range(setup + seconds[0][n], setup + seconds[1][n]),
            Range(sent[0][n], sent[1][n]),
            Range(downtime[0][n], downtime[1][n]) if share[n] > 0.5 else None,
            converged[n] > 0.5,
            1 - converged[n],
            () if subject.working_set is not None else (NO_WORKING_SET,),
        )
        for n, subject in enumerate(subjects)
    ]


def _quantiles(values: Floats) -> list[list[float]]:
    """The medians and the ninth deciles of the rows: each a value that occurred."""
    ordered = np.sort(values, axis=1)
    return [ordered[:, int(share * _SCENARIOS)].tolist() for share in (0.5, 0.9)]


def _downtimes(course: Course, shape: tuple[int, int]) -> tuple[list[list[float]], list[float]]:
    """Quantiles over the scenarios that are not aborted, and how large a share those are."""
    values = np.sort(course.downtime.reshape(shape), axis=1)  # what is aborted sorts last
    count = np.isfinite(values).sum(axis=1)
    rows = np.arange(shape[0])
    places = [np.minimum((share * count).astype(np.int64), np.maximum(count - 1, 0)) for share in (0.5, 0.9)]
    return [values[rows, place].tolist() for place in places], (count / shape[1]).tolist()


def _lanes(subjects: Sequence[Subject], link: Estimate) -> Lanes:
    """Every subject in every scenario, a subject's scenarios side by side."""
    faster, dirtier = _scenarios()

    def column(values: list[float]) -> Floats:
        return np.repeat(np.array(values, dtype=np.float64), _SCENARIOS)

    def flags(values: list[bool]) -> precopy.Bools:
        return np.repeat(np.array(values, dtype=np.bool_), _SCENARIOS)

    memory = column([s.memory if s.nonzero is None else s.nonzero for s in subjects])
    hot = column([s.memory if s.working_set is None else s.working_set for s in subjects])
    rates = column([(s.dirty_rate or 0.0) * (1 if s.in_migration else DIRTIED_WHILE_MIGRATED) for s in subjects])
    spread = column([_DIRTY_SPREAD[s.in_migration] for s in subjects])
    caps = column([s.cap for s in subjects])
    again = len(subjects)
    return Lanes(
        memory=memory,
        disks=column([s.disks for s in subjects]),
        bandwidth=np.minimum(np.tile(link.median * np.exp(link.spread * faster), again), caps),
        dirty=rates * np.exp(spread * np.tile(dirtier, again)),
        working_set=np.maximum(hot, 1.0),
        cold=column([s.cold_rate for s in subjects]),
        downtime_limit=column([s.policy.downtime_limit for s in subjects]),
        deadline=column([s.policy.deadline(s.memory + s.disks) for s in subjects]),
        auto_converge=flags([s.policy.auto_converge for s in subjects]),
        post_copy=flags([s.policy.post_copy for s in subjects]),
        disrupts=flags([s.policy.disrupts for s in subjects]),
    )


def _scenarios() -> tuple[Floats, Floats]:
    """Equally likely pairs of standard normal deviates: a Fibonacci lattice (Niederreiter, Random Number Generation and
    Quasi-Monte Carlo Methods, 5.3), which covers the plane evenly and is always the same."""
    normal, count = NormalDist(), _SCENARIOS
    one = [normal.inv_cdf((n + 0.5) / count) for n in range(count)]
    other = [normal.inv_cdf((8 * n % count + 0.5) / count) for n in range(count)]
    return np.array(one), np.array(other)
