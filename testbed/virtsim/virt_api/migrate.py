"""migrate: a migration of a VM, made by virt-api (pkg/virt-api/rest/lifecycle.go). Its name is not told."""

from virtsim.cluster.client import ApiError
from virtsim.objects.resources import VMIMS, Object
from virtsim.versions import Feature
from virtsim.virt_api.refusals import conflict, internal
from virtsim.virt_api.subresources import VM, Call, dry_run

ACCEPTED = 202


async def of_vm(call: Call) -> int:
    options = call.options()
    await call.vm()
    vmi = await call.vmi()
    if (vmi.get("status") or {}).get("phase") != "Running":
        raise conflict(VM, call.name, "VM is not running")
    try:
        await call.client.create(VMIMS, _migration(call, options), **dry_run(options))
    except ApiError as error:
        raise internal(error.message) from error
    return ACCEPTED


def _migration(call: Call, options: Object) -> Object:
    added = options.get("addedNodeSelector") if call.version.has(Feature.ADDED_NODE_SELECTOR) else None
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"namespace": call.namespace, "generateName": "kubevirt-migrate-vm-"},
        "spec": {"vmiName": call.name, **({"addedNodeSelector": added} if added else {})},
    }
