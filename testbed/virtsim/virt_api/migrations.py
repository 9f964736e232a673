"""Admission of VMIMs, in virt-api's order and words.

pkg/virt-api/webhooks/validating-webhook/admitters/migration-{create,update}-admitter.go and
mutating-webhook/mutators/migration-create-mutator.go.
"""

from collections.abc import Iterable

from virtsim.cluster.client import ApiError, Client
from virtsim.identities import CONTROLLER
from virtsim.objects import gates, keys
from virtsim.objects.conditions import condition
from virtsim.objects.migrations import is_final
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import KUBEVIRTS, VMIMS, VMIS, Object
from virtsim.versions import Version
from virtsim.virt_api.review import Denial, Request, invalid

GATED = {"priority", "sendTo", "receive"}
"""Fields of the spec that a feature gate may forbid."""


async def admit_create(client: Client, version: Version, request: Request) -> Denial | None:
    """Why this VMIM may not be created, or None. Reads live, as virt-api does: not atomic with the creation."""
    spec = request.new.get("spec") or {}
    name = spec.get("vmiName", "")
    if not name:
        return invalid("FieldValueRequired", "vmiName is missing", "spec.vmiName")
    kubevirts: list[Object] = (await client.list(KUBEVIRTS))["items"] if GATED & spec.keys() else []
    if (denial := refused_priority(request, kubevirts, version)) is not None:
        return denial
    try:
        vmi = await client.get(VMIS, request.namespace, name)
    except ApiError as error:
        if error.code != 404:
            raise
        return Denial(f'the VMI "{request.namespace}/{name}" does not exist')
    return (
        refused_by_vmi(vmi, spec)
        or in_flight(await _migrations_of(client, request.namespace, name), name)
        or refused_decentralized(spec, kubevirts, version)
    )


def refused_priority(request: Request, kubevirts: Iterable[Object], version: Version) -> Denial | None:
    """Priorities are virt-controller's, and before 1.9 nobody's unless their gate is open."""
    if "priority" not in (request.new.get("spec") or {}):
        return None
    if not gates.has_priorities(kubevirts, version):
        message = "MigrationPriorityQueue feature gate is not enabled in kubevirt resource"
        return invalid("FieldValueForbidden", message, "spec.migrationPriority")
    if request.user != CONTROLLER.user:
        message = "Migration priority queue, only virt-controller is allowed to set priority field"
        return invalid("FieldValueForbidden", message, "spec.migrationPriority")
    return None


def refused_by_vmi(vmi: Object, spec: Object) -> Denial | None:
    """A VMI that is over, or whose virt-handler says that it cannot migrate. An absent condition is no refusal.

    Disks that are not shared do not keep a VM from another cluster.
    """
    if (vmi.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return Denial("Cannot migrate VMI in finalized state.")
    migratable = condition(vmi, "LiveMigratable") or {}
    reason, message = migratable.get("reason", ""), migratable.get("message", "")
    if migratable.get("status") != "False" or (reason == "DisksNotLiveMigratable" and _is_decentralized(spec)):
        return None
    return Denial(f"Cannot migrate VMI, Reason: {reason}, Message: {message}")


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


def refused_decentralized(spec: Object, kubevirts: Iterable[Object], version: Version) -> Denial | None:
    """Migrations between clusters are behind a gate; one that has both ends must mean the same migration."""
    send, receive = spec.get("sendTo"), spec.get("receive")
    if not send and not receive:
        return None
    if not gates.is_open(gates.DECENTRALIZED_LIVE_MIGRATION, kubevirts, version):
        message = f"{gates.DECENTRALIZED_LIVE_MIGRATION} feature gate is not enabled in kubevirt resource"
        return invalid("FieldValueNotSupported", message)
    if send and receive and send["migrationID"] != receive["migrationID"]:
        message = (
            f"sendTo migrationID {send['migrationID']} does not match receive migrationID {receive['migrationID']}"
        )
        return invalid("FieldValueInvalid", message)
    return None


def admit_update(request: Request) -> Denial | None:
    """The spec never changes, and the label by which migrations are found stays while one is in flight."""
    if (request.new.get("spec") or {}) != (request.old.get("spec") or {}):
        return invalid("FieldValueNotSupported", "update of Migration object's spec is restricted")
    before, after = labels_of(request.old), labels_of(request.new)
    if keys.VMI_NAME not in before or before[keys.VMI_NAME] == after.get(keys.VMI_NAME) or is_final(request.new):
        return None
    # Whoever takes the label away and leaves others has "modified" it.
    verb = "modified on" if after else "removed from"
    return invalid("FieldValueNotSupported", f"selector label can't be {verb} an in-flight migration")


def mutation(request: Request) -> list[Object]:
    """The label (whatever the user wrote) and the finalizer of a new VMIM, as a JSON patch."""
    metadata = request.new["metadata"]
    labels = {**labels_of(request.new), keys.VMI_NAME: (request.new.get("spec") or {}).get("vmiName", "")}
    finalizers = [name for name in metadata.get("finalizers") or [] if name != keys.MIGRATION_FINALIZER]
    return [
        {"op": "add", "path": "/metadata/labels", "value": labels},
        {"op": "add", "path": "/metadata/finalizers", "value": [*finalizers, keys.MIGRATION_FINALIZER]},
    ]


def _is_decentralized(spec: Object) -> bool:
    """With both ends in one VMIM it is a local migration."""
    return bool(spec.get("sendTo")) != bool(spec.get("receive"))


async def _migrations_of(client: Client, namespace: str, name: str) -> list[Object]:
    listed = await client.list(VMIMS, namespace, labelSelector=f"{keys.VMI_NAME} in ({name})")
    vmims: list[Object] = listed["items"]
    return vmims
