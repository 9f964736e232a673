"""The target pod of a VM, where it is not as the running pod is.

Rules: kubevirt pkg/virt-controller/services/renderresources.go and template.go (VMIResourcePredicates). A pod is
rendered from the VM's spec, so that CPUs and memory plugged in by the migration are asked for by its target. Nothing
else is rendered anew: what admission plugins made of the running pod's requests they will make of the target's.
"""

from fractions import Fraction

import msgspec

from drover.facts.domain import Domain, Requests
from drover.facts.kubevirt import VMI, KubeVirt
from drover.facts.pod import Pod
from drover.facts.podspec import Container, ResourceRequirements
from drover.facts.quantity import exact, units

COMPUTE = "compute"
PER_VCPU = 8 << 20
"""Bytes of overhead (pkg/hypervisor/kvm/hypervisorbackend.go, GetMemoryOverhead)."""
PAGE_TABLE = 512
"""Bytes of memory that the VM requests itself per byte of overhead."""
PAGES = "hugepages-"

Texts = dict[str, str]
"""Quantities by resource name, as the API has them."""


def as_target(vmi: VMI, pod: Pod, kubevirt: KubeVirt | None) -> Pod:
    """The running pod with the requests and limits that its target will have; itself unless something is plugged in."""
    if not vmi.being_plugged:
        return pod
    containers = tuple(_plugged(each, vmi, pod, kubevirt) for each in pod.spec.containers)
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, containers=containers))


def overhead(vmi: VMI, pod: Pod) -> int:
    """Bytes on top of the guest in the running pod: KubeVirt writes them on the pod (>= 1.8) and in the VMI's status.
    0 if nobody says."""
    text = pod.metadata.annotations.memory_overhead or (vmi.status.memory.memory_overhead if vmi.status.memory else "")
    try:
        return units(text) if text else 0
    except ValueError:
        # An annotation, and so anybody's: the request still counts.
        return 0


def _plugged(container: Container, vmi: VMI, pod: Pod, kubevirt: KubeVirt | None) -> Container:
    if container.name != COMPUTE:
        return container
    ratio = kubevirt.cpu_allocation_ratio if kubevirt is not None else 10
    overcommit = kubevirt.memory_overcommit if kubevirt is not None else 100
    was = container.resources
    requests, limits = _cpu(vmi, was, ratio)
    memory = _memory(vmi, was, _overhead(vmi, pod, was, kubevirt, overcommit), overcommit)
    if memory is not None:
        requests, limits = requests | memory.requests, limits | memory.limits
    resources = ResourceRequirements(requests=was.requests | requests, limits=was.limits | limits)
    return msgspec.structs.replace(container, resources=resources)


def _cpu(vmi: VMI, was: ResourceRequirements, ratio: int) -> tuple[Texts, Texts]:
    """WithCPUPinning, WithoutDedicatedCPU: what the VM requests itself goes before its share of the virtual CPUs."""
    domain = vmi.spec.domain
    vcpus = domain.cpu.vcpus if domain.cpu is not None else 1
    total = vcpus + domain.io_thread_count
    own = domain.resources or Requests()
    if domain.dedicated:
        cores = str(total + _emulator(vmi, total))
        return ({"cpu": cores}, {"cpu": cores}) if vcpus else ({}, {})
    # In floating point, as there: a share of 1.1 thousandths too much is rounded up.
    share = total / ratio
    text = str(own.requests.get("cpu", "")) or (f"{share * 1000!r}m" if share < 1 else repr(share))
    limit = str(own.limits.get("cpu", "")) or (str(total) if "cpu" in was.limits else "")
    return {"cpu": text} if total or own.requests.get("cpu") else {}, {"cpu": limit} if limit else {}


def _emulator(vmi: VMI, total: int) -> int:
    """CPUs for QEMU's own threads: one, or two if that makes their number even and somebody wants it even."""
    domain = vmi.spec.domain
    if domain.cpu is None or not domain.cpu.isolate_emulator_thread:
        return 0
    more = domain.io_thread_count if domain.io_threads_policy == "supplementalPool" else 0
    wanted = vmi.metadata.annotations.even_parity is not None
    return 2 if wanted and (total + more) % 2 == 0 else 1


