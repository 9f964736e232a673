"""One migration job as it is at a moment, and as time alone changes it. Pure; what else happens is in `events`.

Bytes go over at a constant rate, the guest dirties its memory at a constant rate. Seconds are virtual, sizes are bytes.
"""

from dataclasses import dataclass, replace
from math import inf
from typing import Literal

DOWNTIME_SECONDS = 0.3
"""libvirt's default: the guest is stopped when what remains can be sent in this time."""

ABORTED = "Live migration has been aborted"

Mode = Literal["PreCopy", "PostCopy", "Paused"]
Moment = Literal["start", "half", "switchover", "post-copy"]
AtDeadline = Literal["abort", "post-copy", "pause", "stretch"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure that will happen, and libvirt's words for it."""

    moment: Moment
    reason: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a job is given and keeps: guest, limits, and what is done at the deadline.

    size: what is sent at first. memory: how much of it can get dirty again. dirty_rate (bytes/s) and working_set: how
    fast, and how many different bytes in one round. limit: bytes/s, KubeVirt's bandwidthPerMigration. deadline and
    progress_timeout: seconds, infinite for none. seconds: a duration that is imposed instead of all this, off the NICs.
    """

    size: float
    memory: float
    dirty_rate: float = 0.0
    working_set: float = inf
    limit: float = inf
    deadline: float = inf
    progress_timeout: float = inf
    at_deadline: AtDeadline = "abort"
    auto_converge: bool = False
    seconds: float | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job at the moment `at`.

    remaining: of this round; dirty: for the next one. progressed: when bytes last went over. running: the guest dirties
    its memory on the source. ended: when it was over, and then failure: why it failed, None for a success.
    """

    terms: Terms
    began: float
    at: float
    deadline: float
    progressed: float
    remaining: float
    round_size: float
    dirty: float = 0.0
    sent: float = 0.0
    rate: float = 0.0
    iteration: int = 1
    throttle: float = 0.0
    downtime: float = DOWNTIME_SECONDS
    running: bool = True
    mode: Mode = "PreCopy"
    ended: float | None = None
    failure: str | None = None

    @property
    def over(self) -> bool:
        return self.ended is not None

    @property
    def succeeded(self) -> bool:
        return self.over and self.failure is None

    @property
    def dirty_rate(self) -> float:
        """Bytes/s that the guest dirties now."""
        return self.terms.dirty_rate * (1 - self.throttle) if self.running and not self.over else 0.0


def settled(job: Job, at: float) -> Job:
    """The job at a later moment before which no event is due."""
    seconds = max(0.0, at - job.at)
    if job.over or seconds == 0.0:
        return job
    moved = min(job.remaining, job.rate * seconds)
    dirty = min(job.terms.memory, job.terms.working_set, job.dirty + _dirtied(job) * seconds)
    progressed = at if job.rate > 0 else job.progressed
    left = job.remaining - moved
    return replace(job, at=at, sent=job.sent + moved, remaining=left, dirty=dirty, progressed=progressed)


def _dirtied(job: Job) -> float:
    """Bytes/s that have to be sent again; of no account where the duration is imposed."""
    return job.dirty_rate if job.terms.seconds is None else 0.0


def at_rate(job: Job, rate: float, at: float) -> Job:
    """The job from now on at another rate (bytes/s)."""
    return replace(settled(job, at), rate=rate)


def on_terms(job: Job, terms: Terms, at: float) -> Job:
    """The job from now on by other terms; its deadline stays. An imposed duration counts from the job's beginning."""
    job = replace(settled(job, at), terms=terms)
    if job.over or terms.seconds is None:
        return job
    passed = (at - job.began) / terms.seconds if terms.seconds else 1.0
    left = terms.size * max(0.0, 1.0 - passed)
    return replace(job, remaining=left, sent=terms.size - left, dirty=0.0)
