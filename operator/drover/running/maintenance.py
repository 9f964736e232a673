"""What a NodeMaintenance does and says: cordon, then a plan for the VMs, and the way back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from drover.api.maintenance import MaintenanceStatus, MaintenanceVMs, NodeBefore, NodeMaintenance, PlanReference
from drover.api.plan import MigrationPlan, PlanSpec, PlanStatus
from drover.api.reasons import FindingReason, MaintenancePhase, PlanPhase, Reason, WaitReason
from drover.api.shared import API_VERSION, FINALIZER, Condition, Finding, OwnerReference, Waiting
from drover.facts.index import Index
from drover.facts.node import Node, before
from drover.facts.snapshot import Snapshot
from drover.planning.candidates import on_nodes
from drover.running import preflight
from drover.running.actions import Action, EnsurePlan, SetFinalizer
from drover.running.conditions import ACTIVE, SETTLED, STUCK, Trio, condition, settle, trio
from drover.running.nodes import Standing, ended, name_taken, owned_plan_name, owns, reference, run_id
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
class Scene:
    """A maintenance with what a round knows about it."""

    maintenance: NodeMaintenance
    node: Node | None
    plan: MigrationPlan | None
    """The owned plan, if it is there and ours."""
    plan_status: PlanStatus | None
    """As rendered in this round."""
    standing: Standing
    taken: bool
    """Whether a plan of somebody else has the name of ours."""
    in_flight: bool
    """Whether a migration of the owned plan is in flight."""
    hold: preflight.Hold | None
    """Why nothing in the cluster may start."""
    refusals: tuple[Finding, ...]
    """Writes for it that the API server refused."""
    left: tuple[str, ...]
    """VMs still on the node, as namespace/name."""

    @property
    def held(self) -> bool:
        """Whether the node carries our mark."""
        was = before(self.node) if self.node is not None else None
        return was is not None and was.uid == self.maintenance.uid

    @property
    def cordoned(self) -> bool:
        """Whether the node carries our mark, and is cordoned still."""
        return self.held and self.node is not None and self.node.cordoned

    @property
    def admitted(self) -> bool:
        return self.maintenance.uid in self.standing.admitted

    @property
    def finalized(self) -> bool:
        return FINALIZER in self.maintenance.metadata.finalizers


@dataclass(frozen=True, slots=True)
class Verdict:
    phase: MaintenancePhase
    reason: str
    message: str
    findings: tuple[Finding, ...] = ()
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True)
class Result:
    actions: tuple[Action, ...]
    status: MaintenanceStatus = field(default_factory=MaintenanceStatus)


def scene(
    maintenance: NodeMaintenance,
    snapshot: Snapshot,
    index: Index,
    standing: Standing,
    statuses: Mapping[str, PlanStatus],
) -> Scene:
    """Gather what is known about a maintenance."""
    plan = snapshot.plan(owned_plan_name(maintenance))
    mine = plan if plan is not None and owns(maintenance, plan) else None
    name = maintenance.spec.node_name
    flying = any(not v.final for v in index.by_plan.get(mine.uid, ())) if mine is not None else False
    return Scene(
        maintenance=maintenance,
        node=snapshot.node(name),
        plan=mine,
        plan_status=statuses.get(mine.name) if mine is not None else None,
        standing=standing,
        taken=name_taken(maintenance, snapshot),
        in_flight=flying,
        hold=preflight.cluster_hold(snapshot),
        refusals=tuple(preflight.refusals(_keys(maintenance), snapshot)),
        left=tuple(sorted(f"{v.metadata.namespace}/{v.metadata.name}" for v in on_nodes({name}, index))),
    )


def _keys(maintenance: NodeMaintenance) -> tuple[str, ...]:
    """Of the writes done for a maintenance, as `Action.key` makes them."""
    name = maintenance.spec.node_name
    return f"cordon {name}", f"plan {owned_plan_name(maintenance)}", f"finalizer {maintenance.uid}"


def run(scene: Scene, snapshot: Snapshot, now: datetime) -> Result:
    """What to do for a maintenance, and its status."""
    actions = tuple(_actions(scene, snapshot))
    return Result(actions, _render(scene, now))


def _actions(scene: Scene, snapshot: Snapshot) -> list[Action]:
    maintenance = scene.maintenance
    if ended(maintenance):
        return _ending(scene)
    if scene.node is None or scene.taken:
        return []
    if maintenance.spec.mode == "DryRun":
        return _ensure(scene, snapshot)
    if not scene.admitted:
        return []
    if not scene.finalized:
        return [SetFinalizer(reference(maintenance), True)]
    return _ensure(scene, snapshot) if scene.cordoned else []


def _ending(scene: Scene) -> list[Action]:
    """Withdraw the plan; when nothing is in flight and the node is given back, let the object go."""
    actions: list[Action] = []
    if scene.plan is not None and not scene.plan.metadata.deleting and scene.plan.spec.intent != "Withdrawn":
        spec = {**scene.plan.spec.wire(), "intent": "Withdrawn"}
        actions.append(_ensure_plan(scene, spec))
    elif scene.maintenance.metadata.deleting and scene.finalized and _given_back(scene):
        actions.append(SetFinalizer(reference(scene.maintenance), False))
    return actions


def _given_back(scene: Scene) -> bool:
    """Whether nothing is left to undo: another holder may keep the node cordoned, with the mark that is ours."""
    kept = scene.maintenance.spec.node_name in scene.standing.cordons
    return not scene.in_flight and (not scene.held or kept)


def _ensure(scene: Scene, snapshot: Snapshot) -> list[Action]:
    wanted = plan_spec(scene, snapshot)
    if scene.plan is not None and (scene.plan.metadata.deleting or PlanSpec.model_validate(wanted) == scene.plan.spec):
        return []
    return [_ensure_plan(scene, wanted)]


def _ensure_plan(scene: Scene, spec: Mapping[str, Any]) -> EnsurePlan:
    maintenance = scene.maintenance
    owner = OwnerReference(
        api_version=API_VERSION, kind="NodeMaintenance", name=maintenance.name, uid=maintenance.uid, controller=True
    )
    return EnsurePlan(owned_plan_name(maintenance), scene.plan.uid if scene.plan else "", owner, spec)


def plan_spec(scene: Scene, snapshot: Snapshot) -> dict[str, Any]:
    """The spec of the owned plan: the maintenance's own words, and nothing of its labels or annotations."""
    spec = scene.maintenance.spec
    dry = spec.mode == "DryRun"
    vms = spec.virtual_machines or MaintenanceVMs()
    plan = PlanSpec.model_validate(
        {
            "evacuate": {"nodes": {"names": [spec.node_name]}, "cordon": "Ignore" if dry else "Require"},
            "mode": spec.mode,
            "paused": spec.paused,
            "intent": "Active",
            **vms.wire(),
            "runID": _run_id(scene, snapshot),
        }
    )
    return plan.wire()


def _run_id(scene: Scene, snapshot: Snapshot) -> str | None:
    """The plan's run; renewed when it has succeeded and a VM that it did not leave on purpose is on the node."""
    plan = scene.plan
    if plan is None:
        return None
    current, run = plan.spec.run_id, plan.status.run
    over = run is not None and run.id == run_id(plan) and run.finished_at is not None
    dry = scene.maintenance.spec.mode == "DryRun"
    if dry or not over or not any(_is_new(key, scene, snapshot) for key in scene.left):
        return current
    return str(int(current) + 1) if current is not None and current.isdecimal() else "2"


def _is_new(key: str, scene: Scene, snapshot: Snapshot) -> bool:
    namespace, name = key.split("/", 1)
    vmi = snapshot.vmis.get((namespace, name))
    leaves = scene.maintenance.spec.virtual_machines
    left = leaves is not None and leaves.non_migratable == "Leave"
    return vmi is not None and vmi.node == scene.maintenance.spec.node_name and not (left and vmi.not_migratable())


def _render(scene: Scene, now: datetime) -> MaintenanceStatus:
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
        if _given_back(scene):
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