def _memory(vmi: VMI, was: ResourceRequirements, extra: int | None, overcommit: int) -> ResourceRequirements | None:
    """WithMemoryRequests, WithHugePages, WithMemoryOverhead, WithAutoMemoryLimits; None if the overhead is unknown."""
    if extra is None:
        return None
    domain = vmi.spec.domain
    own = domain.resources or Requests()
    asked, limit = _base(domain, overcommit), own.amount(own.limits, "memory")
    pages = _pages(was)
    requests: Texts = {}
    limits: Texts = {}
    if domain.dedicated:
        limit = asked
    if pages:
        guest = _guest(domain) or asked
        requests[pages] = limits[pages] = str(min(asked, guest))
        asked, capped = max(0, asked - guest), max(0, limit - guest)
    else:
        capped = limit
    over = extra if pages or not own.overcommit_guest_overhead else 0
    requests["memory"] = str(asked + over)
    if limit:
        limits["memory"] = str(capped + extra)
    elif "memory" in was.limits:
        limits["memory"] = str(_in_proportion(asked + over, was))
    return ResourceRequirements(requests=requests, limits=limits)


def _pages(was: ResourceRequirements) -> str:
    """The resource of its huge pages, which are of one size for a VM's whole life; the empty string without any."""
    return next((name for name in sorted(was.requests) if name.startswith(PAGES)), "")


def _base(domain: Domain, overcommit: int) -> int:
    """Bytes requested for the guest: what the VM requests itself, or its limit, or its share of the guest's memory."""
    own = domain.resources or Requests()
    explicit = own.amount(own.requests, "memory") or own.amount(own.limits, "memory")
    return explicit or _guest(domain) * 100 // overcommit


def _guest(domain: Domain) -> int:
    return units(domain.memory.guest) if domain.memory is not None and domain.memory.guest else 0


def _in_proportion(request: int, was: ResourceRequirements) -> int:
    """The limit that KubeVirt sets by the namespace's ratio, which is that of the running pod."""
    before = units(was.requests.get("memory", "0"))
    return request * units(was.limits["memory"]) // before if before else request


def _overhead(vmi: VMI, pod: Pod, was: ResourceRequirements, kubevirt: KubeVirt | None, overcommit: int) -> int | None:
    """Bytes of the target: those of the running pod, and more for CPUs and memory that come; None if nobody says."""
    domain = vmi.spec.domain
    known = overhead(vmi, pod) or _beyond_guest(vmi, was, overcommit)
    if not known:
        return None
    topology = vmi.status.current_cpu_topology
    vcpus = domain.cpu.vcpus if domain.cpu is not None else 0
    more = PER_VCPU * (vcpus - topology.vcpus) if topology is not None and vcpus else 0
    own = domain.resources or Requests()
    requested = own.amount(own.requests, "memory")
    if requested and not own.overcommit_guest_overhead:
        held = sum(units(text) for name, text in was.requests.items() if name == "memory" or name.startswith(PAGES))
        more += _page_tables(requested) - _page_tables(held - known)
    ratio = kubevirt.spec.configuration.additional_guest_memory_overhead_ratio if kubevirt is not None else None
    return known + int(more * _factor(ratio))


def _page_tables(requested: int) -> int:
    return -(-requested // 1000) * 1000 // PAGE_TABLE


def _beyond_guest(vmi: VMI, was: ResourceRequirements, overcommit: int) -> int:
    """The overhead of a pod on which an older KubeVirt did not write it: its request beyond the guest it was made for;
    0 if nobody says for which."""
    memory, domain = vmi.status.memory, vmi.spec.domain
    requested = memory.guest_requested if memory is not None else ""
    if not requested or _pages(was) or _base(domain, overcommit) != _guest(domain) * 100 // overcommit:
        return 0
    return max(0, units(was.requests.get("memory", "0")) - units(requested) * 100 // overcommit)


def _factor(ratio: str | None) -> Fraction:
    """By what KubeVirt multiplies all overhead."""
    try:
        return exact(ratio) if ratio else Fraction(1)
    except ValueError:
        return Fraction(1)
