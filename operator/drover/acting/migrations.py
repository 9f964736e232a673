"""Creating and deleting VirtualMachineInstanceMigrations."""

from typing import Any

from drover.acting.outcome import Hands, NotAllowedError
from drover.acting.reading import live, refresh
from drover.api.reasons import EventReason
from drover.facts.kubevirt import ATTEMPT, HOSTNAME, PLAN, PLAN_UID, RUN, VMI_UID, VMIM, WHY
from drover.facts.wire import Key
from drover.running.actions import CancelMigration, StartMigration, Tell
from drover.running.allowed import still_allowed
from drover.running.names import label_value
from drover.watching.client import ApiError
from drover.watching.resources import NODES, PLANS, VMIMS, VMIS, Resource


async def start(action: StartMigration, hands: Hands) -> None:
    """Create the VMIM, after reading plan, VMI and target live and asking again.

    A 409 is our own earlier create whose answer was lost, if it is the same migration: it is taken as the answer.
    After a time-out the object is read by name.
    """
    vmi = (action.vmi.namespace, action.vmi.name)
    needed: list[tuple[Resource[Any], Key]] = [
        (PLANS, ("", action.plan.name)),
        (VMIS, vmi),
        (NODES, ("", action.target)),
    ]
    for resource, key in needed:
        if not await refresh(resource, key, hands):
            raise NotAllowedError(f"{resource.kind} {key[1]} is gone")
    refusal = still_allowed(action, hands.store.snapshot(hands.clock()))
    if refusal is not None:
        raise NotAllowedError(refusal)
    try:
        answer = await hands.client.create(VMIMS.collection(action.vmi.namespace), body(action))
    except ApiError as error:
        if error.status not in (0, 409) or not await is_there(action, hands):
            raise
        return
    hands.store.put(VMIMS, VMIMS.decode(answer))


def body(action: StartMigration) -> dict[str, Any]:
    """The VMIM. It has no owner: garbage collection would cancel migrations."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": VMIMS.kind,
        "metadata": {
            "name": action.name,
            "namespace": action.vmi.namespace,
            "labels": {
                PLAN: label_value(action.plan.name),
                PLAN_UID: action.plan.uid,
                RUN: label_value(action.run),
                ATTEMPT: str(action.attempt),
            },
            "annotations": {WHY: action.why, VMI_UID: action.vmi.uid},
        },
        "spec": {"vmiName": action.vmi.name, "addedNodeSelector": {HOSTNAME: action.hostname}},
    }


def told(action: StartMigration) -> tuple[Tell, Tell]:
    """The Events about a migration that was created: on the VMI and on the plan."""
    where = f"from {action.source} to {action.target} (attempt {action.attempt}): {action.why}"
    reason = EventReason.MIGRATION_STARTED
    mine = f"{action.plan} moves it {where}"
    theirs = f"{action.vmi.namespace}/{action.vmi.name} moves {where}"
    return (
        Tell(action.vmi, "Normal", reason, mine, action.name),
        Tell(action.plan, "Normal", reason, theirs, action.name),
    )


async def is_there(action: StartMigration, hands: Hands) -> bool:
    """Whether the migration of this name exists and is this one, by plan, run, attempt, VM and target."""
    key = (action.vmi.namespace, action.name)
    if not await refresh(VMIMS, key, hands):
        return False
    found = hands.store.snapshot(hands.clock()).vmims.get(key)
    return found is not None and _same(found, action)


def _same(found: VMIM, action: StartMigration) -> bool:
    labels = found.metadata.labels
    return (
        found.plan_uid == action.plan.uid
        and labels.get(RUN) == label_value(action.run)
        and found.attempt == action.attempt
        and found.spec.vmi_name == action.vmi.name
        and found.pinned_to == action.hostname
    )


async def cancel(action: CancelMigration, hands: Hands) -> None:
    """Delete a VMIM of ours that has not ended. KubeVirt's finalizer keeps it until it has undone it."""
    key = (action.namespace, action.name)
    vmim = await live(VMIMS, key, hands)
    if vmim is None:
        return
    await refresh(VMIS, vmim.vmi_key, hands)
    refusal = still_allowed(action, hands.store.snapshot(hands.clock()))
    if refusal is not None:
        raise NotAllowedError(refusal)
    await hands.client.delete(VMIMS.item(key), uid=action.uid)
    await refresh(VMIMS, key, hands)
