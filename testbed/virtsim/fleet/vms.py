"""VMI objects as they are created, and where the fleet says they start."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from virtsim.fleet.spec import Fleet, VirtualMachines, names
from virtsim.objects import keys
from virtsim.objects.phases import in_phase
from virtsim.objects.pods import NONROOT_USER
from virtsim.objects.resources import Key, Object


def render(fleet: Fleet) -> Iterator[Object]:
    """All VMIs of a fleet, Pending as virt-api's mutating webhook leaves them: virt-controller starts them.

    In the place of some of them the VirtualMachine that will make them.
    """
    placed = placements(fleet)
    for group in fleet.virtual_machines:
        for name in names(group):
            yield _machine(group, _vmi(group, name, placed.get((group.namespace, name))))


def keys_of(fleet: Fleet) -> set[Key]:
    """Namespaces and names of all VMs of a fleet."""
    return {(group.namespace, name) for group in fleet.virtual_machines for name in names(group)}


def sample(group: VirtualMachines) -> Object:
    """A VMI of a group, to learn what they all need; nobody is called so."""
    return {**_vmi(group, group.name, None), "metadata": {"name": group.name, "namespace": group.namespace, "uid": ""}}


def placements(fleet: Fleet) -> dict[Key, str]:
    """The node on which each placed VM starts. Groups of nodes are filled in turn, over all VM groups together."""
    turns = {group.name: cycle(names(group)) for group in fleet.nodes}
    turns.update({name: cycle([name]) for group in fleet.nodes for name in names(group)})
    return {
        (group.namespace, name): next(turns[group.node])
        for group in fleet.virtual_machines
        if group.node is not None
        for name in names(group)
    }


def _vmi(group: VirtualMachines, name: str, node: str | None) -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {
            "name": name,
            "namespace": group.namespace,
            "finalizers": [keys.VMI_FINALIZER],
            "labels": dict(group.labels),
            "annotations": _annotations(group, node),
        },
        "spec": overlaid(_spec(group), group.spec),
        "status": in_phase({}, "Pending", runtimeUser=NONROOT_USER)["status"],
    }


def _machine(group: VirtualMachines, vmi: Object) -> Object:
    """The VMI itself, or a VirtualMachine that always runs it."""
    if not group.virtual_machine:
        return vmi
    metadata, annotations = vmi["metadata"], vmi["metadata"]["annotations"]
    start = {keys.START_ON: annotations[keys.START_ON]} if keys.START_ON in annotations else {}
    handed_on = {key: value for key, value in annotations.items() if key != keys.START_ON}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "annotations": start},
        "spec": {
            "runStrategy": "Always",
            "template": {"metadata": {"labels": metadata["labels"], "annotations": handed_on}, "spec": vmi["spec"]},
        },
    }


def _annotations(group: VirtualMachines, node: str | None) -> dict[str, str]:
    start = {} if node is None else {keys.START_ON: node}
    refusal = group.not_migratable
    blocked = {} if refusal is None else {keys.NOT_MIGRATABLE: f"{refusal.reason}: {refusal.message}"}
    return {
        keys.LATEST_API_VERSION: "v1",
        keys.STORAGE_API_VERSION: "v1",
        keys.PCI_TOPOLOGY: "v3",
        keys.DIRTY_RATE: str(group.dirty_rate),
        **start,
        **blocked,
        **group.annotations,
    }


def _spec(group: VirtualMachines) -> dict[str, Any]:
    strategy = {} if group.eviction_strategy is None else {"evictionStrategy": group.eviction_strategy}
    selector = {"nodeSelector": dict(group.node_selector)} if group.node_selector else {}
    model = group.cpu_model or "host-model"
    return {
        **strategy,
        **selector,
        "architecture": "amd64",
        "terminationGracePeriodSeconds": 0,
        "domain": {
            "cpu": {"cores": group.vcpus, "sockets": 1, "threads": 1, "model": model},
            "memory": {"guest": str(group.memory)},
            "machine": {"type": "q35"},
            "resources": {},
            "devices": {"interfaces": [{"name": "default", "masquerade": {}}]},
        },
        "networks": [{"name": "default", "pod": {}}],
        "volumes": [],
    }


def overlaid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Maps merged key by key, everything else replaced."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        merged[key] = overlaid(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
