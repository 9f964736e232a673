"""What keeps a plan as a whole from starting: checked each round, said as findings."""

from collections.abc import Iterable
from dataclasses import dataclass

from drover.api.plan import MigrationPlan
from drover.api.reasons import FindingReason, Reason, WaitReason
from drover.api.shared import Finding, Severity, Waiting
from drover.facts.kubevirt import KubeVirt
from drover.facts.snapshot import Snapshot
from drover.planning.candidates import kubevirt_nodes, max_nodes, resolve_nodes, select, unmatched
from drover.running.slots import Allowed
from drover.running.view import View

WHEN_SILENT = "see whether the API server is well and whether Drover may list and watch these resources"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing of a plan may start now: `reason` for its phase, `waiting` for its VMs."""

    reason: Reason
    waiting: Waiting


def brief(text: str, limit: int = 1000) -> str:
    """A text that fits a status field."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def finding(
    severity: Severity, reason: FindingReason, message: str, suggestion: str, about: tuple[str, ...] = ()
) -> Finding:
    return Finding(
        severity=severity,
        reason=reason,
        message=brief(message),
        suggestion=brief(suggestion) or None,
        count=len(about) or None,
        virtual_machines=about[:20] or None,
    )


def _hold(reason: Reason, wait: WaitReason, message: str, suggestion: str) -> Hold:
    return Hold(reason, Waiting(reason=wait, message=brief(message), suggestion=brief(suggestion)))


def cluster_hold(snapshot: Snapshot) -> Hold | None:
    """Why nothing in the cluster may start: KubeVirt is not there or changing, or what we know is too old."""
    return _unavailable(snapshot) or _stale(snapshot) or _upgrading(snapshot.kubevirt)


def _unavailable(snapshot: Snapshot) -> Hold | None:
    missing = sorted(snapshot.absent & {"vmis", "vmims", "kubevirts"})
    if not missing and (snapshot.kubevirt is not None or "kubevirts" in snapshot.stale):
        return None
    what = f"the API server does not serve {', '.join(missing)}" if missing else "there is no KubeVirt object"
    message = f"KubeVirt is not installed: {what}"
    fix = "install KubeVirt; Drover goes on by itself"
    return _hold(Reason.KUBEVIRT_UNAVAILABLE, WaitReason.KUBEVIRT_UNAVAILABLE, message, fix)


def _stale(snapshot: Snapshot) -> Hold | None:
    if not snapshot.stale:
        return None
    message = f"nothing was heard from the API server about {', '.join(sorted(snapshot.stale))}"
    return _hold(Reason.SNAPSHOT_STALE, WaitReason.SNAPSHOT_STALE, message, WHEN_SILENT)


def _upgrading(kubevirt: KubeVirt | None) -> Hold | None:
    if kubevirt is None or not kubevirt.upgrading:
        return None
    versions = f"{kubevirt.status.observed_kube_virt_version} to {kubevirt.status.target_kube_virt_version}"
    message = f"KubeVirt goes from {versions}; migrations between old and new handlers can hang"
    return _hold(Reason.KUBEVIRT_UPGRADING, WaitReason.KUBEVIRT_UPGRADING, message, "wait until its upgrade has ended")


def no_kubevirt(snapshot: Snapshot) -> Finding | None:
    """That KubeVirt is not there, as a finding."""
    hold = _unavailable(snapshot)
    if hold is None:
        return None
    return finding("Blocker", FindingReason.KUBEVIRT_UNAVAILABLE, hold.waiting.message, hold.waiting.suggestion or "")


def cannot_pin(snapshot: Snapshot) -> Finding | None:
    """KubeVirt below 1.6 would drop the target in silence and let the VM go anywhere."""
    if any(crd.can_pin for crd in snapshot.crds.values()) or not snapshot.crds:
        return None
    return finding(
        "Blocker",
        FindingReason.PINNING_UNSUPPORTED,
        "this KubeVirt's migrations have no spec.addedNodeSelector: a target cannot be chosen, so nothing is started",
        "upgrade KubeVirt to 1.6 or later",
    )


def blockers(view: View, snapshot: Snapshot) -> list[Finding]:
    """Findings that keep the run from starting."""
    evacuate = view.plan.spec.evacuate
    result = [no_kubevirt(snapshot), cannot_pin(snapshot)]
    if evacuate is not None and view.run is None:
        result += [_missing_nodes(view), _too_many_nodes(view, snapshot)]
    result += [_no_targets(view.plan, snapshot), _no_exclusion(view, snapshot), _nothing_selected(view, snapshot)]
    return [each for each in result if each is not None]


