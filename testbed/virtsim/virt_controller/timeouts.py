"""How long a target pod may stay pending before virt-controller deletes it (migration.go)."""

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.objects import keys
from virtsim.objects.conditions import condition
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import PODS, Object
from virtsim.objects.times import seconds_since
from virtsim.virt_controller.node_selectors import wanted_host_model
from virtsim.virt_controller.view import View

UNSCHEDULABLE_SECONDS = 300.0
PENDING_SECONDS = 900.0


def is_unschedulable(pod: Object) -> bool:
    """Whether the scheduler said that no node takes it."""
    scheduled = condition(pod, "PodScheduled") or {}
    return scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"


def patience(view: View, pod: Object) -> tuple[str, float]:
    """What a pending pod is called when its time is over, and how many seconds after its creation that is."""
    pending = view.seconds(keys.PENDING_TIMEOUT, PENDING_SECONDS)
    unschedulable = view.seconds(keys.UNSCHEDULABLE_TIMEOUT, UNSCHEDULABLE_SECONDS)
    if is_unschedulable(pod) and unschedulable <= pending:
        return "unschedulable", unschedulable
    return "pending", pending


async def watch_pending_pod(actor: Actor, view: View) -> float | None:
    """Deletes a target pod that is pending for too long; else answers when to look again."""
    pod = view.target
    if pod is None or is_being_deleted(pod) or (pod.get("status") or {}).get("phase") != "Pending":
        return None
    metadata = pod["metadata"]
    where = f"{metadata['namespace']}/{view.vmi['metadata']['name']}"
    if is_unschedulable(pod):
        _tell_without_host_model(actor, view, pod)
        actor.events.warning(
            view.vmim,
            "migrationTargetPodUnschedulable",
            f"Migration target pod for VMI [{where}] is currently unschedulable.",
        )
    name, limit = patience(view, pod)
    left = limit - int(seconds_since(metadata["creationTimestamp"]))  # virt-controller counts whole seconds
    if left > 0:
        return left
    try:
        await actor.delete(PODS, pod)
    except ApiError as error:
        actor.events.warning(view.vmim, "FailedDelete", f"Error deleted migration target pod: {error.message}")
        raise
    message = f"{name} pod {metadata['namespace']}/{metadata['name']} timeout period exceeded"
    actor.events.normal(view.vmim, "SuccessfulDelete", message)
    return None


def _tell_without_host_model(actor: Actor, view: View, pod: Object) -> None:
    """Tells of a host-model VM that no other node of the cluster can take, whatever else is in the way."""
    wanted, home = wanted_host_model(view.vmi, pod), view.vmi["status"].get("nodeName")
    others = (node for node in actor.caches.nodes if node["metadata"]["name"] != home)
    if wanted is None or any(wanted.items() <= labels_of(node).items() for node in others):
        return
    written = " ".join(f"{key}:{value}" for key, value in sorted(wanted.items()))
    message = (
        "Migration cannot proceed since no node is suitable to run the required CPU model / required features: "
        f"map[{written}]"
    )
    actor.events.warning(view.vmi, "NoSuitableNodesForHostModelMigration", message)
