"""The VMs of a plan counted, its progress by steps, and findings grouped from what blocks them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from drover.api.plan import Summary
from drover.api.reasons import BLOCKING, FindingReason, WaitReason
from drover.api.shared import Finding, Severity, Step
from drover.planning.proposal import Proposal
from drover.running.move import Move
from drover.running.preflight import finding
from drover.running.view import View

WEIGHT: dict[Step, int] = {"PreparingTarget": 10, "PreCopy": 25, "Switchover": 80, "Verifying": 90, "Done": 100}
"""Per cent of a move that lie behind it when it is in the step."""

IN_FLIGHT = frozenset({"PreparingTarget", "PreCopy", "Switchover", "Verifying"})


def is_left(move: Move, view: View) -> bool:
    """Whether the plan is content to leave the VM where it is."""
    waiting = move.waiting
    left = view.plan.spec.non_migratable == "Leave"
    return left and waiting is not None and waiting.reason == WaitReason.NOT_MIGRATABLE


def is_blocked(move: Move) -> bool:
    """Whether somebody has to do something before the VM can move."""
    return move.step == "Queued" and move.waiting is not None and move.waiting.reason in BLOCKING


def summarize(moves: Sequence[Move]) -> Summary:
    """Every VM in exactly one of the counts."""
    running = sum(move.step in IN_FLIGHT for move in moves)
    done = sum(move.step == "Done" for move in moves)
    failed = sum(move.step == "Failed" for move in moves)
    blocked = sum(is_blocked(move) for move in moves)
    total = len(moves)
    return Summary(
        total=total,
        running=running,
        waiting=total - running - done - failed - blocked,
        blocked=blocked,
        failed=failed,
        done=done,
        vms=f"{done}/{total}",
    )


def percent(moves: Sequence[Move], view: View) -> int:
    """How much of all moves lies behind, by steps; VMs that are left do not count."""
    counted = [move for move in moves if not is_left(move, view)]
    if not counted:
        return 100 if view.finished else 0
    return sum(WEIGHT.get(move.step, 0) for move in counted) // len(counted)


OF_THE_PLAN = frozenset({WaitReason.PLAN_BLOCKED, WaitReason.PINNING_UNSUPPORTED})
"""What blocks a plan as a whole is a finding of its own."""


def blocked_findings(moves: Iterable[Move], view: View) -> list[Finding]:
    """One finding per reason, with the VMs it holds."""
    groups: dict[str, list[Move]] = defaultdict(list)
    for move in moves:
        if move.waiting is not None and (is_blocked(move) or move.step == "Failed"):
            groups[move.waiting.reason].append(move)
    return [
        _group(FindingReason(reason), members, view)
        for reason, members in sorted(groups.items())
        if reason not in OF_THE_PLAN
    ]


def capacity_finding(moves: Iterable[Move], proposal: Proposal | None) -> Finding | None:
    """That no placement at all has room for so many of the plan's VMs, which is more than that none was found."""
    short = proposal.shortfall if proposal is not None else None
    if short is None:
        return None
    held = any(is_blocked(move) and move.waiting and move.waiting.reason == WaitReason.NO_ROOM for move in moves)
    what = f"at least {short.vms} of {short.total} VMs cannot be placed in the room that is free"
    fix = "free so much there, add nodes that these VMs may use, or allow them others"
    return finding("Blocker" if held else "Warning", FindingReason.CAPACITY_SHORT, f"{what}: {short.words}", fix)


def uncertain_finding(moves: Iterable[Move], proposal: Proposal | None) -> Finding | None:
    """That VMs will be sent where nobody can judge whether the scheduler accepts them, because nothing else is left."""
    planned = proposal.assignments if proposal is not None else {}
    doubts = {
        move.key: f"{move.key}: {planned[move.uid].target} {planned[move.uid].doubt}"
        for move in moves
        if move.step == "Queued" and move.uid in planned and planned[move.uid].doubt
    }
    if not doubts:
        return None
    first, *rest = doubts.values()
    message = first + (f" (and {len(rest)} more)" if rest else "")
    fix = "nothing has to be done: if the scheduler refuses, another target is sought"
    return finding("Warning", FindingReason.TARGET_UNCERTAIN, message, fix, tuple(doubts))


def room_finding(moves: Iterable[Move], proposal: Proposal | None) -> Finding | None:
    """That VMs which are not the plan's are moved first, so that its own fit."""
    planned = proposal.assignments if proposal is not None else {}
    extra = [move for move in moves if move.step == "Queued" and move.uid in planned and planned[move.uid].extra]
    if not extra:
        return None
    first, *rest = (f"{move.key} goes from {move.source} to {move.target} and {move.why}" for move in extra)
    message = first + (f" (and {len(rest)} more)" if rest else "")
    fix = "nothing has to be done; makeRoom: Suggest keeps the plan from it"
    return finding("Info", FindingReason.MAKES_ROOM, message, fix, tuple(move.key for move in extra))


def _group(reason: FindingReason, members: Sequence[Move], view: View) -> Finding:
    first = members[0]
    assert first.waiting is not None
    words, fix = first.waiting.message, first.waiting.suggestion or "see the VM"
    message = f"{first.key}: {words}" + (f" (and {len(members) - 1} more)" if len(members) > 1 else "")
    severity: Severity = "Warning" if all(is_left(move, view) for move in members) else "Blocker"
    return finding(severity, reason, message, fix, tuple(move.key for move in members))
