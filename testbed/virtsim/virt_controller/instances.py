"""The VMI that a VirtualMachine asks for (watch/vm/vm.go, SetupVMIFromVM), as virt-api's webhook leaves it. Pure."""

from virtsim.objects import keys, quantity
from virtsim.objects.phases import in_phase
from virtsim.objects.pods import NONROOT_USER, annotations_of
from virtsim.objects.resources import Object
from virtsim.virt_controller.memory_limits import unpluggable

HOTPLUG_RATIO = 4
VERSIONED = {keys.LATEST_API_VERSION: "v1", keys.STORAGE_API_VERSION: "v1"}


def instance_of(vm: Object) -> Object:
    """The template's labels, annotations and spec under the VM's name; it is the VM's, and of its generation."""
    metadata, template = vm["metadata"], vm["spec"]["template"]
    shaped = template.get("metadata") or {}
    generation = {keys.VM_GENERATION: str(metadata.get("generation", 1))}
    annotations = {
        **(shaped.get("annotations") or {}),
        **VERSIONED,
        keys.PCI_TOPOLOGY: "v3",
        **generation,
        **_place(vm),
    }
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": dict(shaped.get("labels") or {}),
            "annotations": annotations,
            "finalizers": [keys.VM_FINALIZER, keys.VMI_FINALIZER],
            "ownerReferences": [owner_reference(vm)],
        },
        "spec": _with_defaults(template["spec"]),
        "status": in_phase({}, "Pending", runtimeUser=NONROOT_USER)["status"],
    }


def owner_reference(vm: Object) -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "name": vm["metadata"]["name"],
        "uid": vm["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _place(vm: Object) -> dict[str, str]:
    """The fleet says where a VM starts the first time; from then on kube-scheduler does."""
    node = annotations_of(vm).get(keys.START_ON)
    started = (vm.get("status") or {}).get("runStrategy")
    return {} if node is None or started else {keys.START_ON: node}


def _with_defaults(spec: Object) -> Object:
    """pkg/defaults/defaults.go, as far as it counts here: four times the CPUs and the memory may be plugged in."""
    domain = spec["domain"]
    cpu = {"model": "host-model", "cores": 1, "sockets": 1, "threads": 1, **(domain.get("cpu") or {})}
    filled = {
        **domain,
        "cpu": {"maxSockets": HOTPLUG_RATIO * int(cpu["sockets"]), **cpu},
        "memory": _pluggable(domain),
        "machine": {"type": "q35", **(domain.get("machine") or {})},
        "devices": domain.get("devices") or {},
    }
    return {"architecture": "amd64", **spec, "domain": filled}


def _pluggable(domain: Object) -> Object:
    memory: Object = domain.get("memory") or {}
    if "guest" not in memory or "maxGuest" in memory:
        return memory
    most = quantity.binary(HOTPLUG_RATIO * quantity.size(memory["guest"]))
    return memory if unpluggable(domain, memory["guest"], most) else {**memory, "maxGuest": most}
