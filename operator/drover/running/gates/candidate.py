"""A queued VM at the gates, and what is said of one that is shut."""

from dataclasses import dataclass
from datetime import datetime

from drover.api.reasons import WaitReason
from drover.api.shared import Waiting
from drover.facts.kubevirt import VMI
from drover.planning.proposal import Assignment, Proposal
from drover.running.preflight import Hold, brief
from drover.running.round import Round
from drover.running.slots import Allowed
from drover.running.view import Case, View


@dataclass(frozen=True, slots=True)
class Candidate:
    """A queued VM at the gates."""

    case: Case
    vmi: VMI
    view: View
    proposal: Proposal | None
    limits: Allowed | None
    hold: Hold | None
    round: Round

    @property
    def planned(self) -> Assignment | None:
        return self.proposal.assignments.get(self.case.uid) if self.proposal is not None else None


def wait(
    reason: WaitReason,
    message: str,
    suggestion: str = "",
    until: datetime | None = None,
    by: list[str] | None = None,
) -> Waiting:
    """A reason to wait, cut to what a status holds."""
    return Waiting(
        reason=reason,
        message=brief(message),
        until=f"{until:%Y-%m-%dT%H:%M:%SZ}" if until is not None else None,
        blocked_by=tuple(by[:10]) if by else None,
        suggestion=brief(suggestion) or None,
    )
