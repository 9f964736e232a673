"""What a VM is made of, and what somebody changes of it while it runs (kubevirt api/core/v1/schema.go)."""

import msgspec

from drover.facts.quantity import units
from drover.facts.wire import Wire


class Memory(Wire, frozen=True, kw_only=True):
    guest: str | int = ""


class Requests(Wire, frozen=True, kw_only=True):
    requests: dict[str, str | int] = {}
    limits: dict[str, str | int] = {}
    overcommit_guest_overhead: bool = False

    def amount(self, kind: dict[str, str | int], name: str) -> int:
        """Whole units; 0 where there is none."""
        return units(kind[name]) if kind.get(name) else 0


class CPU(Wire, frozen=True, kw_only=True):
    """The topology, of which a part that is absent counts as 1, unless all are (hardware.GetNumberOfVCPUs)."""

    model: str = ""
    cores: int = 0
    sockets: int = 0
    threads: int = 0
    dedicated_cpu_placement: bool = False
    isolate_emulator_thread: bool = False

    @property
    def vcpus(self) -> int:
        if not (self.cores or self.sockets or self.threads):
            return 0
        return (self.cores or 1) * (self.sockets or 1) * (self.threads or 1)


class IOThreads(Wire, frozen=True, kw_only=True):
    supplemental_pool_thread_count: int = 0


class Machine(Wire, frozen=True, kw_only=True):
    type: str = ""


class Domain(Wire, frozen=True, kw_only=True):
    cpu: CPU | None = None
    memory: Memory | None = None
    resources: Requests | None = None
    io_threads_policy: str | None = msgspec.field(name="ioThreadsPolicy", default=None)
    io_threads: IOThreads | None = None

    @property
    def io_thread_count(self) -> int:
        return self.io_threads.supplemental_pool_thread_count if self.io_threads is not None else 0

    @property
    def dedicated(self) -> bool:
        return self.cpu is not None and self.cpu.dedicated_cpu_placement
