"""What virt-controller writes into the VMI's migrationState: hand-over, abort, and the target's death.

Each is one JSON patch whose `test` operations make it fail when virt-handler was faster (migration.go).
"""

from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.cluster.store import Store
from virtsim.objects import keys, quantity
from virtsim.objects.pods import annotations_of, is_ready, labels_of
from virtsim.objects.resources import VMIS, Object
from virtsim.objects.times import now
from virtsim.virt_controller.configuration import migration_configuration
from virtsim.virt_controller.view import View

STATE = "/status/migrationState"
LABELS = "/metadata/labels"


async def hand_over(actor: Actor, view: View) -> None:
    """Gives a migration whose target pod is ready to the virt-handlers. Replaces whatever state was there."""
    target = view.target
    if target is None or not is_ready(target) or view.state is not None:
        return
    labels = labels_of(view.vmi)
    operations = [
        *_replaced(STATE, view.vmi["status"].get("migrationState"), _state(actor.caches.kubevirts, view, target)),
        *_replaced(LABELS, labels, {**labels, keys.MIGRATION_TARGET_NODE: target["spec"]["nodeName"]}),
    ]
    try:
        await actor.patch_json(VMIS, view.vmi, operations)
    except ApiError as error:
        actor.events.warning(
            view.vmim, "FailedHandOver", f"Failed to set MigrationStat in VMI status. :{error.message}"
        )
        raise
    actor.events.normal(
        view.vmim, "SuccessfulHandOver", "Migration target pod is ready for preparation by virt-handler."
    )


async def request_abort(actor: Actor, view: View) -> None:
    """Asks the source's virt-handler to abort, once."""
    state = view.state
    if state is None or state.get("abortRequested") or state.get("endTimestamp"):
        return
    await actor.patch_json(VMIS, view.vmi, _replaced(STATE, state, {**state, "abortRequested": True}))
    message = "Migration is ready to be canceled by virt-handler."
    actor.events.normal(view.vmim, "SuccessfulAbortMigration", message)


async def mark_target_down(actor: Actor, view: View) -> None:
    """Ends the state of a migration whose target pod is, or will be, gone, unless the source ended it already."""
    state = view.state
    if state is None or state.get("endTimestamp"):
        return
    at = now()
    ended = {
        **state,
        "startTimestamp": state.get("startTimestamp") or at,
        "endTimestamp": at,
        "completed": True,
        "failed": True,
        "failureReason": "Target pod is down",
    }
    await actor.patch_json(VMIS, view.vmi, _replaced(STATE, state, ended))
    uid = view.vmim["metadata"]["uid"]
    actor.events.warning(
        view.vmi,
        "FailedMigration",
        f"VirtualMachineInstance migration uid {uid} failed. reason: Target pod is down",
    )


def _state(kubevirts: Store, view: View, target: Object) -> dict[str, Any]:
    overhead = annotations_of(target).get(keys.MEMORY_OVERHEAD)
    source = {"sourcePod": view.source["metadata"]["name"]} if view.source is not None else {}
    return {
        "migrationUid": view.vmim["metadata"]["uid"],
        "sourceNode": view.vmi["status"]["nodeName"],
        **source,
        "targetNode": target["spec"]["nodeName"],
        "targetPod": target["metadata"]["name"],
        "migrationConfiguration": migration_configuration(kubevirts),
        **({"targetMemoryOverhead": quantity.binary(int(overhead))} if overhead else {}),
    }


def _replaced(path: str, before: Any, after: Any) -> list[dict[str, Any]]:
    if not before:
        return [{"op": "add", "path": path, "value": after}]
    return [{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]
