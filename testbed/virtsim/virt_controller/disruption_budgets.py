"""KubeVirt 1.5's disruption budgets: one for each VM that is to be moved, not shut down, when its pod is evicted
(pkg/virt-controller/watch/drain/disruptionbudget/disruptionbudget.go). Later minors only delete what is left of them.
"""

import asyncio
from collections.abc import Iterable

from virtsim.cluster.actor import Actor
from virtsim.cluster.controller import Controller
from virtsim.cluster.informer import Informer
from virtsim.cluster.store import Store
from virtsim.objects import keys
from virtsim.objects.conditions import is_true
from virtsim.objects.eviction import strategy_of
from virtsim.objects.migrations import is_being_deleted, is_final
from virtsim.objects.pods import is_terminal, labels_of
from virtsim.objects.resources import BUDGETS, Key, Object, key_of
from virtsim.virt_controller.vmi_status import FINAL

WORKERS = 3


class DisruptionBudgetController:
    """Reconciles VMIs with their budgets: one pod is always to be there, and two while it migrates."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._budgets = Store(vmi=lambda budget: [f"{budget['metadata']['namespace']}/{_owner(budget).get('name')}"])
        self._informer = Informer(actor.client, BUDGETS, self._budgets)
        self._controller = Controller("disruption budgets", self.reconcile, WORKERS)

    async def run(self) -> None:
        caches = self._actor.caches
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informer.run())
            await self._informer.synced.wait()
            await self._controller.run(
                (self._budgets, self._on_budget),
                (caches.vmis, self._on_vmi),
                (caches.vmims, self._on_vmim),
                (caches.pods, self._on_pod),
            )

    async def reconcile(self, key: Key) -> None:
        vmi = self._actor.caches.vmis.get(*key)
        budgets = self._budgets.by("vmi", "/".join(key))
        if vmi is not None and not budgets and is_protected(vmi, self._actor.caches.kubevirts):
            await self._create(vmi)
        for budget in budgets:
            if vmi is None or not belongs(budget, vmi, self._actor.caches.kubevirts):
                await self._delete(budget, vmi)
            elif self._is_over(budget, vmi):
                await self._shrink(budget, vmi)

    async def _create(self, vmi: Object) -> None:
        budget = await self._actor.create(BUDGETS, budget_of(vmi))
        self._budgets.observe(budget)
        name = budget["metadata"]["name"]
        self._actor.events.normal(vmi, "SuccessfulCreate", f"Created PodDisruptionBudget {name}")

    async def _delete(self, budget: Object, vmi: Object | None) -> None:
        if is_being_deleted(budget):
            return
        await self._actor.delete(BUDGETS, budget)
        if vmi is not None:
            name = budget["metadata"]["name"]
            self._actor.events.normal(vmi, "SuccessfulDelete", f"Deleted PodDisruptionBudget {name}")

    def _is_over(self, budget: Object, vmi: Object) -> bool:
        """Whether the migration that it was raised for is over, and its other pod too."""
        name = labels_of(budget).get(keys.MIGRATION_NAME)
        if not name or budget["spec"].get("minAvailable") == 1:
            return False
        vmim = self._actor.caches.vmims.get(vmi["metadata"]["namespace"], name)
        pods = self._actor.caches.pods.by("owner", vmi["metadata"]["uid"])
        return vmim is None or (is_final(vmim) and sum(not is_terminal(pod) for pod in pods) == 1)

    async def _shrink(self, budget: Object, vmi: Object) -> None:
        body = {"metadata": {"labels": {keys.MIGRATION_NAME: None}}, "spec": {"minAvailable": 1}}
        self._budgets.observe(await self._actor.patch_merge(BUDGETS, budget, body))
        name = budget["metadata"]["name"]
        self._actor.events.normal(vmi, "SuccessfulUpdate", f"shrank PodDisruptionBudget {name}")

    def _on_budget(self, before: Object | None, after: Object | None) -> None:
        budget = after or before
        if budget is not None and _owner(budget).get("kind") == "VirtualMachineInstance":
            self._controller.queue.add((budget["metadata"]["namespace"], _owner(budget)["name"]))

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        vmi = after or before
        if vmi is not None:
            self._controller.queue.add(key_of(vmi))

    def _on_vmim(self, before: Object | None, after: Object | None) -> None:
        vmim = after or before
        if vmim is not None:
            self._controller.queue.add((vmim["metadata"]["namespace"], vmim["spec"].get("vmiName", "")))

    def _on_pod(self, before: Object | None, after: Object | None) -> None:
        for owner in ((after or before) or {"metadata": {}})["metadata"].get("ownerReferences") or ():
            if after is not None and owner["kind"] == "VirtualMachineInstance":
                self._controller.queue.add((after["metadata"]["namespace"], owner["name"]))


def is_protected(vmi: Object, kubevirts: Iterable[Object]) -> bool:
    """Whether the VM has a budget, by its eviction strategy."""
    if is_being_deleted(vmi) or (vmi.get("status") or {}).get("phase") in FINAL:
        return False
    strategy = strategy_of(vmi, kubevirts)
    if strategy == "LiveMigrateIfPossible":
        return is_true(vmi, "LiveMigratable")
    return strategy in ("LiveMigrate", "External")


def belongs(budget: Object, vmi: Object, kubevirts: Iterable[Object]) -> bool:
    """Whether the budget is of this VMI, not of an earlier one of the same name, and still wanted."""
    return _owner(budget).get("uid") == vmi["metadata"]["uid"] and is_protected(vmi, kubevirts)


def budget_of(vmi: Object) -> Object:
    """The budget as it is created."""
    metadata = vmi["metadata"]
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": metadata["name"]}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "generateName": "kubevirt-disruption-budget-",
            "namespace": metadata["namespace"],
            "ownerReferences": [{**owner, "uid": metadata["uid"], "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {keys.CREATED_BY: metadata["uid"]}}},
    }


def _owner(budget: Object) -> Object:
    owners = (owner for owner in budget["metadata"].get("ownerReferences") or () if owner.get("controller"))
    return next(owners, {})
