"""Admission of VMIMs, in virt-api's order and words.

pkg/virt-api/webhooks/validating-webhook/admitters/migration-{create,update}-admitter.go and
mutating-webhook/mutators/migration-create-mutator.go.
"""

from virtsim.cluster.client import ApiError, Client
from virtsim.identities import CONTROLLER
from virtsim.objects import keys
from virtsim.objects.conditions import condition
from virtsim.objects.migrations import is_final
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import VMIMS, VMIS, Object
from virtsim.virt_api.review import Denial, Request, invalid


async def admit_create(client: Client, request: Request) -> Denial | None:
    """Why this VMIM may not be created, or None. Reads live, as virt-api does: not atomic with the creation."""
    spec = request.new.get("spec") or {}
    name = spec.get("vmiName", "")
    if not name:
        return invalid("FieldValueRequired", "vmiName is missing", "spec.vmiName")
    if spec.get("priority") and request.user != CONTROLLER.user:
        return invalid(
            "FieldValueForbidden",
            "Migration priority queue, only virt-controller is allowed to set priority field",
            "spec.migrationPriority",
        )
    try:
        vmi = await client.get(VMIS, request.namespace, name)
    except ApiError as error:
        if error.code != 404:
            raise
        return Denial(f'the VMI "{request.namespace}/{name}" does not exist')
    return refused_by_vmi(vmi) or in_flight(await _migrations_of(client, request.namespace, name), name)


def refused_by_vmi(vmi: Object) -> Denial | None:
    """A VMI that is over, or whose virt-handler says that it cannot migrate. An absent condition is no refusal."""
    if (vmi.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return Denial("Cannot migrate VMI in finalized state.")
    migratable = condition(vmi, "LiveMigratable") or {}
    if migratable.get("status") == "False":
        reason, message = migratable.get("reason", ""), migratable.get("message", "")
        return Denial(f"Cannot migrate VMI, Reason: {reason}, Message: {message}")
    return None


def in_flight(vmims: list[Object], name: str) -> Denial | None:
    """Any migration of the VMI that is not over, also one without a phase or on its way out."""
    for vmim in vmims:
        if not is_final(vmim):
            uid = vmim["metadata"]["uid"]
            return Denial(
                f"in-flight migration detected. Active migration job ({uid}) is currently already in progress for "
                f"VMI {name}."
            )
    return None


def admit_update(request: Request) -> Denial | None:
    """The spec never changes, and the label by which migrations are found stays while one is in flight."""
    if (request.new.get("spec") or {}) != (request.old.get("spec") or {}):
        message = "update of Migration object's spec is restricted"
        return invalid("FieldValueNotSupported", message, "")
    before, after = labels_of(request.old).get(keys.VMI_NAME), labels_of(request.new).get(keys.VMI_NAME)
    if before is None or before == after or is_final(request.old):
        return None
    verb = "removed from" if after is None else "modified on"
    return invalid("FieldValueInvalid", f"selector label can't be {verb} an in-flight migration", "")


def mutation(request: Request) -> list[Object]:
    """The label (whatever the user wrote) and the finalizer of a new VMIM, as a JSON patch."""
    metadata = request.new["metadata"]
    labels = {**labels_of(request.new), keys.VMI_NAME: (request.new.get("spec") or {}).get("vmiName", "")}
    finalizers = [name for name in metadata.get("finalizers") or [] if name != keys.MIGRATION_FINALIZER]
    return [
        {"op": "add", "path": "/metadata/labels", "value": labels},
        {"op": "add", "path": "/metadata/finalizers", "value": [*finalizers, keys.MIGRATION_FINALIZER]},
    ]


async def _migrations_of(client: Client, namespace: str, name: str) -> list[Object]:
    listed = await client.list(VMIMS, namespace, labelSelector=f"{keys.VMI_NAME} in ({name})")
    vmims: list[Object] = listed["items"]
    return vmims
