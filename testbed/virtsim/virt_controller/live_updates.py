"""What of a VirtualMachine's template reaches its running VMI at once (watch/vm/vm.go). Pure.

Where it may run binds at the next migration or start. More CPUs or memory make the VMI wait for a migration, which the
workload updater starts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from virtsim.objects import quantity
from virtsim.objects.conditions import is_false, is_true
from virtsim.objects.migrations import is_being_deleted, is_migrating
from virtsim.objects.resources import Object
from virtsim.virt_controller.memory_limits import unpluggable

Operations = tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a difference comes to: a JSON patch of the VMI, a refusal (reason, message), or that a restart is needed."""

    operations: Operations = ()
    refusal: tuple[str, str] | None = None
    restart: str = ""


Update = Callable[[Object, Object], Outcome | None]


def outcomes(vm: Object, vmi: Object) -> list[Outcome]:
    """One for each part of the template that the running VMI is behind of, in KubeVirt's order."""
    if is_being_deleted(vmi):
        return []
    return [outcome for update in UPDATES if (outcome := update(vm, vmi)) is not None]


def _template(vm: Object) -> dict[str, Any]:
    spec: dict[str, Any] = vm["spec"]["template"].get("spec") or {}
    return spec


def _replaced(path: str, known: Any, wanted: Any) -> Operations:
    if not wanted:
        return ({"op": "remove", "path": path},)
    if known is None:
        return ({"op": "add", "path": path, "value": wanted},)
    return ({"op": "test", "path": path, "value": known}, {"op": "replace", "path": path, "value": wanted})


def _placement(field: str, reason: str, message: str) -> Update:
    def update(vm: Object, vmi: Object) -> Outcome | None:
        wanted, known = _template(vm).get(field), vmi["spec"].get(field)
        if (wanted or None) == (known or None):
            return None
        if is_migrating(vmi):
            return Outcome(refusal=(reason, message))
        return Outcome(_replaced(f"/spec/{field}", known, wanted))

    return update


def _busy(vmi: Object, condition: str, what: str, reason: str, doing: str) -> Outcome | None:
    if is_true(vmi, condition):
        return Outcome(refusal=(reason, f"{doing}: another {what} hotplug is in progress"))
    if is_migrating(vmi):
        return Outcome(refusal=(reason, f"{doing}: {what} hotplug is not allowed while VMI is migrating"))
    return None


def _sockets(vm: Object, vmi: Object) -> Outcome | None:
    wanted_cpu, known_cpu = (_template(vm).get("domain") or {}).get("cpu"), vmi["spec"]["domain"].get("cpu")
    if not wanted_cpu or not known_cpu or "sockets" not in wanted_cpu:
        return None
    wanted, known = int(wanted_cpu["sockets"]), int(known_cpu.get("sockets", 1))
    if wanted == known:
        return None
    doing = "Error encountered while handling CPU change request"
    if (busy := _busy(vmi, "HotVCPUChange", "CPU", "HotPlugCPUError", doing)) is not None:
        return busy
    if wanted > int(known_cpu.get("maxSockets", 0)):
        return Outcome(restart="CPU sockets updated in template spec to a value higher than what's available")
    if wanted < known:
        return Outcome(restart="Reduction of CPU socket count requires a restart")
    return Outcome(_replaced("/spec/domain/cpu/sockets", known_cpu.get("sockets"), wanted))


def _guest_memory(vm: Object, vmi: Object) -> Outcome | None:
    memory = vmi["spec"]["domain"].get("memory") or {}
    wanted = ((_template(vm).get("domain") or {}).get("memory") or {}).get("guest")
    known, most = memory.get("guest"), memory.get("maxGuest")
    if not wanted or not known or quantity.size(wanted) == quantity.size(known):
        return None
    if (needed := _memory_restart(vm, vmi, wanted, most)) is not None:
        return Outcome(restart=needed)
    doing = "error encountered while handling memory hotplug requests"
    if (busy := _busy(vmi, "HotMemoryChange", "memory", "HotPlugMemoryError", doing)) is not None:
        return busy
    return Outcome(_replaced("/spec/domain/memory/guest", known, wanted))


def _memory_restart(vm: Object, vmi: Object, wanted: str, most: str | None) -> str | None:
    """Why this amount of memory needs a restart, or None."""
    said = "memory updated in template spec"
    at_boot = (vmi["status"].get("memory") or {}).get("guestAtBoot", wanted)
    if is_false(vmi, "HotMemoryChange"):
        return f"{said}. Memory-hotplug failed and is not available for this VM configuration"
    if not is_true(vmi, "LiveMigratable"):
        return f"{said}. Memory-hotplug is only available for migratable VMs"
    if most is None:
        return f"{said}. Memory-hotplug is not available for this VM configuration"
    if (reason := unpluggable(_template(vm)["domain"], wanted, most)) is not None:
        return f"memory hotplug not supported, {reason}"
    if quantity.size(wanted) < quantity.size(at_boot):
        return f"{said} to a value lower than what the VM started with"
    return None


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

UPDATES: tuple[Update, ...] = (
    _sockets,
    _placement("affinity", *_AFFINITY),
    _placement("nodeSelector", *_AFFINITY),
    _placement("tolerations", *_TOLERATIONS),
    _guest_memory,
)
