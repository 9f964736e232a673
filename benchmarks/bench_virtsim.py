"""How fast and how small the simulated KubeVirt is, beside a control plane of its own on this machine.

    python benchmarks/bench_virtsim.py [FIGURE ...]     all of them unless some are named

| figure | what is measured |
|---|---|
| start | 1,000 VMs on 100 nodes from nothing to Running, through scheduler, kubelets, virt-controller, virt-handler |
| evict | the 24 VMs of two nodes, evicted at once; limits 50 and 10, 2 s of transfer each |
| drain | `kubectl drain` of a node with 24 VMs; limits 5 and 2, 4 s |
| inbound | `kubectl drain` of a node with 40 VMs, limits 20 and 10, 4 s; how many one target takes at once |
| fleet | 10,000 VMs on 500 nodes by the fast path; the process's memory then, and while 50 VMs migrate |

Bounds below which a figure would be faster than the real components were seen to be are bounds, too. Exits with 1 if
a figure is outside.
"""

import asyncio
import platform
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controlplane.cluster import Cluster, start
from demo.program import Program
from virtsim.cluster.client import ApiError, Client, connect
from virtsim.objects.migrations import is_final
from virtsim.objects.resources import PODS, VMIMS, VMIS, Object

READY = "virtsim: ready, "
READY_WITHIN = 400.0
LOOK = 0.1


@dataclass(frozen=True)
class Measured:
    """A value and what it must lie between."""

    what: str
    value: float
    unit: str
    most: float
    least: float = 0.0

    def line(self) -> str:
        bounds = f"{self.least:g} to {self.most:g}" if self.least else f"at most {self.most:g}"
        return f"{self.what:52} {self.value:7.1f} {self.unit:4} ({bounds}) {'' if self.holds() else '  MISSED'}"

    def holds(self) -> bool:
        return self.least <= self.value <= self.most


