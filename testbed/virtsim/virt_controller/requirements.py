"""The compute container's requests and limits (pkg/virt-controller/services/renderresources.go)."""

from fractions import Fraction
from typing import Any

from virtsim.objects import quantity
from virtsim.objects.overhead import guest_memory, overhead_of, requested_memory, vcpus
from virtsim.objects.resources import Object

EPHEMERAL_STORAGE = "50M"
CPU_ALLOCATION_RATIO = 10


def compute_resources(vmi: Object) -> dict[str, dict[str, str]]:
    """Requests and limits; devices are limits, which the API server copies into the requests."""
    domain = vmi["spec"]["domain"]
    pages = ((domain.get("memory") or {}).get("hugepages") or {}).get("pageSize")
    requests = {"cpu": _cpu(domain), "memory": _memory(vmi, bool(pages)), "ephemeral-storage": EPHEMERAL_STORAGE}
    limits = {**_devices(domain), **_given_limits(vmi)}
    if pages:
        limits[f"hugepages-{pages}"] = quantity.binary(guest_memory(domain))
        requests[f"hugepages-{pages}"] = limits[f"hugepages-{pages}"]
    if (domain.get("cpu") or {}).get("dedicatedCpuPlacement"):
        limits |= {"cpu": requests["cpu"], "memory": requests["memory"]}
    return {"requests": requests, "limits": limits}


def _memory(vmi: Object, hugepages: bool) -> str:
    domain = vmi["spec"]["domain"]
    limited = _limits(domain).get("memory", "0")
    requested = quantity.size(requested_memory(domain)) or quantity.size(limited) or guest_memory(domain)
    return quantity.binary(overhead_of(vmi) + (0 if hugepages else requested))


def _limits(domain: dict[str, Any]) -> dict[str, str]:
    limits: dict[str, str] = (domain.get("resources") or {}).get("limits") or {}
    return limits


def _given_limits(vmi: Object) -> dict[str, str]:
    """The VMI's own limits, for the guest; the launcher's memory comes on top."""
    given = {name: str(value) for name, value in _limits(vmi["spec"]["domain"]).items()}
    if "memory" in given:
        given["memory"] = quantity.binary(quantity.size(given["memory"]) + overhead_of(vmi))
    return given


def _cpu(domain: dict[str, Any]) -> str:
    explicit: str | None = ((domain.get("resources") or {}).get("requests") or {}).get("cpu")
    if explicit is not None:
        return str(explicit)
    cpu = domain.get("cpu") or {}
    if cpu.get("dedicatedCpuPlacement"):
        return str(vcpus(domain) + (1 if cpu.get("isolateEmulatorThread") else 0))
    return quantity.milli(Fraction(vcpus(domain), CPU_ALLOCATION_RATIO))


def _devices(domain: dict[str, Any]) -> dict[str, str]:
    devices = domain.get("devices") or {}
    limits = {"devices.kubevirt.io/kvm": "1"}
    if devices.get("autoattachPodInterface", True) or devices.get("interfaces"):
        limits["devices.kubevirt.io/tun"] = "1"
        limits["devices.kubevirt.io/vhost-net"] = "1"
    for device in [*(devices.get("gpus") or ()), *(devices.get("hostDevices") or ())]:
        name = device["deviceName"]
        limits[name] = str(int(limits.get(name, "0")) + 1)
    return limits
