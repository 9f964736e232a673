"""Why a queued VM does not start: an ordered list of gates, the first that is shut is the reason. Nothing waits in
silence."""

from collections.abc import Callable

from drover.api.reasons import WaitReason
from drover.api.shared import Waiting
from drover.running.gates import limits, plan, target, tries, vm
from drover.running.gates.candidate import Candidate

Gate = Callable[[Candidate], Waiting | None]

CLAIMING = frozenset(
    {
        WaitReason.PLANNING,
        WaitReason.CLUSTER_LIMIT,
        WaitReason.SOURCE_LIMIT,
        WaitReason.TARGET_LIMIT,
        WaitReason.AWAITING_MOVE,
        WaitReason.BACKOFF,
        WaitReason.REFUSED,
    }
)
"""A VM that waits for one of these is about to be moved by its plan, and a younger plan leaves it alone. One that is
paused or blocked is not."""

GATES: tuple[Gate, ...] = (
    plan.running_elsewhere,
    vm.lingers,
    vm.not_running,
    vm.not_migratable,
    vm.source_silent,
    plan.held,
    plan.unrecorded,
    tries.retries_spent,
    plan.awaits_cordon,
    vm.pods_ending,
    tries.backing_off,
    target.unplaced,
    plan.not_started,
    target.outdated,
    vm.backup,
    vm.over_quota,
    tries.refused,
    target.awaits_others,
    limits.cluster_limit,
    limits.source_limit,
    limits.target_limit,
)

STUCK: tuple[Gate, ...] = (
    plan.running_elsewhere,
    vm.not_running,
    vm.not_migratable,
    vm.source_silent,
    tries.retries_spent,
    plan.awaits_cordon,
    vm.pods_ending,
    vm.backup,
    vm.over_quota,
)
"""What room does not help against, and time alone may not either."""


def goes_with_room(candidate: Candidate) -> bool:
    """Whether others should make room for the VM now: it would use it."""
    found = (gate(candidate) for gate in STUCK)
    return all(each is None or each.reason == WaitReason.AWAITING_MOVE for each in found)