@dataclass(frozen=True)
class Stage:
    """A simulated fleet on a control plane of its own, and a user's connection to it."""

    cluster: Cluster
    program: Program
    user: Client
    ready: str
    """What virtsim said of the start: "100 nodes, 1000 VMs, 31.4 s"."""

    def started_seconds(self) -> float:
        return float(self.ready.rpartition(", ")[2].removesuffix(" s"))

    def memory(self, field: str) -> float:
        """Megabytes (10^6 bytes): VmRSS, or VmHWM for the most it ever was."""
        lines = Path(f"/proc/{self.program.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(field))

    async def vmis(self, *nodes: str) -> list[Object]:
        """The VMIs on these nodes."""
        listed = await self.user.list(VMIS, "fleet", resourceVersion="0")
        return [vmi for vmi in listed["items"] if vmi["status"].get("nodeName") in nodes]

    async def unfinished(self) -> list[Object]:
        """The migrations that are not over."""
        return [vmim for vmim in (await self.user.list(VMIMS, "fleet"))["items"] if not is_final(vmim)]


@asynccontextmanager
async def staged(fleet: dict[str, Any], *arguments: str) -> AsyncIterator[Stage]:
    """The fleet, running. Everything is stopped and removed at the end."""
    with start("bench") as cluster, simulated(cluster, fleet, *arguments) as program:
        ready = await asyncio.to_thread(program.wait_until_it_says, READY, READY_WITHIN)
        async with connect(str(cluster.kubeconfig)) as user:
            yield Stage(cluster, program, user, ready)


@contextmanager
def simulated(cluster: Cluster, fleet: dict[str, Any], *arguments: str) -> Iterator[Program]:
    file = cluster.directory / "fleet.yaml"
    file.write_text(yaml.safe_dump(fleet))
    options = [f"--kubeconfig={cluster.kubeconfig}", f"--fleet={file}", *arguments]
    program = Program("virtsim", "virtsim", options, cluster.directory)
    try:
        yield program
    finally:
        program.stop()


def a_fleet(nodes: list[dict[str, Any]], machines: list[dict[str, Any]], limits: tuple[int, int]) -> dict[str, Any]:
    migrations = {"parallelMigrationsPerCluster": limits[0], "parallelOutboundMigrationsPerNode": limits[1]}
    return {
        "defaults": {"nodes": {"cpu": 32, "memory": "128Gi"}, "virtualMachines": {"namespace": "fleet"}},
        "kubevirt": {"configuration": {"migrations": migrations}},
        "nodes": nodes,
        "virtualMachines": machines,
    }


def transfer(seconds: float) -> dict[str, str]:
    return {"virtsim.drover.dev/migration-seconds": str(seconds)}


async def measure_start() -> list[Measured]:
    machines = [{"name": "vm", "count": 1000, "memory": "2Gi"}]
    async with staged(a_fleet([{"name": "node", "count": 100}], machines, (5, 2))) as stage:
        return [Measured("1,000 VMs on 100 nodes Running", stage.started_seconds(), "s", 60.0)]


async def measure_evict() -> list[Measured]:
    nodes = [{"name": "source", "count": 2}, {"name": "other", "count": 6}]
    machines = [{"name": "vm", "count": 24, "memory": "2Gi", "node": "source", "annotations": transfer(2)}]
    async with staged(a_fleet(nodes, machines, (50, 10))) as stage:
        sources = ("source-1", "source-2")
        pods = (await stage.user.list(PODS, "fleet"))["items"]
        began = time.monotonic()
        await asyncio.gather(*(evict(stage.user, pod) for pod in pods))
        while await stage.vmis(*sources) or await stage.unfinished():  # noqa: ASYNC110 - seen as a user sees it
            await asyncio.sleep(LOOK)
        return [Measured("24 VMs of two nodes evicted, 50/10, 2 s", time.monotonic() - began, "s", 14.0, 4.0)]


async def evict(user: Client, pod: Object) -> None:
    """Asks for it once; the answer is that it will be moved."""
    metadata = {key: pod["metadata"][key] for key in ("name", "namespace")}
    try:
        await user.create(PODS, {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}, "eviction")
    except ApiError as error:
        if error.code != 429:
            raise


async def measure_drain() -> list[Measured]:
    seconds, _ = await drained(24, [{"name": "other", "count": 6}], (5, 2))
    return [Measured("kubectl drain of 24 VMs, 5/2, 4 s", seconds, "s", 60.0, 48.0)]


async def measure_inbound() -> list[Measured]:
    seconds, inbound = await drained(40, [{"name": "only", "memory": "256Gi"}], (20, 10))
    return [
        Measured("kubectl drain of 40 VMs, 20/10, 4 s", seconds, "s", 30.0, 20.0),
        Measured("migrations into one target at once", inbound, "", 10.0, 10.0),
    ]


async def drained(count: int, others: list[dict[str, Any]], limits: tuple[int, int]) -> tuple[float, int]:
    """Seconds that kubectl drain takes, and the most VMs that moved into one node at one moment."""
    machines = [{"name": "vm", "count": count, "memory": "2Gi", "node": "source", "annotations": transfer(4)}]
    async with staged(a_fleet([{"name": "source"}, *others], machines, limits)) as stage:
        began = time.monotonic()
        draining = asyncio.ensure_future(asyncio.to_thread(drain, stage.cluster, "source"))
        most = 0
        while not draining.done():
            most = max([most, *Counter(map(target, await stage.vmis("source"))).values()])
            await asyncio.sleep(LOOK)
        await draining
        return time.monotonic() - began, most


def drain(cluster: Cluster, node: str) -> None:
    cluster.kubectl("drain", node, "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=120s")


def target(vmi: Object) -> str:
    """Where its memory is being sent; an object's own name where it is not."""
    state = vmi["status"].get("migrationState") or {}
    moves = state.get("startTimestamp") and not state.get("endTimestamp")
    return str(state["targetNode"] if moves else vmi["metadata"]["uid"])


async def measure_fleet() -> list[Measured]:
    machines = [{"name": "vm", "count": 10_000, "memory": "2Gi", "node": "node", "annotations": transfer(8)}]
    async with staged(a_fleet([{"name": "node", "count": 500}], machines, (50, 10)), "--fast-path") as stage:
        idle = stage.memory("VmRSS")
        moving = await migrated(stage, [f"vm-{number:05d}" for number in range(1, 51)])
        return [
            Measured("10,000 VMs on 500 nodes Running, fast path", stage.started_seconds(), "s", 90.0),
            Measured("memory with 10,000 VMs", idle, "MB", 300.0),
            Measured("memory while 50 of them migrate", moving, "MB", 300.0),
            Measured("the most memory it ever had", stage.memory("VmHWM"), "MB", 300.0),
        ]


async def migrated(stage: Stage, names: list[str]) -> float:
    """Migrates these VMs at once and waits for the end; the most memory seen meanwhile."""
    await asyncio.gather(*(stage.user.create(VMIMS, a_migration(name)) for name in names))
    most = 0.0
    while await stage.unfinished():
        most = max(most, stage.memory("VmRSS"))
        await asyncio.sleep(LOOK)
    failed = [vmim for vmim in (await stage.user.list(VMIMS, "fleet"))["items"] if vmim["status"]["phase"] == "Failed"]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(names)} migrations failed")
    return most


def a_migration(name: str) -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"name": f"move-{name}", "namespace": "fleet"},
        "spec": {"vmiName": name},
    }


FIGURES: dict[str, Callable[[], Coroutine[Any, Any, list[Measured]]]] = {
    "start": measure_start,
    "evict": measure_evict,
    "drain": measure_drain,
    "inbound": measure_inbound,
    "fleet": measure_fleet,
}


def machine() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{len(models)} x {models[0].partition(': ')[2]}, Python {platform.python_version()}"


def main() -> int:
    chosen = sys.argv[1:] or list(FIGURES)
    unknown = sorted(set(chosen) - set(FIGURES))
    if unknown:
        sys.exit(f"no such figure: {', '.join(unknown)}; there are {', '.join(FIGURES)}")
    print(machine(), flush=True)
    good = True
    for name in chosen:
        for measured in asyncio.run(FIGURES[name]()):
            print(measured.line(), flush=True)
            good = good and measured.holds()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
