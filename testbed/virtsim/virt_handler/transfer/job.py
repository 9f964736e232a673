"""One migration job: QEMU's rounds of pre-copy, and virt-launcher's monitor over them. Pure.

Between two events nothing changes but what time changes: bytes go over at a constant rate, the guest dirties its memory
at a constant rate. pkg/virt-launcher/virtwrap/live-migration-source.go. Seconds are virtual, sizes are bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

DOWNTIME_SECONDS = 0.3
"""libvirt's default: the guest is stopped when what remains can be sent in this time."""

VFIO_DOWNTIME_SECONDS = 2000.0
"""What virt-launcher raises it to at the deadline for a guest with VFIO devices, which cannot go post-copy."""

FIRST_THROTTLE, THROTTLE_STEP, MOST_THROTTLE = 0.2, 0.1, 0.99
THROTTLE_TRIGGER = 0.5
"""QEMU's auto-converge: CPU taken from the guest after a round in which it dirtied half of what was sent, or more."""

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


def begun(terms: Terms, at: float) -> Job:
    """A job that begins now, with nothing sent."""
    job = Job(terms, at, at, at + terms.deadline, at, terms.size, terms.size)
    return _failed_at(job, "start") or job


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


def due(job: Job) -> float:
    """When the next event happens if the rate stays; infinite for never. Ties are decided by `happened`'s order."""
    return min((when(job) for when, _ in _EVENTS), default=inf) if not job.over else inf


def happened(job: Job) -> Job:
    """The job after its next event, at the moment when that is due."""
    at = due(job)
    event = next(event for when, event in _EVENTS if when(job) == at)
    return event(settled(job, at))


def _round_ends(job: Job) -> float:
    return job.at + job.remaining / job.rate if job.rate > 0 else inf


def _round_ended(job: Job) -> Job:
    """Sends what got dirty: the last of it with the guest stopped, once that takes no longer than the downtime."""
    job = replace(job, sent=job.sent + job.remaining, remaining=0.0)
    if job.dirty == 0.0:
        return _failed_at(job, "switchover") or _ended(job)
    fits = job.dirty <= job.rate * job.downtime
    return _next_round(job if fits else _throttled(job), running=job.running and not fits)


def _next_round(job: Job, running: bool) -> Job:
    return replace(
        job, remaining=job.dirty, round_size=job.dirty, dirty=0.0, iteration=job.iteration + 1, running=running
    )


def _throttled(job: Job) -> Job:
    if not job.terms.auto_converge or job.dirty < THROTTLE_TRIGGER * job.round_size:
        return job
    more = job.throttle + THROTTLE_STEP if job.throttle else FIRST_THROTTLE
    return replace(job, throttle=min(MOST_THROTTLE, more))


def _stuck(job: Job) -> float:
    return job.progressed + job.terms.progress_timeout if job.rate == 0 and job.mode != "PostCopy" else inf


def _deadline(job: Job) -> float:
    return job.deadline if job.mode != "PostCopy" else inf


def _deadline_passed(job: Job) -> Job:
    act = job.terms.at_deadline
    if act == "abort" or job.mode == "Paused":
        return _aborted(job)
    if act == "post-copy":
        return _all_pending(replace(job, mode="PostCopy", progressed=job.at))
    stretched = replace(job, mode="Paused", deadline=job.began + 2 * job.terms.deadline)
    if act == "pause":
        return _all_pending(stretched)
    stretched = replace(stretched, downtime=VFIO_DOWNTIME_SECONDS)
    fits = job.remaining + job.dirty <= job.rate * VFIO_DOWNTIME_SECONDS
    return _all_pending(stretched) if fits else stretched


def _all_pending(job: Job) -> Job:
    """The guest writes nothing on the source any more: what is left is sent once."""
    left = min(job.terms.size, job.remaining + job.dirty)
    return replace(job, remaining=left, round_size=left, dirty=0.0, running=False)


def _fails(job: Job) -> float:
    """When half of the guest has been sent, or half of what post-copy has to send."""
    moment = job.terms.fault.moment if job.terms.fault else None
    if job.rate == 0 or moment not in ("half", "post-copy") or (moment == "post-copy") != (job.mode == "PostCopy"):
        return inf
    missing = job.terms.size / 2 - job.sent if moment == "half" else job.remaining - job.round_size / 2
    return job.at + max(0.0, missing) / job.rate


def _failed(job: Job) -> Job:
    fault = job.terms.fault
    return _ended(job, fault.reason if fault else "")


def _failed_at(job: Job, moment: Moment) -> Job | None:
    return _failed(job) if job.terms.fault and job.terms.fault.moment == moment else None


def _aborted(job: Job) -> Job:
    return _ended(job, ABORTED)


def _ended(job: Job, failure: str | None = None) -> Job:
    return replace(job, ended=job.at, failure=failure, rate=0.0)


_EVENTS: tuple[tuple[Callable[[Job], float], Callable[[Job], Job]], ...] = (
    (_fails, _failed),
    (_round_ends, _round_ended),
    (_deadline, _deadline_passed),
    (_stuck, _aborted),
)
"""When each kind of event is due, and what it does; of two at the same moment the first one happens."""
