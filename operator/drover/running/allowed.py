"""May this action still be done? Asked with what was just read live, right before each write.

A decision was made on a snapshot, a moment ago; between the two a plan may have been paused, a VM stopped, a node
cordoned, a slot taken by somebody else. Checking again at dispatch is rule 4.
"""

from drover.api.plan import MigrationPlan
from drover.facts.index import Index, index
from drover.facts.kubevirt import VMI
from drover.facts.node import before, remembered
from drover.facts.snapshot import Snapshot
from drover.planning.barred import barred_for, bars
from drover.planning.judging import admits
from drover.running import slots
from drover.running.actions import Action, CancelMigration, Cordon, StartMigration, Uncordon
from drover.running.nodes import ended, find, run_id, stand
from drover.running.preflight import cannot_pin, cluster_hold
from drover.running.view import View
from drover.running.views import view


def still_allowed(action: Action, snapshot: Snapshot) -> str | None:
    """Why an action may not be done any more, in words, or None if it may."""
    match action:
        case StartMigration():
            return _start(action, snapshot)
        case CancelMigration():
            return _cancel(action, snapshot)
        case Cordon():
            return _cordon(action, snapshot)
        case Uncordon():
            node = snapshot.node(action.node)
            return None if node is not None and before(node) is not None else "the node does not carry our mark"
    return None


def _start(action: StartMigration, snapshot: Snapshot) -> str | None:
    hold = cluster_hold(snapshot)
    if hold is not None:
        return hold.waiting.message
    if cannot_pin(snapshot) is not None or not snapshot.crds:
        return "KubeVirt cannot pin a target"
    plan = snapshot.plan(action.plan.name)
    if plan is None or plan.uid != action.plan.uid:
        return "the plan is gone"
    vmi = snapshot.vmis.get((action.vmi.namespace, action.vmi.name))
    if vmi is None or vmi.uid != action.vmi.uid:
        return "the VM is gone"
    relations = index(snapshot)
    seen = view(plan, snapshot, relations)
    return (
        _plan_refuses(action, seen)
        or _vmi_refuses(action, vmi, relations)
        or _slots_refuse(action, plan, snapshot, relations)
        or _target_refuses(action, vmi, seen, snapshot, relations)
    )


def _plan_refuses(action: StartMigration, seen: View) -> str | None:
    plan = seen.plan
    if seen.withdrawn or ended(plan):
        return "the plan is being withdrawn"
    if plan.spec.paused:
        return "the plan is paused"
    if plan.spec.mode != "Execute":
        return "the plan is a dry run"
    if run_id(plan) != action.run or seen.run is None or seen.finished:
        return "the run is over"
    case = next((case for case in seen.cases if case.uid == action.vmi.uid), None)
    if action.extra and plan.spec.make_room != "Move":
        return "the plan may not move other VMs"
    if action.extra and not any(each.to_move for each in seen.cases):
        return "nobody waits for its room any more"
    if not action.extra and (case is None or not case.to_move):
        return "the VM has nothing to leave"
    return None if case is None or case.attempts < action.attempt else "this attempt was made already"


def _vmi_refuses(action: StartMigration, vmi: VMI, relations: Index) -> str | None:
    flying = relations.in_flight.get((action.vmi.namespace, action.vmi.name))
    if flying:
        return f"a migration of it is in flight ({flying[0].name})"
    if not vmi.running or vmi.metadata.deletion_timestamp is not None:
        return "the VM does not run"
    if vmi.node != action.source:
        return f"the VM is on {vmi.node} by now"
    condition = vmi.not_migratable()
    return f"{condition.reason}: {condition.message}" if condition is not None else None


def _slots_refuse(action: StartMigration, plan: MigrationPlan, snapshot: Snapshot, relations: Index) -> str | None:
    kubevirt = snapshot.kubevirt
    assert kubevirt is not None
    held, limits = slots.count(snapshot, relations), slots.allowed(plan.spec.limits, kubevirt)
    if held.total >= limits.total:
        return f"{held.total} migrations are in flight"
    if held.by_source[action.source] >= limits.per_source:
        return f"{held.by_source[action.source]} migrations leave {action.source}"
    if held.by_target[action.target] >= limits.per_target:
        return f"{held.by_target[action.target]} migrations go to {action.target}"
    return None


def _target_refuses(action: StartMigration, vmi: VMI, seen: View, snapshot: Snapshot, relations: Index) -> str | None:
    """Asked with what is being emptied by now, not when the target was chosen."""
    taken = stand(snapshot, frozenset()).taken
    forbidden = barred_for(seen.plan, seen.source_set, snapshot, taken) | bars(vmi, relations, ())
    refusal = admits(vmi, action.target, forbidden, snapshot, relations)
    return f"{action.target} {refusal}" if refusal is not None else None


def _cancel(action: CancelMigration, snapshot: Snapshot) -> str | None:
    vmim = snapshot.vmims.get((action.namespace, action.name))
    if vmim is None or vmim.uid != action.uid:
        return "the migration is gone"
    vmi = snapshot.vmis.get(vmim.vmi_key)
    state = vmi.state_of(vmim.uid) if vmi is not None else None
    if state is not None and not state.failed and (state.end_timestamp is not None or state.mode == "PostCopy"):
        return "it has switched over"
    return "it has ended" if vmim.final else None


def _cordon(action: Cordon, snapshot: Snapshot) -> str | None:
    node = snapshot.node(action.node)
    if node is None:
        return "the node is gone"
    thing = find(action.by.uid, snapshot)
    if thing is None:
        return f"{action.by} is gone"
    if before(node) is not None:
        return None
    if ended(thing):
        return f"{action.by} is being ended"
    if remembered(action.before).unschedulable != node.cordoned:
        return "somebody has cordoned or uncordoned the node meanwhile"
    return None
