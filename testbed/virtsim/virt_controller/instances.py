"""The VMI that a VirtualMachine asks for (watch/vm/vm.go, SetupVMIFromVM), which virt-api's webhook fills in. Pure."""

from virtsim.objects import keys
from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Object

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
        "spec": template["spec"],
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
