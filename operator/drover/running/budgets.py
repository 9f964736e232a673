"""Disruption budgets over a plan's VMs that nobody can evaluate: what drains its nodes later will wait for ever.

The owner of a launcher pod is the VMI, which has no scale subresource. The disruption controller can count with a
number of pods that have to be available, and not with a share, nor with how many may be unavailable (kubevirt#18063).
"""

from drover.api.reasons import FindingReason
from drover.api.shared import Finding
from drover.facts.index import Index
from drover.facts.namespace import PodDisruptionBudget
from drover.facts.pod import Pod
from drover.facts.snapshot import Snapshot
from drover.running.preflight import finding
from drover.running.view import View

FIX = "give it a minAvailable number; what Drover moves is not evicted, and goes on"


def findings(view: View, index: Index, snapshot: Snapshot) -> list[Finding]:
    """A warning for each such budget, with the VMs it covers."""
    broken = [budget for budget in snapshot.budgets.values() if is_broken(budget)]
    if not broken:
        return []
    pods = {case.key: pod for case in view.cases for pod in index.launchers.get(case.uid, ())}
    covered = ((budget, tuple(key for key, pod in pods.items() if covers(budget, pod))) for budget in broken)
    return [_finding(budget, keys) for budget, keys in sorted(covered, key=lambda each: _name(each[0])) if keys]


def is_broken(budget: PodDisruptionBudget) -> bool:
    """Whether nobody can tell how many of a VM's pods it wants."""
    wanted = budget.spec.min_available
    share = isinstance(wanted, str) and not wanted.isdecimal()
    return budget.spec.max_unavailable is not None or share


def covers(budget: PodDisruptionBudget, pod: Pod) -> bool:
    """Whether the pod is one of the budget's; an empty selector is every pod of the namespace, none is nobody."""
    selector = budget.spec.selector
    if selector is None or budget.metadata.namespace != pod.metadata.namespace:
        return False
    return selector.matches(pod.metadata.labels)


def _finding(budget: PodDisruptionBudget, keys: tuple[str, ...]) -> Finding:
    spec = budget.spec
    said = f"maxUnavailable {spec.max_unavailable}" if spec.max_unavailable is not None else spec.min_available
    message = f"the PodDisruptionBudget {_name(budget)} ({said}) cannot be evaluated for VMs: nothing evicts their pods"
    return finding("Warning", FindingReason.DISRUPTION_BUDGET, message, FIX, keys)


def _name(budget: PodDisruptionBudget) -> str:
    return f"{budget.metadata.namespace}/{budget.metadata.name}"