def _missing_nodes(view: View) -> Finding | None:
    if view.sources.missing:
        names = ", ".join(view.sources.missing)
        message, fix = f"no such node: {names}", "correct evacuate.nodes; if the node appears the plan goes on"
    elif not view.sources.names:
        message, fix = "evacuate.nodes.selector matches no node", "correct the selector or label the nodes"
    else:
        return None
    return finding("Blocker", FindingReason.NODE_NOT_FOUND, message, fix)


def _too_many_nodes(view: View, snapshot: Snapshot) -> Finding | None:
    most, count = max_nodes(view.plan, snapshot), len(view.sources.names)
    if count <= most:
        return None
    return finding(
        "Blocker",
        FindingReason.TOO_MANY_NODES,
        f"the plan would empty {count} nodes of {len(kubevirt_nodes(snapshot))}, and {most} are allowed",
        f"select fewer nodes, or set evacuate.maxNodes to {count} if that is meant",
    )


def _no_targets(plan: MigrationPlan, snapshot: Snapshot) -> Finding | None:
    targets = plan.spec.targets
    if targets is None or targets.nodes is None:
        return None
    found = resolve_nodes(targets.nodes, snapshot)
    if found.names and not found.missing:
        return None
    what = f"no such node: {', '.join(found.missing)}" if found.missing else "targets.nodes.selector matches no node"
    severity: Severity = "Warning" if found.names else "Blocker"
    return finding(severity, FindingReason.TARGETS_NOT_FOUND, what, "correct targets.nodes")


def _no_exclusion(view: View, snapshot: Snapshot) -> Finding | None:
    """A node that must not be a target and is not there is perhaps misspelt: nothing begins. Once the run has begun it
    is more likely a node that went."""
    targets = view.plan.spec.targets
    if targets is None or targets.exclude is None:
        return None
    found = resolve_nodes(targets.exclude, snapshot)
    if found.missing:
        severity: Severity = "Blocker" if view.run is None else "Warning"
        what = f"no such node: {', '.join(found.missing)}"
        fix = "correct targets.exclude, or take the name out if the node is gone"
        return finding(severity, FindingReason.TARGETS_NOT_FOUND, what, fix)
    if found.names:
        return None
    what, fix = "targets.exclude.selector matches no node", "correct targets.exclude if a node is meant"
    return finding("Warning", FindingReason.TARGETS_NOT_FOUND, what, fix)


def _nothing_selected(view: View, snapshot: Snapshot) -> Finding | None:
    """Selectors that match no VM, names that match none and were not moved by this run before they went."""
    wanted = view.plan.spec.virtual_machines
    if wanted is None or view.finished:
        return None
    moved = {f"{r.namespace}/{r.name}" for r in view.ledger.records.values()}
    missing = tuple(name for name in unmatched(wanted, snapshot) if name not in moved)
    fix = "correct virtualMachines; if the VM appears the plan goes on"
    if missing:
        message = f"no such VM: {', '.join(missing[:10])}"
        return finding("Blocker", FindingReason.NOTHING_SELECTED, message, fix, missing)
    if view.cases or select(wanted, snapshot.vmis.values()):
        return None
    return finding("Blocker", FindingReason.NOTHING_SELECTED, "virtualMachines matches no VM", fix)


STOPS_ALL = frozenset(
    {
        FindingReason.PINNING_UNSUPPORTED,
        FindingReason.NODE_NOT_FOUND,
        FindingReason.TOO_MANY_NODES,
        FindingReason.TARGETS_NOT_FOUND,
    }
)


def refusals(keys: Iterable[str], snapshot: Snapshot) -> list[Finding]:
    """Writes of ours that the API server refused and that are tried again."""
    known = [(key, snapshot.refusals[key]) for key in keys if key in snapshot.refusals]
    fix = "see the message: a missing permission, a webhook or a policy"
    return [
        finding("Warning", FindingReason.REFUSED, f"{key}: {each.reason}: {each.message}", fix) for key, each in known
    ]


