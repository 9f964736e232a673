"""Admission of changes of VMIs by users (admitters/vmi-update-admitter.go, mutators/vmi-mutator.go).

KubeVirt's own service accounts do not come here: the webhooks' match conditions leave them out, which also spares the
simulator a call for each of its own writes.
"""

from virtsim.objects import keys
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import Object
from virtsim.virt_api.review import Denial, Request, invalid

RESERVED_LABELS = frozenset(
    {
        keys.CREATED_BY,
        keys.MIGRATION_JOB_UID,
        keys.NODE_NAME,
        keys.MIGRATION_TARGET_NODE,
        keys.SCHEDULABLE,
        keys.INSTALL_STRATEGY,
    }
)


def admit_update(request: Request) -> Denial | None:
    """A user may change neither the spec nor the labels that KubeVirt works by; everything else is free."""
    if request.new.get("spec") != request.old.get("spec"):
        return invalid("FieldValueNotSupported", "update of VMI object is restricted", "")
    before, after = labels_of(request.old), labels_of(request.new)
    if any(before.get(label) != after.get(label) for label in RESERVED_LABELS):
        message = "modification of the following reserved kubevirt.io/ labels on a VMI object is prohibited"
        return invalid("FieldValueNotSupported", message, "metadata.labels")
    return None


def mutation(request: Request) -> list[Object]:
    """A user's change of the status is undone without a word, as a JSON patch."""
    before, after = request.old.get("status"), request.new.get("status")
    if before == after:
        return []
    if before is None:
        return [{"op": "remove", "path": "/status"}]
    return [{"op": "add", "path": "/status", "value": before}]
