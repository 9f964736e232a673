"""Whether a VM could migrate, by its spec (pkg/virt-handler/vm.go, calculateLiveMigrationCondition). Pure."""

from collections.abc import Callable, Collection
from typing import Any

from virtsim.objects.pods import annotations_of
from virtsim.objects.resources import Object

Devices = dict[str, Any]

BRIDGE_ALLOWED = "kubevirt.io/allow-pod-bridge-network-live-migration"
VGPU_GATE = "VGPULiveMigration"


def _bridged_to_the_pod_network(vmi: Object, gates: Collection[str]) -> bool:
    networks = {network["name"] for network in vmi["spec"].get("networks") or () if "pod" in network}
    bridged = {entry["name"] for entry in _devices(vmi).get("interfaces") or () if "bridge" in entry}
    return bool(networks & bridged) and BRIDGE_ALLOWED not in annotations_of(vmi)


def _one_gpu_too_many(vmi: Object, gates: Collection[str]) -> bool:
    return len(_devices(vmi).get("gpus") or ()) > 1


def _gpu_without_gate(vmi: Object, gates: Collection[str]) -> bool:
    return bool(_devices(vmi).get("gpus")) and VGPU_GATE not in gates


def _launch_security(kind: str) -> Callable[[Object, Collection[str]], bool]:
    return lambda vmi, gates: kind in (vmi["spec"]["domain"].get("launchSecurity") or {})


def _enabled(feature: dict[str, Any] | None) -> bool:
    """KubeVirt's feature states are on unless they say otherwise."""
    return feature is not None and feature.get("enabled", True) is not False


def _devices(vmi: Object) -> Devices:
    devices: Devices = vmi["spec"]["domain"].get("devices") or {}
    return devices


RULES: tuple[tuple[Callable[[Object, Collection[str]], bool], str, str], ...] = (
    (
        _bridged_to_the_pod_network,
        "InterfaceNotLiveMigratable",
        "cannot migrate VMI which does not use masquerade or a migratable plugin to connect to the pod network",
    ),
    (
        lambda vmi, gates: bool(_devices(vmi).get("hostDevices")),
        "HostDeviceNotLiveMigratable",
        "VMI specifies non-migratable generic PCI host device",
    ),
    (_one_gpu_too_many, "HostDeviceNotLiveMigratable", "VMI specifies too many GPUs"),
    (
        _gpu_without_gate,
        "HostDeviceNotLiveMigratable",
        "VMI specifies a GPU but feature gate VGPULiveMigration is not enabled",
    ),
    (_launch_security("sev"), "SEVNotLiveMigratable", "VMI uses SEV"),
    (_launch_security("snp"), "SEVNotLiveMigratable", "VMI uses SEV"),
    (_launch_security("tdx"), "TDXNotLiveMigratable", "VMI uses TDX"),
    (
        lambda vmi, gates: _enabled((vmi["spec"]["domain"].get("features") or {}).get("hypervPassthrough")),
        "HypervPassthroughNotLiveMigratable",
        "VMI uses hyperv passthrough",
    ),
    (
        lambda vmi, gates: any("hostDisk" in volume for volume in vmi["spec"].get("volumes") or ()),
        "DisksNotLiveMigratable",
        "cannot migrate VMI with non-shared HostDisk",
    ),
)
"""In KubeVirt's order; the first that applies is told."""


def refusal(vmi: Object, gates: Collection[str] = ()) -> tuple[str, str] | None:
    """Reason and message why the VM cannot migrate, or None. `gates` are the enabled feature gates."""
    return next(((reason, message) for applies, reason, message in RULES if applies(vmi, gates)), None)
