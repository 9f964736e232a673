"""Admission of VMIs (admitters/vmi-{create,update}-admitter.go, mutators/vmi-mutator.go).

KubeVirt's own service accounts come here only with a VMI that nobody has filled in: the webhooks' match conditions
leave the rest out, which also spares the simulator a call for each of its own writes.
"""

from typing import Any

from virtsim.objects import keys, quantity
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import Object
from virtsim.virt_api.review import Cause, Denial, Request, denied_for, invalid
from virtsim.virt_api.vmi_defaults import defaulted

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


def admit_create(request: Request) -> Denial | None:
    """A VMI has memory, and a user's none of the labels that KubeVirt works by."""
    domain = (request.new.get("spec") or {}).get("domain") or {}
    return denied_for([*_without_memory(domain), *reserved_labels(request.new["metadata"], "metadata.labels", request)])


def reserved_labels(metadata: Object, field: str, request: Request) -> list[Cause]:
    """What is wrong with the labels of a new VMI, or of a template for VMIs."""
    if request.by_kubevirt or not RESERVED_LABELS & (metadata.get("labels") or {}).keys():
        return []
    message = "creation of the following reserved kubevirt.io/ labels on a VMI object is prohibited"
    return [Cause("FieldValueNotSupported", message, field)]


def admit_update(request: Request) -> Denial | None:
    """A user may change neither the spec nor the labels that KubeVirt works by; everything else is free."""
    if request.new.get("spec") != request.old.get("spec"):
        return invalid("FieldValueNotSupported", "update of VMI object is restricted")
    before, after = labels_of(request.old), labels_of(request.new)
    if any(before.get(label) != after.get(label) for label in RESERVED_LABELS):
        message = "modification of the following reserved kubevirt.io/ labels on a VMI object is prohibited"
        return invalid("FieldValueNotSupported", message)
    return None


def creation(vmi: Object, configuration: Object) -> list[Object]:
    """What a new VMI is given, as a JSON patch. Raises ValueError for a quantity that is none."""
    given = defaulted(vmi, configuration)
    parts = (("metadata", "finalizers"), ("metadata", "annotations"))
    patch: list[dict[str, Any]] = [{"op": "add", "path": "/spec", "value": given["spec"]}]
    patch += [{"op": "add", "path": f"/{part}/{field}", "value": given[part][field]} for part, field in parts]
    return [*patch, {"op": "add", "path": "/status", "value": given["status"]}]


def mutation(request: Request) -> list[Object]:
    """A user's change of the status is undone without a word, as a JSON patch."""
    before, after = request.old.get("status"), request.new.get("status")
    if before == after or request.by_kubevirt:
        return []
    if before is None:
        return [{"op": "remove", "path": "/status"}]
    return [{"op": "add", "path": "/status", "value": before}]


def _without_memory(domain: Object) -> list[Cause]:
    memory = domain.get("memory") or {}
    requested = ((domain.get("resources") or {}).get("requests") or {}).get("memory", "0")
    if quantity.parse(requested) or memory.get("guest") or memory.get("hugepages"):
        return []
    fields = ("memory.guest", "memory.hugepages.pageSize", "resources.requests.memory")
    first, second, third = (f"'spec.domain.{field}'" for field in fields)
    message = f"no memory requested, at least one of {first}, {second} or {third} must be set"
    return [Cause("FieldValueRequired", message, "")]
