"""What a NodeMaintenance says: its phase by the table of situations, its conditions and what was there before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from drover.api.maintenance import MaintenanceStatus, NodeBefore, PlanReference
from drover.api.plan import PlanStatus
from drover.api.reasons import FindingReason, MaintenancePhase, PlanPhase, Reason, WaitReason
from drover.api.shared import Condition, Finding, Waiting
from drover.facts.node import before
from drover.running import preflight
from drover.running.conditions import ACTIVE, SETTLED, STUCK, Trio, condition, settle, trio
from drover.running.maintenance_scene import Scene
from drover.running.nodes import ended, owned_plan_name
from drover.running.preflight import brief, finding
from drover.running.status import FINDINGS_BYTES, MAX_FINDINGS, STUCK_AFTER, since, within

TRIOS: Mapping[MaintenancePhase, Trio] = {
    MaintenancePhase.PREPARING: ACTIVE,
    MaintenancePhase.EVACUATING: ACTIVE,
    MaintenancePhase.WAITING: SETTLED,
    MaintenancePhase.HELD: ACTIVE,
    MaintenancePhase.BLOCKED: STUCK,
    MaintenancePhase.IN_MAINTENANCE: SETTLED,
    MaintenancePhase.REHEARSED: SETTLED,
    MaintenancePhase.ENDING: ACTIVE,
    MaintenancePhase.WITHDRAWN: SETTLED,
}
FROM_PLAN: Mapping[PlanPhase, MaintenancePhase] = {
    PlanPhase.PLANNING: MaintenancePhase.EVACUATING,
    PlanPhase.MIGRATING: MaintenancePhase.EVACUATING,
    PlanPhase.WAITING: MaintenancePhase.WAITING,
    PlanPhase.HELD: MaintenancePhase.HELD,
    PlanPhase.BLOCKED: MaintenancePhase.BLOCKED,
    PlanPhase.REHEARSED: MaintenancePhase.REHEARSED,
    PlanPhase.SUCCEEDED: MaintenancePhase.IN_MAINTENANCE,
    PlanPhase.WITHDRAWN: MaintenancePhase.EVACUATING,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    phase: MaintenancePhase
    reason: str
    message: str
    findings: tuple[Finding, ...] = ()
    waiting: Waiting | None = None


def render(scene: Scene, now: datetime) -> MaintenanceStatus:
    """The status of a maintenance."""
    maintenance, plan = scene.maintenance, scene.plan_status
    previous, generation = maintenance.status, maintenance.metadata.generation
    verdict = _verdict(scene)
    found = verdict.findings or (plan.findings if plan is not None else ())
    waiting = since(verdict.waiting, previous.waiting, now) if verdict.waiting is not None else None
    return MaintenanceStatus(
        observed_generation=generation,
        observed_at=now,
        phase=verdict.phase,
        reason=verdict.reason,
        node=_node_before(scene, previous),
        plan=PlanReference(name=scene.plan.name) if scene.plan is not None else None,
        conditions=settle(_conditions(scene, verdict, waiting, now), previous.conditions, generation, now),
        summary=plan.summary if plan is not None else None,
        progress_percent=plan.progress_percent if plan is not None else None,
        eta=plan.eta if plan is not None else None,
        findings=within((*scene.refusals, *found)[:MAX_FINDINGS], FINDINGS_BYTES),
        waiting=waiting,
    )


def _node_before(scene: Scene, previous: MaintenanceStatus) -> NodeBefore | None:
    was = before(scene.node) if scene.node is not None else None
    if was is None or was.uid != scene.maintenance.uid:
        return previous.node
    return NodeBefore(unschedulable=was.unschedulable, since=brief(was.since, 128), by=brief(was.by, 512))


def _verdict(scene: Scene) -> Verdict:
    """The phase, by the table of situations: the first that applies."""
    maintenance, name = scene.maintenance, scene.maintenance.spec.node_name
    if ended(maintenance):
        if scene.given_back:
            return Verdict(MaintenancePhase.WITHDRAWN, Reason.UNDONE, f"{name} is as it was")
        return Verdict(MaintenancePhase.ENDING, Reason.UNDOING, f"migrations are cancelled, then {name} is given back")
    if scene.plan_status is None and scene.hold is not None and not scene.held:
        return _held(scene.hold)
    refused = _refused(scene)
    if refused is not None:
        return refused
    if scene.plan_status is None or (maintenance.spec.mode == "Execute" and not scene.cordoned):
        return _preparing(scene)
    return _as_plan(scene, scene.plan_status)


def _refused(scene: Scene) -> Verdict | None:
    name = scene.maintenance.spec.node_name
    if scene.node is None:
        message, fix = f"no such node: {name}", "delete this object, or bring the node back; it goes on by itself"
        return _blocked(Reason.NODE_NOT_FOUND, FindingReason.NODE_NOT_FOUND, message, fix)
    if scene.taken:
        plan = owned_plan_name(scene.maintenance)
        message, fix = f"the MigrationPlan {plan} is somebody else's", "rename or delete that plan"
        return _blocked(Reason.NAME_TAKEN, FindingReason.NAME_TAKEN, message, fix)
    if scene.maintenance.uid in scene.standing.last_node:
        message = f"{name} is the last node that KubeVirt can use: its VMs would have nowhere to go"
        return _blocked(Reason.LAST_NODE, FindingReason.LAST_NODE, message, "end another maintenance or add a node")
    return None


def _held(hold: preflight.Hold) -> Verdict:
    """Nothing begins while KubeVirt is not there, or while we do not know what is."""
    about, waiting = FindingReason.KUBEVIRT_UNAVAILABLE, hold.waiting
    found = finding("Blocker", about, waiting.message, waiting.suggestion or "")
    absent = hold.reason is Reason.KUBEVIRT_UNAVAILABLE
    return Verdict(MaintenancePhase.HELD, hold.reason, waiting.message, (found,) if absent else (), waiting)


def _blocked(reason: Reason, about: FindingReason, message: str, fix: str) -> Verdict:
    waiting = Waiting(reason=reason, message=message, suggestion=fix)
    return Verdict(MaintenancePhase.BLOCKED, reason, message, (finding("Blocker", about, message, fix),), waiting)


def _preparing(scene: Scene) -> Verdict:
    name = scene.maintenance.spec.node_name
    if scene.maintenance.spec.paused and not scene.held:
        waiting = Waiting(reason=WaitReason.PAUSED, message="paused before it began", suggestion="set paused: false")
        return Verdict(MaintenancePhase.WAITING, Reason.PAUSED, "paused before it began", (), waiting)
    message = f"{name} is about to be cordoned" if not scene.cordoned else "the plan for its VMs is being made"
    waiting = Waiting(reason=Reason.CORDONING, message=message)
    return Verdict(MaintenancePhase.PREPARING, Reason.CORDONING, message, (), waiting)


def _as_plan(scene: Scene, plan: PlanStatus) -> Verdict:
    """What the owned plan says, in the words of a maintenance."""
    phase = FROM_PLAN[plan.phase] if plan.phase is not None else MaintenancePhase.EVACUATING
    message = next((c.message for c in plan.conditions if c.type == "Ready"), "")
    reason = plan.reason or Reason.COMPUTING
    if phase is MaintenancePhase.IN_MAINTENANCE:
        name = scene.maintenance.spec.node_name
        if scene.left:
            reason, message = Reason.VIRTUAL_MACHINES_LEFT, f"left on {name}: {', '.join(scene.left[:10])}"
        else:
            reason, message = Reason.NODE_EMPTY, f"no VM is on {name}"
    return Verdict(phase, reason, brief(message), (), plan.waiting)


def _conditions(scene: Scene, verdict: Verdict, waiting: Waiting | None, now: datetime) -> list[Condition]:
    which = TRIOS[verdict.phase]
    if verdict.phase is MaintenancePhase.HELD and waiting is not None and waiting.since is not None:
        which = STUCK if now - waiting.since >= STUCK_AFTER else ACTIVE
    return [
        *trio(which, verdict.reason, verdict.message),
        _cordoned(scene),
        _evacuated(scene),
        _drift(scene),
    ]


def _cordoned(scene: Scene) -> Condition:
    cordoned = scene.node is not None and scene.node.cordoned
    by = "by us" if scene.held else "by somebody else"
    message = f"cordoned {by}" if cordoned else "schedulable"
    return condition("Cordoned", cordoned, Reason.AS_WANTED if scene.held else Reason.NOT_WANTED, message)


def _evacuated(scene: Scene) -> Condition:
    """True only when nothing is left: a VM left behind on purpose is a no, with its name."""
    finished = scene.plan_status is not None and scene.plan_status.phase is PlanPhase.SUCCEEDED
    if finished and not scene.left:
        return condition("VirtualMachinesEvacuated", True, Reason.NODE_EMPTY, "no VM is on the node")
    if not scene.left:
        return condition("VirtualMachinesEvacuated", False, Reason.IN_PROGRESS, "not verified yet")
    reason = Reason.VIRTUAL_MACHINES_LEFT if finished else Reason.IN_PROGRESS
    message = f"{len(scene.left)} on the node: {', '.join(scene.left[:10])}"
    return condition("VirtualMachinesEvacuated", False, reason, message)


def _drift(scene: Scene) -> Condition:
    """Somebody uncordoned the node we hold. It is cordoned again: the maintenance is wanted while the object exists."""
    drifted = scene.held and scene.admitted and scene.node is not None and not scene.node.cordoned
    message = "somebody uncordoned the node; it is cordoned again. To end the maintenance delete this object"
    return condition(
        "DriftDetected", drifted, Reason.DRIFTED if drifted else Reason.AS_WANTED, message if drifted else ""
    )