def start_hold(view: View, found: list[Finding], snapshot: Snapshot) -> Hold | None:
    """Why no VM of the plan may start: the cluster's reasons first, then its findings, then what its spec says."""
    held = cluster_hold(snapshot) or _unread(view)
    if held is not None:
        return held
    for each in found:
        if each.severity == "Blocker" and each.reason in STOPS_ALL:
            return _hold(_phase_reason(each), _wait_reason(each), each.message, each.suggestion or "")
    if view.withdrawn:
        return _hold(Reason.UNDOING, WaitReason.WITHDRAWN, "the plan is withdrawn", "set intent: Active")
    if view.dry:
        return _hold(Reason.DRY_RUN_COMPUTED, WaitReason.DRY_RUN, "the plan is a dry run", "set mode: Execute")
    if view.plan.spec.paused:
        return _hold(Reason.PAUSED, WaitReason.PAUSED, "the plan is paused", "set paused: false")
    return None


def _unread(view: View) -> Hold | None:
    if not view.illegible:
        return None
    message = f"its reports cannot be read by this version of Drover: {', '.join(view.illegible[:10])}"
    fix = "run the version that wrote them; or delete them, and what they remember of retries and results is lost"
    return _hold(Reason.SNAPSHOT_STALE, WaitReason.SNAPSHOT_STALE, message, fix)


def _phase_reason(found: Finding) -> Reason:
    known = {reason.value: reason for reason in Reason}
    return known.get(found.reason, Reason.VIRTUAL_MACHINES_BLOCKED)


def _wait_reason(found: Finding) -> WaitReason:
    unsupported = found.reason == FindingReason.PINNING_UNSUPPORTED
    return WaitReason.PINNING_UNSUPPORTED if unsupported else WaitReason.PLAN_BLOCKED


def notes(view: View, limits: Allowed | None, snapshot: Snapshot) -> list[Finding]:
    """Findings that do not stop the plan as a whole: clamped limits, a changed goal, open sources."""
    found = (_clamped(limits), _fixed(view, snapshot), _schedulable(view, snapshot))
    return [each for each in found if each is not None]


def _clamped(limits: Allowed | None) -> Finding | None:
    if limits is None or not limits.clamped:
        return None
    lowered = [f"limits.{name} {asked} is lowered to {theirs}" for name, (asked, theirs) in limits.clamped.items()]
    fix = "raise parallelMigrationsPerCluster or parallelOutboundMigrationsPerNode in the KubeVirt object"
    return finding("Info", FindingReason.LIMIT_CLAMPED, f"{', '.join(lowered)}, KubeVirt's own", fix)


def _fixed(view: View, snapshot: Snapshot) -> Finding | None:
    """The nodes were resolved when the run started; what evacuate.nodes means now waits for another run."""
    evacuate = view.plan.spec.evacuate
    if evacuate is None or view.run is None or view.withdrawn:
        return None
    now = resolve_nodes(evacuate.nodes, snapshot).names
    there = {name for name in view.run.resolved_nodes if snapshot.node(name) is not None}
    added, gone = sorted(set(now) - there), sorted(there - set(now))
    if not added and (not gone or view.finished):
        return None
    said = [f"now also means {', '.join(added[:10])}"] if added else []
    said += [f"does not mean {', '.join(gone[:10])} any more"] if gone else []
    message = f"evacuate.nodes {' and '.join(said)}; this run keeps the nodes it started with"
    fix = "set another runID to start a run on the nodes that are meant now"
    stop = "; paused or withdrawn, this one starts nothing more" if not view.finished else ""
    return finding("Warning", FindingReason.RUN_IS_FIXED, message, fix + stop)


def _schedulable(view: View, snapshot: Snapshot) -> Finding | None:
    open_nodes = uncordoned(view, snapshot)
    evacuate = view.plan.spec.evacuate
    if evacuate is None or evacuate.cordon != "Require" or view.finished or view.withdrawn or not open_nodes:
        return None
    names = ", ".join(open_nodes[:10])
    return finding(
        "Blocker",
        FindingReason.SOURCE_SCHEDULABLE,
        f"not cordoned, so that new pods would come while VMs leave: {names}",
        f"kubectl cordon {open_nodes[0]}; or set evacuate.cordon to Apply or Ignore",
    )


def uncordoned(view: View, snapshot: Snapshot) -> tuple[str, ...]:
    """The sources that are there and schedulable."""
    nodes = [snapshot.node(name) for name in view.sources.names]
    return tuple(node.name for node in nodes if node is not None and not node.cordoned)
