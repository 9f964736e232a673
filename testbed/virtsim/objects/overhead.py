"""How much memory a launcher pod needs beyond the guest's (pkg/hypervisor/kvm, GetMemoryOverhead)."""

from typing import Any

from virtsim.objects import quantity
from virtsim.objects.resources import Object

MI = 2**20
MONITOR = 25 * MI
LAUNCHER = 100 * MI
VIRTLOGD = 25 * MI
VIRTQEMUD = 40 * MI
QEMU = 30 * MI
PER_VCPU = 8 * MI
IO_THREAD = 8 * MI
GRAPHICS = 32 * MI
ARM64 = 128 * MI
VFIO = 1024 * MI
TPM = 53 * MI
DEDICATED_CPU = 100 * MI


def vcpus(domain: dict[str, Any]) -> int:
    """Cores x sockets x threads; each counts as 1 where it is not given."""
    cpu = domain.get("cpu") or {}
    return int(cpu.get("cores") or 1) * int(cpu.get("sockets") or 1) * int(cpu.get("threads") or 1)


def guest_memory(domain: dict[str, Any]) -> int:
    """Bytes the guest sees: memory.guest, else the memory request of the VMI."""
    guest = (domain.get("memory") or {}).get("guest")
    return quantity.size(guest if guest is not None else requested_memory(domain))


def requested_memory(domain: dict[str, Any]) -> str:
    """resources.requests.memory of the VMI; "0" where only memory.guest is given."""
    request: str = ((domain.get("resources") or {}).get("requests") or {}).get("memory", "0")
    return request


def overhead_of(vmi: Object) -> int:
    """Bytes of overhead of this VMI's launcher."""
    return memory_overhead(vmi["spec"]["domain"], vmi["spec"].get("architecture", "amd64"))


def memory_overhead(domain: dict[str, Any], architecture: str = "amd64") -> int:
    """Bytes of overhead.

    The page tables (1/512) are of the VMI's memory *request*, rounded up to kilobytes: a VMI with only memory.guest has
    none, which is how KubeVirt 1.9 was seen to behave.
    """
    kilobytes = -(-quantity.size(requested_memory(domain)) // 1000)
    devices = domain.get("devices") or {}
    parts = [
        kilobytes * 1000 // 512,
        MONITOR + LAUNCHER + VIRTLOGD + VIRTQEMUD + QEMU + IO_THREAD,
        PER_VCPU * vcpus(domain),
        GRAPHICS if devices.get("autoattachGraphicsDevice", True) else 0,
        ARM64 if architecture == "arm64" else 0,
        VFIO if devices.get("hostDevices") or devices.get("gpus") else 0,
        TPM if devices.get("tpm") else 0,
        DEDICATED_CPU if (domain.get("cpu") or {}).get("dedicatedCpuPlacement") else 0,
    ]
    return sum(parts)
