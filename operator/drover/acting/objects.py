"""Writing objects of our own: owned plans, finalizers, reports, Events, statuses."""

from typing import Any

from drover.acting.outcome import Hands, NotAllowedError
from drover.acting.reading import live, refresh
from drover.api.maintenance import MaintenanceStatus, NodeMaintenance
from drover.api.plan import MigrationPlan, PlanStatus
from drover.api.reasons import Outcome
from drover.api.shared import API_VERSION, FINALIZER
from drover.facts.kubevirt import PLAN, PLAN_UID, RUN
from drover.running.actions import EnsurePlan, SaveRecords, SetFinalizer, Tell
from drover.running.names import digest, label_value
from drover.watching.client import FIELD_MANAGER, ApiError
from drover.watching.resources import MAINTENANCES, PLANS, REPORTS, Resource, version_of

COMPONENT = "drover"


async def ensure_plan(action: EnsurePlan, hands: Hands) -> None:
    """Create the owned plan, or make its spec what it should be. A plan that is not the owner's is not touched."""
    key = ("", action.name)
    if not action.uid:
        await _create_plan(action, hands)
        return
    plan = await live(PLANS, key, hands)
    if plan is None or all(owner.uid != action.owner.uid for owner in plan.metadata.owner_references):
        raise NotAllowedError(f"the plan {action.name} is not the maintenance's own")
    change: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/uid", "value": action.uid},
        {"op": "replace", "path": "/spec", "value": dict(action.spec)},
    ]
    answer = await hands.client.json_patch(PLANS.item(key), change, FIELD_MANAGER)
    hands.store.put(PLANS, PLANS.decode(answer))


async def _create_plan(action: EnsurePlan, hands: Hands) -> None:
    """A child carries none of its parent's labels or annotations: GitOps tools track by them."""
    body = {
        "apiVersion": API_VERSION,
        "kind": PLANS.kind,
        "metadata": {"name": action.name, "ownerReferences": [action.owner.wire()]},
        "spec": dict(action.spec),
    }
    try:
        answer = await hands.client.create(PLANS.collection(), body)
    except ApiError as error:
        if error.status not in (0, 409):
            raise
        # Our earlier create whose answer was lost, or somebody else's plan: the next round sees which.
        await refresh(PLANS, ("", action.name), hands)
        return
    hands.store.put(PLANS, PLANS.decode(answer))


async def set_finalizer(action: SetFinalizer, hands: Hands) -> None:
    """Add or remove our finalizer, and nobody else's, on the version that was read."""
    resource = _resource(action.object.kind)
    thing = await live(resource, ("", action.object.name), hands)
    if thing is None or thing.metadata.uid != action.object.uid:
        return
    others = [name for name in thing.metadata.finalizers if name != FINALIZER]
    change = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": thing.metadata.resource_version},
        {"op": "add", "path": "/metadata/finalizers", "value": [*others, FINALIZER] if action.present else others},
    ]
    answer = await hands.client.json_patch(resource.item(("", action.object.name)), change, FIELD_MANAGER)
    written = resource.decode(answer)
    if written.metadata.deleting and not written.metadata.finalizers:
        hands.store.remove(resource, written)
    else:
        hands.store.put(resource, written)


def _resource(kind: str) -> Resource[Any]:
    return PLANS if kind == PLANS.kind else MAINTENANCES


async def save_records(action: SaveRecords, hands: Hands) -> None:
    """Create the report if it is not there, then apply its status whole. It has no owner: it outlives its plan."""
    if not action.exists:
        await _create_report(action, hands)
    records = [record.wire() for record in action.records]
    bad = {Outcome.FAILED, Outcome.VERIFICATION_FAILED}
    failed = sum(record.outcome in bad for record in action.records)
    body = {
        "apiVersion": API_VERSION,
        "kind": REPORTS.kind,
        "metadata": {"name": action.name},
        "status": {"vms": len(records), "failed": failed, "records": records},
    }
    path = f"{REPORTS.item(('', action.name))}/status"
    answer = await hands.client.apply(path, body, field_manager=FIELD_MANAGER)
    hands.store.put(REPORTS, REPORTS.decode(answer))


async def _create_report(action: SaveRecords, hands: Hands) -> None:
    body = {
        "apiVersion": API_VERSION,
        "kind": REPORTS.kind,
        "metadata": {
            "name": action.name,
            "labels": {
                PLAN: label_value(action.plan.name),
                PLAN_UID: action.plan.uid,
                RUN: label_value(action.run),
            },
        },
        "spec": {"plan": {"name": action.plan.name, "uid": action.plan.uid}, "run": action.run},
    }
    try:
        await hands.client.create(REPORTS.collection(), body)
    except ApiError as error:
        if error.status != 409:
            raise
        # It holds what we do not know of, and a status is written whole: nothing is, before it was read.
        await refresh(REPORTS, ("", action.name), hands)
        raise NotAllowedError(f"the report {action.name} is there already and is read first") from error


async def tell(action: Tell, hands: Hands) -> None:
    """Write an Event. Its name is a function of what it tells, so that it is told once; it is worth no retry."""
    now = hands.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    namespace = action.about.namespace or "default"
    name = f"{action.about.name[:200].rstrip('-.')}.{digest(action.about.uid, action.reason, action.once)}"
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {
            "apiVersion": action.about.api_version,
            "kind": action.about.kind,
            "name": action.about.name,
            "namespace": action.about.namespace or None,
            "uid": action.about.uid,
        },
        "type": action.type,
        "reason": str(action.reason),
        "message": action.message[:1000],
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": COMPONENT,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    try:
        await hands.client.create(f"/api/v1/namespaces/{namespace}/events", body)
    except ApiError as error:
        if error.status != 409:
            raise


async def write_status(
    thing: MigrationPlan | NodeMaintenance, status: PlanStatus | MaintenanceStatus, hands: Hands
) -> bool:
    """Apply a whole status, as one field manager, to the object with this UID and to no other of its name. False if it
    is gone.

    The version says which: the API server ignores a UID in what is applied to a status.
    """
    resource = _resource(thing.kind)
    newest = hands.store.known(resource, ("", thing.name))
    if newest is None or newest.metadata.uid != thing.metadata.uid:
        return False
    version = max(newest, thing, key=version_of).metadata.resource_version
    body: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": thing.kind,
        "metadata": {"name": thing.name, "resourceVersion": version},
        "status": status.wire(),
    }
    answer = await hands.client.apply(f"{resource.item(('', thing.name))}/status", body, field_manager=FIELD_MANAGER)
    hands.store.put(resource, resource.decode(answer))
    return True
