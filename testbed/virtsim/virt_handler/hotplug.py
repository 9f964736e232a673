"""What the target's virt-handler does for a VM that has arrived, besides running it (migration-target.go). Pure."""

from typing import Any

from virtsim.objects import keys
from virtsim.objects.conditions import condition, without_condition
from virtsim.objects.phases import with_status
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import Object

POD_LABELS = (keys.POD_CPU_LIMITS, keys.POD_MEMORY_REQUESTS)


def finalized(vmi: Object) -> Object:
    """The VMI with the CPUs and the memory that its spec asks for plugged in, and its migrated volumes settled."""
    status, domain = vmi["status"], vmi["spec"]["domain"]
    done: dict[str, Any] = {}
    if condition(vmi, "HotVCPUChange") is not None:
        cpu = domain.get("cpu") or {}
        done["currentCPUTopology"] = {part: int(cpu.get(part) or 1) for part in ("cores", "sockets", "threads")}
    if condition(vmi, "HotMemoryChange") is not None:
        guest = domain["memory"]["guest"]
        done["memory"] = {**(status.get("memory") or {}), "guestRequested": guest, "guestCurrent": guest}
    conditions = status.get("conditions") or []
    for kind in ("HotVCPUChange", "HotMemoryChange", "VolumesChange"):
        conditions = without_condition(conditions, kind)
    left = {field: value for field, value in status.items() if field != "migratedVolumes"}
    labels = {key: value for key, value in labels_of(vmi).items() if key not in POD_LABELS}
    settled = {**vmi, "metadata": {**vmi["metadata"], "labels": labels}, "status": left}
    return with_status(settled, conditions=conditions, **done)
