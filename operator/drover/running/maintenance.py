"""What a NodeMaintenance does: cordon, then a plan for the VMs, and the way back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from drover.api.maintenance import MaintenanceStatus, MaintenanceVMs
from drover.api.plan import PlanSpec
from drover.api.shared import API_VERSION, OwnerReference
from drover.facts.snapshot import Snapshot
from drover.running.actions import Action, EnsurePlan, SetFinalizer
from drover.running.maintenance_scene import Scene
from drover.running.maintenance_status import render
from drover.running.nodes import ended, owned_plan_name, reference, run_id


@dataclass(frozen=True, slots=True)
class Result:
    actions: tuple[Action, ...]
    status: MaintenanceStatus = field(default_factory=MaintenanceStatus)


def run(scene: Scene, snapshot: Snapshot, now: datetime) -> Result:
    """What to do for a maintenance, and its status."""
    actions = tuple(_actions(scene, snapshot))
    return Result(actions, render(scene, now))


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
    elif scene.maintenance.metadata.deleting and scene.finalized and scene.given_back:
        actions.append(SetFinalizer(reference(scene.maintenance), False))
    return actions


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
