"""Durations as a status tells them, and what it says of a proposal."""

from datetime import datetime
from typing import Any

from drover.api.plan import Estimate, LowerBound, ProposalStatus
from drover.facts.duration import duration
from drover.planning.proposal import Proposal
from drover.running.preflight import brief

STEPS = ((120, 10), (900, 30), (3600, 60))
"""Up to so many seconds an ETA is told in steps of so many: it says no more than is known, and does not change with
every round."""
LONGEST_STEP = 600


def told(seconds: float | None, before: str | None) -> str | None:
    """An ETA as it stands in a status, never less than it is. What it said before stands while it is not far off, so
    that an estimate on the edge of two steps does not change back and forth."""
    if seconds is None:
        return None
    if before:
        said = duration(before).total_seconds()
        step = step_of(said)
        if said - 1.5 * step < seconds <= said + 0.5 * step:
            return before
    return rounded(seconds)


def step_of(seconds: float) -> int:
    return next((step for limit, step in STEPS if seconds <= limit), LONGEST_STEP)


def rounded(seconds: float, *, down: bool = False) -> str:
    """A duration in the steps it is told in, rounded up or down: 50s, 12m30s, 45m, 1h50m."""
    step = step_of(seconds)
    whole = max(int(seconds // step if down else -(-seconds // step)), 0 if down else 1) * step
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    parts = (f"{hours}h" * bool(hours), f"{minutes}m" * bool(minutes), f"{rest}s" * bool(rest))
    return "".join(parts) or "0s"


def proposed(proposal: Proposal | None, before: ProposalStatus | None, now: datetime) -> ProposalStatus | None:
    """What a status says of a proposal; what it said before while another is being computed."""
    if proposal is None:
        return before
    count = len(proposal.assignments)
    same = before is not None and (before.hash, before.migrations) == (proposal.hash, count)
    at = before.computed_at if before is not None and same else now
    return ProposalStatus(hash=proposal.hash, computed_at=at, migrations=count, **_times(proposal))


def _times(proposal: Proposal) -> dict[str, Any]:
    times = proposal.timetable
    if times is None or not times.order:
        return {}
    p50, p90 = rounded(times.seconds.p50), rounded(times.seconds.p90)
    bound = LowerBound(duration=rounded(times.bound.seconds, down=True), by=brief(times.bound.by))
    return {"bytes": times.size, "duration": Estimate(p50=p50, p90=p90), "lower_bound": bound}
