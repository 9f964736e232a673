"""virt-controller's VM controller: a VirtualMachine has the VMI that its run strategy wants (watch/vm/vm.go)."""

from dataclasses import replace

from virtsim.cluster.actor import Actor
from virtsim.cluster.client import ApiError
from virtsim.cluster.controller import Controller
from virtsim.objects import keys
from virtsim.objects.migrations import is_being_deleted
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import VMIS, VMS, Key, Object, key_of
from virtsim.virt_controller import live_updates
from virtsim.virt_controller.instances import VERSIONED, instance_of
from virtsim.virt_controller.run_strategy import STOP, Wish, wish
from virtsim.virt_controller.vm_status import Sight, status_of
from virtsim.virt_controller.vmi_status import FINAL

WORKERS = 3


class VmController:
    """Reconciles VirtualMachines: starts and stops their VMIs, then tells in the status what became of it."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._controller = Controller("vm", self.reconcile, WORKERS)

    async def run(self) -> None:
        await self._controller.run((self._actor.caches.vms, self._on_vm), (self._actor.caches.vmis, self._on_vmi))

    async def reconcile(self, key: Key) -> float | None:
        vm = self._actor.caches.vms.get(*key)
        if vm is None:
            return None
        if keys.LATEST_API_VERSION not in annotations_of(vm):
            metadata = {**vm["metadata"], "annotations": {**annotations_of(vm), **VERSIONED}}
            await self._actor.update(VMS, {**vm, "metadata": metadata})
            return None
        vmi = self._vmi_of(vm)
        if is_being_deleted(vm) and vmi is None:
            await self._set_finalizer(vm, wanted=False)
            return None
        if not is_being_deleted(vm):
            vm = await self._set_finalizer(vm, wanted=True)
        wanted = STOP if is_being_deleted(vm) else wish(vm, vmi)
        sight = await self._live_update(await self._act(Sight(vm, vmi), wanted))
        await self._tell(sight)
        if sight.failure is not None:
            raise ApiError(0, *sight.failure)
        return wanted.again

    def _vmi_of(self, vm: Object) -> Object | None:
        """The VMI of its name that it controls."""
        vmi = self._actor.caches.vmis.get(*key_of(vm))
        owners = vmi["metadata"].get("ownerReferences", ()) if vmi is not None else ()
        return vmi if any(owner["uid"] == vm["metadata"]["uid"] for owner in owners) else None

    async def _set_finalizer(self, vm: Object, *, wanted: bool) -> Object:
        finalizers = vm["metadata"].get("finalizers") or []
        if (keys.VM_FINALIZER in finalizers) == wanted:
            return vm
        others = [name for name in finalizers if name != keys.VM_FINALIZER]
        metadata = {**vm["metadata"], "finalizers": [*others, keys.VM_FINALIZER] if wanted else others}
        return await self._actor.update(VMS, {**vm, "metadata": metadata})

    async def _act(self, sight: Sight, wanted: Wish) -> Sight:
        """Starts or stops; a refusal becomes the VM's Failure."""
        try:
            if wanted.start:
                return await self._start(sight)
            if wanted.stop and sight.vmi is not None and not is_being_deleted(sight.vmi):
                return await self._stop(sight, sight.vmi, wanted.rerun)
        except ApiError as error:
            doing, reason = ("Starting", "FailedCreate") if wanted.start else ("Failure while deleting", "FailedDelete")
            return replace(sight, failure=(reason, f"{doing} VMI: {error.message}"))
        return sight

    async def _start(self, sight: Sight) -> Sight:
        try:
            vmi = await self._actor.create(VMIS, instance_of(sight.vm))
        except ApiError as error:
            said = f"Error creating virtual machine instance: {error.message}"
            self._actor.events.warning(sight.vm, "FailedCreate", said)
            raise
        name = vmi["metadata"]["name"]
        said = f"Started the virtual machine by creating the new virtual machine instance {name}"
        self._actor.events.normal(sight.vm, "SuccessfulCreate", said)
        return replace(sight, vmi=vmi, starting=True)

    async def _stop(self, sight: Sight, vmi: Object, rerun: bool) -> Sight:
        try:
            await self._actor.delete(VMIS, vmi)
        except ApiError as error:
            said = f"Error deleting virtual machine instance {vmi['metadata']['name']}: {error.message}"
            self._actor.events.warning(sight.vm, "FailedDelete", said)
            raise
        uid = vmi["metadata"]["uid"]
        said = f"Stopped the virtual machine by deleting the virtual machine instance {uid}"
        self._actor.events.normal(sight.vm, "SuccessfulDelete", said)
        if not rerun:
            return replace(sight, stopping=True)
        status = {**(sight.vm.get("status") or {}), "stateChangeRequests": [{"action": "Start"}]}
        return replace(sight, vm={**sight.vm, "status": status}, stopping=True)

    async def _live_update(self, sight: Sight) -> Sight:
        """Parts of the template reach the running VMI, until one has to wait."""
        vmi = sight.vmi
        if vmi is None or sight.failure is not None or sight.starting or sight.stopping or sight.phase in FINAL:
            return sight
        restart = ""
        for outcome in live_updates.outcomes(sight.vm, vmi):
            if outcome.refusal is not None:
                return replace(sight, vmi=vmi, failure=outcome.refusal, restart=restart)
            restart = restart or outcome.restart
            if outcome.operations:
                vmi = await self._actor.patch_json(VMIS, vmi, outcome.operations)
        return replace(sight, vmi=vmi, restart=restart)

    async def _tell(self, sight: Sight) -> None:
        """The status first, then the finalizer by which the VMI waited to be told of."""
        vm = self._actor.caches.vms.get(*key_of(sight.vm)) or sight.vm
        status = status_of(sight)
        if status != (vm.get("status") or {}):
            await self._actor.update(VMS, {**sight.vm, "status": status}, "status")
        finalizers = (sight.vmi or {"metadata": {}})["metadata"].get("finalizers") or []
        if sight.vmi is not None and sight.phase in FINAL and keys.VM_FINALIZER in finalizers:
            left = [name for name in finalizers if name != keys.VM_FINALIZER]
            await self._actor.update(VMIS, {**sight.vmi, "metadata": {**sight.vmi["metadata"], "finalizers": left}})

    def _on_vm(self, before: Object | None, after: Object | None) -> None:
        if after is not None:
            self._controller.queue.add(key_of(after))

    def _on_vmi(self, before: Object | None, after: Object | None) -> None:
        vmi = after or before
        for owner in (vmi or {"metadata": {}})["metadata"].get("ownerReferences", ()):
            if vmi is not None and owner["kind"] == "VirtualMachine":
                self._controller.queue.add((vmi["metadata"]["namespace"], owner["name"]))
