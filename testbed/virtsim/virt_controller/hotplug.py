"""How a VMI tells that its domain is behind its spec until it is migrated (watch/vmi/lifecycle.go). Pure."""

from virtsim.objects import keys, quantity
from virtsim.objects.conditions import condition
from virtsim.objects.overhead import vcpus
from virtsim.objects.pods import COMPUTE
from virtsim.objects.resources import Object


def with_hotplugs(vmi: Object, conditions: list[Object]) -> list[Object]:
    """The conditions with HotVCPUChange and HotMemoryChange where they are due; a virt-handler takes them away."""
    due = [kind for kind, is_due in (("HotVCPUChange", _cpus(vmi)), ("HotMemoryChange", _memory(vmi))) if is_due]
    missing = [kind for kind in due if condition(vmi, kind) is None]
    added = [{"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": None} for kind in missing]
    return [*conditions, *added]


def hand_over_labels(vmi: Object, target: Object) -> dict[str, str]:
    """What the target's virt-handler has to know of the pod it plugs into: dedicated CPUs, and memory with pages."""
    compute = next(entry for entry in target["spec"]["containers"] if entry["name"] == COMPUTE)
    resources = compute.get("resources") or {}
    labels: dict[str, str] = {}
    dedicated = (vmi["spec"]["domain"].get("cpu") or {}).get("dedicatedCpuPlacement")
    if dedicated and condition(vmi, "HotVCPUChange") is not None:
        labels[keys.POD_CPU_LIMITS] = str(quantity.size(resources["limits"]["cpu"]))
    if condition(vmi, "HotMemoryChange") is not None:
        requests = resources["requests"]
        pages = ("memory", "hugepages-2Mi", "hugepages-1Gi")
        labels[keys.POD_MEMORY_REQUESTS] = quantity.binary(sum(quantity.size(requests.get(name, 0)) for name in pages))
    return labels


def _cpus(vmi: Object) -> bool:
    cpu, now = vmi["spec"]["domain"].get("cpu") or {}, vmi["status"].get("currentCPUTopology")
    return bool(cpu.get("maxSockets") and now) and vcpus({"cpu": cpu}) != vcpus({"cpu": now})


def _memory(vmi: Object) -> bool:
    memory, now = vmi["spec"]["domain"].get("memory") or {}, vmi["status"].get("memory") or {}
    given = memory.get("guest") and memory.get("maxGuest") and now.get("guestRequested")
    return bool(given) and quantity.size(memory["guest"]) != quantity.size(now["guestRequested"])
