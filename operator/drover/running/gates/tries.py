"""Is it to be tried again by now? Attempts that failed, and creations that were refused."""

from datetime import datetime, timedelta

from drover.api.reasons import WaitReason
from drover.api.shared import FailurePolicy, Waiting
from drover.facts.snapshot import Refusal
from drover.running import ledger
from drover.running.gates.candidate import Candidate, wait

REFUSED_FIRST = timedelta(seconds=1)
REFUSED_LONGEST = timedelta(minutes=5)


def retries_spent(c: Candidate) -> Waiting | None:
    if c.case.record is None:
        return None
    policy = c.view.plan.spec.failure_policy or FailurePolicy()
    mark = c.round.fingerprint(c.case)
    if not ledger.retries_spent(c.case.record, mark, policy):
        return None
    count = ledger.failures(c.case.record, mark)
    last = c.case.record.attempts[-1].error if c.case.record else None
    fix = "remove the cause; a change of the VM, of the nodes that could take it, or another runID starts afresh"
    return wait(WaitReason.RETRIES_SPENT, f"{count} attempts failed, the last with: {last}", fix)


def backing_off(c: Candidate) -> Waiting | None:
    policy = c.view.plan.spec.failure_policy or FailurePolicy()
    until = ledger.backoff_until(c.case.record, policy)
    if until is None or c.round.past(until):
        return None
    last = c.case.record.attempts[-1].error if c.case.record else None
    return wait(WaitReason.BACKOFF, f"tried again at {until:%H:%M:%S} UTC; the last attempt: {last}", until=until)


def backoff(refusal: Refusal, now: datetime) -> datetime:
    """When a refused write may be tried again: after 1 s, doubling up to 5 min."""
    if refusal.at > now:
        # Refused in the future: the clock was put back, and nobody knows how long ago it was.
        return now
    return refusal.at + min(REFUSED_FIRST * (1 << min(refusal.tries - 1, 12)), REFUSED_LONGEST)


def refused(c: Candidate) -> Waiting | None:
    """The API server or a webhook refused to create the migration: back off, doubling from 1 s to 5 min."""
    refusal = c.round.snapshot.refusals.get(f"start {c.case.uid}")
    if refusal is None:
        return None
    until = backoff(refusal, c.round.now)
    if c.round.past(until):
        return None
    return wait(WaitReason.REFUSED, f"{refusal.reason}: {refusal.message}", "see the message", until)
