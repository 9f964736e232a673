"""What a migration finishes on the target: CPU and memory hotplug, volumes that changed their place
(pkg/virt-handler/migration-target.go, finalizeMigration). Pure.
"""

from typing import Any

from virtsim.objects import keys, quantity
from virtsim.objects.conditions import condition, is_true, without_condition
from virtsim.objects.overhead import guest_memory
from virtsim.objects.pods import labels_of
from virtsim.objects.resources import Object

DONE = ("HotVCPUChange", "HotMemoryChange", "VolumesChange")
POD_RESOURCES = (keys.POD_CPU_LIMITS, keys.POD_MEMORY_REQUESTS)
"""Labels that virt-controller puts on the VMI at the hand-over, for the quota of the bigger pod."""


def finalized(vmi: Object) -> Object:
    """The VMI with nothing pending: it has the CPUs, the memory and the volumes that its spec asks for."""
    status: dict[str, Any] = dict(vmi["status"])
    if condition(vmi, "HotVCPUChange") is not None:
        status["currentCPUTopology"] = topology(vmi)
    if is_true(vmi, "HotMemoryChange"):
        guest = quantity.binary(guest_memory(vmi["spec"]["domain"]))
        status["memory"] = {**(status.get("memory") or {}), "guestCurrent": guest, "guestRequested": guest}
    if "conditions" in status:
        for kind in DONE:
            status["conditions"] = without_condition(status["conditions"], kind)
    status.pop("migratedVolumes", None)
    labels = {key: value for key, value in labels_of(vmi).items() if key not in POD_RESOURCES}
    return {**vmi, "metadata": {**vmi["metadata"], "labels": labels}, "status": status}


def topology(vmi: Object) -> dict[str, int]:
    """Cores, sockets and threads as the spec has them, 1 where it says nothing."""
    cpu = vmi["spec"]["domain"].get("cpu") or {}
    return {part: int(cpu.get(part) or 1) for part in ("cores", "sockets", "threads")}
