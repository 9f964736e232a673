"""The fleet file: what nodes, virtual machines and KubeVirt configuration to simulate."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from virtsim.objects import quantity

Quantity = str | int | float
Positive = Annotated[int, msgspec.Meta(ge=1)]


class FleetError(ValueError):
    """The fleet file does not say what it must, or contradicts itself."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A part of the file; a key that means nothing is refused."""


class Taint(Strict, frozen=True):
    key: str
    value: str = ""
    effect: str = "NoSchedule"


class Nodes(Strict, frozen=True):
    """`name` is the node's name, or with `count` the stem of `<name>-1`, `<name>-2`, ... padded to equal length."""

    name: str
    count: Positive | None = None
    cpu: Quantity = 16
    memory: Quantity = "64Gi"
    pods: Positive = 110
    devices: dict[str, Quantity] = {}
    labels: dict[str, str] = {}
    taints: list[Taint] = []
    cpu_model: str = "Skylake-Server"
    cpu_models: list[str] = []
    cpu_features: list[str] = []
    cpu_vendor: str = "Intel"
    unschedulable: bool = False


class NotMigratable(Strict, frozen=True):
    """The reason and message of LiveMigratable=False, as KubeVirt words them."""

    reason: str = "DisksNotLiveMigratable"
    message: str = (
        "cannot migrate VMI: PVC data is not shared, live migration requires that all PVCs must be shared "
        "(using ReadWriteMany access mode)"
    )


class VirtualMachines(Strict, frozen=True):
    """`name` as for nodes. `node` is where they start: a node, or a group of nodes in turn; absent: the scheduler's
    choice. `dirty_rate` is in bytes per second. `spec` is laid over the VMI's spec, in KubeVirt's own words.
    `virtual_machine`: each VMI is made and owned by a VirtualMachine."""

    name: str
    count: Positive | None = None
    namespace: str = "default"
    memory: Quantity = "4Gi"
    vcpus: Positive = 2
    dirty_rate: Quantity = "20Mi"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    eviction_strategy: str | None = "LiveMigrate"
    node: str | None = None
    node_selector: dict[str, str] = {}
    cpu_model: str | None = None
    not_migratable: NotMigratable | None = None
    virtual_machine: bool = False
    spec: dict[str, Any] = {}


class KubeVirt(Strict, frozen=True):
    """`configuration` is spec.configuration of the KubeVirt CR, for example {migrations: {...}}.
    `workload_update_strategy` is spec.workloadUpdateStrategy, for example {workloadUpdateMethods: [LiveMigrate]}.
    `version` is what its status says, if not the first release of the simulated minor."""

    name: str = "kubevirt"
    version: str | None = None
    configuration: dict[str, Any] = {}
    workload_update_strategy: dict[str, Any] = {}


class Fleet(Strict, frozen=True):
    """The whole file. `defaults` fills in what the entries of `nodes` and `virtualMachines` leave out. With `fast_path`
    VMs are written down as running instead of being started (fast_path.py)."""

    defaults: dict[str, dict[str, Any]] = {}
    kubevirt: KubeVirt = KubeVirt()
    nodes: list[Nodes] = []
    virtual_machines: list[VirtualMachines] = []
    fast_path: bool = False


def read(path: Path) -> Fleet:
    """The fleet in a file. Raises FleetError with the place and what is wrong there."""
    try:
        return parse(yaml.safe_load(path.read_text()) or {})
    except (OSError, yaml.YAMLError) as error:
        raise FleetError(f"{path}: {error}") from error


def parse(document: dict[str, Any]) -> Fleet:
    """The fleet in a decoded document. Raises FleetError."""
    try:
        fleet = msgspec.convert(_filled_in(document), Fleet)
    except (msgspec.ValidationError, TypeError) as error:
        raise FleetError(f"fleet: {error}") from error
    _check(fleet)
    return fleet


def names(entry: Nodes | VirtualMachines) -> list[str]:
    """The names of a group: `web` alone, or `web-01` ... `web-12`."""
    if entry.count is None:
        return [entry.name]
    width = len(str(entry.count))
    return [f"{entry.name}-{number:0{width}d}" for number in range(1, entry.count + 1)]


def _filled_in(document: dict[str, Any]) -> dict[str, Any]:
    defaults = document.get("defaults") or {}
    unknown = sorted(set(defaults) - {"nodes", "virtualMachines"})
    if unknown:
        raise FleetError(f"fleet: defaults are for nodes and virtualMachines, not for {', '.join(unknown)}")
    filled = {name: [{**defaults.get(name, {}), **entry} for entry in document.get(name) or []] for name in defaults}
    return {**document, **filled}


def _check(fleet: Fleet) -> None:
    node_names = [name for group in fleet.nodes for name in names(group)]
    places = set(node_names) | {group.name for group in fleet.nodes}
    if len(node_names) != len(set(node_names)):
        raise FleetError("fleet: two groups of nodes share a name")
    vms = [(group.namespace, name) for group in fleet.virtual_machines for name in names(group)]
    if len(vms) != len(set(vms)):
        raise FleetError("fleet: two groups of virtual machines share a name in one namespace")
    for group in fleet.virtual_machines:
        if group.node is not None and group.node not in places:
            raise FleetError(f"fleet: {group.name} starts on {group.node}, which is no node and no group of nodes here")
        _is_quantity(group.name, group.memory, group.dirty_rate)
    for nodes in fleet.nodes:
        _is_quantity(nodes.name, nodes.cpu, nodes.memory, *nodes.devices.values())


def _is_quantity(where: str, *texts: Quantity) -> None:
    for text in texts:
        try:
            quantity.parse(text)
        except ValueError as error:
            raise FleetError(f"fleet: {where}: {error}") from error
