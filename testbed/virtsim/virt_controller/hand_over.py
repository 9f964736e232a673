"""What virt-controller writes into the VMI's migrationState: hand-over, abort, and the target's death.

Each is one JSON patch whose `test` operations make it fail when virt-handler was faster (migration.go).
"""

from typing import Any

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.objects import keys, quantity
from virtsim.objects.pods import annotations_of, is_ready, labels_of
from virtsim.objects.resources import VMIS, Object
from virtsim.objects.times import now
from virtsim.virt_controller.hotplug import hand_over_labels
from virtsim.virt_controller.resolution import resolved
from virtsim.virt_controller.view import View

STATE = "/status/migrationState"
LABELS = "/metadata/labels"


async def hand_over(actor: Actor, view: View) -> None:
    """Gives a migration whose target pod is ready to the virt-handlers. Replaces whatever state was there."""
    target = view.target
    if target is None or not is_ready(target) or view.state is not None:
        return
    labels = labels_of(view.vmi)
    state = _state(view, target, await resolved(actor, view.vmi))
    added = {keys.MIGRATION_TARGET_NODE: target["spec"]["nodeName"], **hand_over_labels(view.vmi, target)}
    operations = [
        *_replaced(STATE, view.vmi["status"].get("migrationState"), state),
        *_replaced(LABELS, labels, {**labels, **added}),
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
    if state is None or state.get("abortRequested") or state.get("completed"):
        return
    status = view.vmi["status"]
    asked = {**status, "migrationState": {**state, "abortRequested": True}}
    try:
        await actor.patch_json(VMIS, view.vmi, _replaced("/status", status, asked))
    except ApiError as error:
        message = f"failed to set MigrationState in VMI status. :{error.message}"
        actor.events.warning(view.vmim, "FailedAbortMigration", message)
        raise
    message = "Migration is ready to be canceled by virt-handler."
    actor.events.normal(view.vmim, "SuccessfulAbortMigration", message)


async def mark_target_down(actor: Actor, view: View) -> None:
    """Ends the state of a migration whose target pod is, or will be, gone, unless the source ended it already.

    As in KubeVirt, a migration that failed before its hand-over tries it on the state of an older one that did not
    fail: the `test` of the UID refuses that with 422, again and again.
    """
    state = (view.vmi.get("status") or {}).get("migrationState")
    if not state or not _ends_here(view, state):
        return
    uid, at = view.vmim["metadata"]["uid"], now()
    kept = {"startTimestamp": at, "endTimestamp": at, "failureReason": "Target pod is down"}
    ended = {"completed": True, "failed": True, **{field: state.get(field) or value for field, value in kept.items()}}
    own = {"op": "test", "path": f"{STATE}/migrationUid", "value": uid}
    added = [{"op": "add", "path": f"{STATE}/{field}", "value": value} for field, value in ended.items()]
    await actor.patch_json(VMIS, view.vmi, [own, *added])
    actor.events.warning(
        view.vmi,
        "FailedMigration",
        f"VirtualMachineInstance migration uid {uid} failed. reason: Target pod is down",
    )


def _state(view: View, target: Object, options: dict[str, Any]) -> dict[str, Any]:
    overhead = annotations_of(target).get(keys.MEMORY_OVERHEAD, "")
    source = {"sourcePod": view.source["metadata"]["name"]} if view.source is not None else {}
    return {
        "migrationUid": view.vmim["metadata"]["uid"],
        "sourceNode": view.vmi["status"]["nodeName"],
        **source,
        "targetNode": target["spec"]["nodeName"],
        "targetPod": target["metadata"]["name"],
        **options,
        **({"targetMemoryOverhead": quantity.binary(int(overhead))} if overhead.isdecimal() else {}),
    }


def _ends_here(view: View, state: dict[str, Any]) -> bool:
    gone = view.target is None or view.target_is_down
    if view.state is None:
        return gone and not state.get("failed")
    return not state.get("completed") and (gone or view.phase == "Failed")


def _replaced(path: str, before: Any, after: Any) -> list[dict[str, Any]]:
    if not before:
        return [{"op": "add", "path": path, "value": after}]
    return [{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]
