"""What a new VMI is given (mutators/vmi-mutator.go, pkg/defaults/defaults.go). Pure.

The part of it that a simulation can show: what a launcher pod is rendered from, and what a migration looks at.
"""

from typing import Any

from virtsim.objects import keys, quantity
from virtsim.objects.phases import in_phase
from virtsim.objects.pods import NONROOT_USER, annotations_of
from virtsim.objects.resources import Object

HOTPLUG_RATIO = 4
LARGEST_GUEST_VCPUS = 512
SMALLEST_HOTPLUG_GUEST = 2**30
HOTPLUG_ALIGNMENT = 2 * 2**20


def defaulted(vmi: Object, configuration: Object) -> Object:
    """The VMI as it is stored: its spec filled in, finalizer and annotations added, Pending."""
    spec = _spec(vmi.get("spec") or {}, configuration)
    metadata = vmi["metadata"]
    finalizers = [name for name in metadata.get("finalizers") or () if name != keys.VMI_FINALIZER]
    # virt-controller writes the two versions a moment later; nothing waits for them.
    annotations = {
        keys.LATEST_API_VERSION: "v1",
        keys.STORAGE_API_VERSION: "v1",
        keys.PCI_TOPOLOGY: "v3",
        **annotations_of(vmi),
    }
    return {
        **vmi,
        "metadata": {**metadata, "finalizers": [*finalizers, keys.VMI_FINALIZER], "annotations": annotations},
        "spec": spec,
        "status": _status(spec),
    }


def _spec(given: Object, configuration: Object) -> Object:
    strategy = configuration.get("evictionStrategy")
    spec = {
        "architecture": "amd64",
        **({"evictionStrategy": strategy} if strategy else {}),
        **{field: value for field, value in given.items() if value not in (None, "")},
    }
    return _with_network({**spec, "domain": _domain(spec.get("domain") or {}, configuration)}, configuration)


def _domain(given: Object, configuration: Object) -> Object:
    resources = given.get("resources") or {}
    machine = given.get("machine") or {}
    default_machine = ((configuration.get("architectureConfiguration") or {}).get("amd64") or {}).get("machineType")
    domain = {
        **given,
        "machine": {**machine, "type": machine.get("type") or default_machine or "q35"},
        "resources": resources,
        "devices": given.get("devices") or {},
        "cpu": _cpu(given.get("cpu") or {}, resources, configuration),
    }
    guest = _guest_memory(given.get("memory") or {}, resources)
    return {**domain, "memory": _memory(given.get("memory") or {}, guest, configuration)}


def _cpu(given: Object, resources: Object, configuration: Object) -> Object:
    """One vCPU, or sockets by the CPUs that are requested; room to plug in four times as many sockets."""
    asked = (resources.get("limits") or {}).get("cpu") or (resources.get("requests") or {}).get("cpu") or 1
    sockets = (
        max(1, quantity.size(asked)) if not any(given.get(part) for part in ("cores", "sockets", "threads")) else 1
    )
    cpu: Object = {"cores": 1, "sockets": sockets, "threads": 1, "model": configuration.get("cpuModel") or "host-model"}
    cpu |= {field: value for field, value in given.items() if value not in (None, "", 0)}
    if _is_live_updated(configuration):
        live = configuration.get("liveUpdateConfiguration") or {}
        per_socket = cpu["cores"] * cpu["threads"]
        room = live.get("maxCpuSockets") or cpu["sockets"] * _ratio(configuration)
        if room * per_socket > LARGEST_GUEST_VCPUS:
            room = LARGEST_GUEST_VCPUS // per_socket
        cpu.setdefault("maxSockets", max(room, cpu["sockets"]))
    return cpu


def _guest_memory(given: Object, resources: Object) -> Any:
    """What is asked for; else what is requested, or may be used at most, or one huge page."""
    return (
        given.get("guest")
        or (resources.get("requests") or {}).get("memory")
        or (resources.get("limits") or {}).get("memory")
        or (given.get("hugepages") or {}).get("pageSize")
    )


def _memory(given: Object, guest: Any, configuration: Object) -> Object:
    """The guest's memory, and how far it may be plugged: not at all below 1Gi or out of step."""
    if guest is None:
        return given
    size = quantity.size(guest)
    memory = {**given, "guest": guest}
    if _is_live_updated(configuration) and size >= SMALLEST_HOTPLUG_GUEST and size % HOTPLUG_ALIGNMENT == 0:
        live = configuration.get("liveUpdateConfiguration") or {}
        memory.setdefault("maxGuest", live.get("maxGuest") or quantity.binary(size * _ratio(configuration)))
    return memory


def _with_network(spec: Object, configuration: Object) -> Object:
    """An interface on the pod's network for a VMI that names none and did not ask to go without."""
    domain = spec["domain"]
    devices = domain["devices"]
    if devices.get("interfaces") or spec.get("networks") or devices.get("autoattachPodInterface") is False:
        return spec
    kind = (configuration.get("network") or {}).get("defaultNetworkInterface") or "bridge"
    attached = {**devices, "interfaces": [{"name": "default", kind: {}}]}
    return {**spec, "domain": {**domain, "devices": attached}, "networks": [{"name": "default", "pod": {}}]}


def _status(spec: Object) -> Object:
    cpu, memory = spec["domain"]["cpu"], spec["domain"]["memory"]
    fields: dict[str, Any] = {
        "runtimeUser": NONROOT_USER,
        "currentCPUTopology": {part: cpu[part] for part in ("cores", "sockets", "threads")},
    }
    if memory.get("guest"):
        fields["memory"] = dict.fromkeys(("guestAtBoot", "guestCurrent", "guestRequested"), memory["guest"])
    status: Object = in_phase({}, "Pending", **fields)["status"]
    return status


def _is_live_updated(configuration: Object) -> bool:
    return bool(configuration.get("vmRolloutStrategy", "LiveUpdate") == "LiveUpdate")


def _ratio(configuration: Object) -> int:
    return int((configuration.get("liveUpdateConfiguration") or {}).get("maxHotplugRatio") or HOTPLUG_RATIO)
