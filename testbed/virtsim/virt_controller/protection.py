"""KubeVirt 1.5: a migration begins only when both of its pods are safe from eviction (migration.go, expandPDB)."""

from virtsim.cluster.actor import Actor
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.eviction import strategy_of
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import BUDGETS, Object
from virtsim.versions import Feature
from virtsim.virt_controller.view import View

BOTH_PODS = 2
LOOK_AGAIN_SECONDS = 0.1


async def protect(actor: Actor, view: View) -> float | None:
    """Raises the VM's budget to two pods. When to look again, until Kubernetes has taken note; None if all is well."""
    if not actor.version.has(Feature.DISRUPTION_BUDGETS) or not _is_moved_on_eviction(actor, view.vmi):
        return None
    budget = await _budget(actor, view.vmi)
    if budget is None:
        return LOOK_AGAIN_SECONDS
    if not is_raised(budget, view.vmim):
        await _raise(actor, view, budget)
    return None if is_noted(budget) else LOOK_AGAIN_SECONDS


def is_raised(budget: Object, vmim: Object) -> bool:
    """Whether the budget is for this migration already."""
    name = labels_of(budget).get(keys.MIGRATION_NAME)
    return bool(budget["spec"].get("minAvailable") == BOTH_PODS and name == vmim["metadata"]["name"])


def is_noted(budget: Object) -> bool:
    """Whether Kubernetes' own controller has seen that two pods are to be there."""
    status = budget.get("status") or {}
    seen = status.get("observedGeneration") == budget["metadata"].get("generation")
    return bool(status.get("desiredHealthy") == BOTH_PODS and seen)


def _is_moved_on_eviction(actor: Actor, vmi: Object) -> bool:
    strategy = strategy_of(vmi, actor.caches.kubevirts)
    return strategy == "LiveMigrate" or (strategy == "LiveMigrateIfPossible" and is_true(vmi, "LiveMigratable"))


async def _budget(actor: Actor, vmi: Object) -> Object | None:
    listed = await actor.client.list(BUDGETS, vmi["metadata"]["namespace"])
    for budget in listed["items"]:
        if vmi["metadata"]["uid"] in [owner["uid"] for owner in budget["metadata"].get("ownerReferences") or ()]:
            found: Object = budget
            return found
    return None


async def _raise(actor: Actor, view: View, budget: Object) -> None:
    labels = {keys.MIGRATION_NAME: view.vmim["metadata"]["name"]}
    await actor.patch_merge(BUDGETS, budget, {"metadata": {"labels": labels}, "spec": {"minAvailable": BOTH_PODS}})
    message = f"Expanded PodDisruptionBudget {budget['metadata']['name']}"
    actor.events.normal(view.vmi, "SuccessfulUpdate", message)
