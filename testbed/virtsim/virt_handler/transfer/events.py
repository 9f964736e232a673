"""What happens to a migration job: QEMU's rounds of pre-copy, and virt-launcher's monitor over them. Pure.

pkg/virt-launcher/virtwrap/live-migration-source.go.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf

from virtsim.virt_handler.transfer.job import ABORTED, Job, Moment, Terms, settled

VFIO_DOWNTIME_SECONDS = 2000.0
"""What virt-launcher raises it to at the deadline for a guest with VFIO devices, which cannot go post-copy."""

FIRST_THROTTLE, THROTTLE_STEP, MOST_THROTTLE = 0.2, 0.1, 0.99
THROTTLE_TRIGGER = 0.5
"""QEMU's auto-converge: CPU taken from the guest after a round in which it dirtied half of what was sent, or more."""


def begun(terms: Terms, at: float) -> Job:
    """A job that begins now, with nothing sent."""
    job = Job(terms, at, at, at + terms.deadline, at, terms.size, terms.size)
    return _failed_at(job, "start") or job


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
