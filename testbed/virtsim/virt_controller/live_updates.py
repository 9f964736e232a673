"""What of a VirtualMachine's template reaches its running VMI at once: where it may run (watch/vm/vm.go). Pure.

It binds at the next migration or start; nothing is migrated for it.
"""

from dataclasses import dataclass
from typing import Any

from virtsim.objects.migrations import is_being_deleted, is_migrating
from virtsim.objects.resources import Object


@dataclass(frozen=True, slots=True)
class LiveUpdate:
    """A field of the VMI's spec, and how KubeVirt speaks of it when it may not be changed (reason, message)."""

    field: str
    reason: str
    message: str


_AFFINITY = (
    "AffinityChangeError",
    "Error encountered while handling node affinity change request: "
    "Node affinity should not be changed during VMI migration",
)
_TOLERATIONS = (
    "TolerationsChangeError",
    "Error encountered while handling tolerations change request: "
    "tolerations should not be changed during VMI migration",
)

LIVE_UPDATES = (
    LiveUpdate("affinity", *_AFFINITY),
    LiveUpdate("nodeSelector", *_AFFINITY),
    LiveUpdate("tolerations", *_TOLERATIONS),
)


def pending(vm: Object, vmi: Object | None) -> list[LiveUpdate]:
    """The fields in which the running VMI is behind its template."""
    if vmi is None or is_being_deleted(vmi):
        return []
    template = vm["spec"]["template"].get("spec") or {}
    return [
        each for each in LIVE_UPDATES if (template.get(each.field) or None) != (vmi["spec"].get(each.field) or None)
    ]


def refused(update: LiveUpdate, vmi: Object) -> tuple[str, str] | None:
    """Why it has to wait (reason, message), or None."""
    return (update.reason, update.message) if is_migrating(vmi) else None


def operations(update: LiveUpdate, vm: Object, vmi: Object) -> list[dict[str, Any]]:
    """The JSON patch of the VMI."""
    path = f"/spec/{update.field}"
    wanted = (vm["spec"]["template"].get("spec") or {}).get(update.field)
    known = vmi["spec"].get(update.field)
    if not wanted:
        return [{"op": "remove", "path": path}]
    if known is None:
        return [{"op": "add", "path": path, "value": wanted}]
    return [{"op": "test", "path": path, "value": known}, {"op": "replace", "path": path, "value": wanted}]
