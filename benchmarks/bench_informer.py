"""How fast the informer takes events, what 10,000 pods cost in memory, and how long a Snapshot takes.

    python benchmarks/bench_informer.py

Targets: 20,000 events/s decoded and stored on one core, 10,000 pods in 60 MB, a snapshot of 30,000 objects in 5 ms.
Exits with 1 if one is missed. Pods are of 8 KB, as in a cluster whose pods have managedFields, probes and volumes.
"""

import asyncio
import gc
import json
import logging
import os
import platform
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drover.garbage import collect_seldom
from drover.watching.client import Client
from drover.watching.informer import Informer
from drover.watching.resources import NODES, PODS, VMIS, Resource
from drover.watching.store import Store

PODS_COUNT = 10_000
EVENTS = 40_000
PAGE = 500
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_pod(number: int, version: int) -> dict[str, Any]:
    """A virt-launcher pod's shape and size; what we do not read is there too."""
    name = f"virt-launcher-vm-{number:05}-x7k2p"
    return {
        "metadata": {
            "name": name,
            "namespace": f"tenant-{number % 50}",
            "uid": f"11111111-2222-3333-4444-{number:012}",
            "resourceVersion": str(version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {
                "kubevirt.io": "virt-launcher",
                "kubevirt.io/created-by": f"aaaaaaaa-2222-3333-4444-{number:012}",
                "vm.kubevirt.io/name": f"vm-{number:05}",
                "app": "web",
            },
            "annotations": {"kubevirt.io/domain": f"vm-{number:05}", "noise": "x" * 500},
            "ownerReferences": [
                {
                    "apiVersion": "kubevirt.io/v1",
                    "kind": "VirtualMachineInstance",
                    "name": f"vm-{number:05}",
                    "uid": f"aaaaaaaa-2222-3333-4444-{number:012}",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            "managedFields": [
                {"manager": "virt-controller", "fieldsV1": {f"f:field-{n}": {".": {}, "f:x": {}} for n in range(60)}},
                {"manager": "kubelet", "fieldsV1": {f"f:status-{n}": {".": {}, "f:y": {}} for n in range(40)}},
            ],
        },
        "spec": {
            "nodeName": f"n{number % 200}",
            "nodeSelector": {"kubernetes.io/arch": "amd64", "kubevirt.io/schedulable": "true"},
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
            "containers": [
                {
                    "name": "compute",
                    "image": "registry.invalid/kubevirt/virt-launcher:v1.9.0",
                    "command": ["/usr/bin/virt-launcher-monitor", *(f"--flag-{n}=value-{n}" for n in range(20))],
                    "env": [{"name": f"VARIABLE_{n}", "value": "y" * 20} for n in range(12)],
                    "resources": {"requests": {"cpu": "200m", "memory": "2306Mi"}, "limits": {"memory": "2306Mi"}},
                    "volumeMounts": [{"name": f"volume-{n}", "mountPath": f"/var/run/{n}"} for n in range(12)],
                }
            ],
            "volumes": [{"name": f"volume-{n}", "emptyDir": {}} for n in range(12)],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "containerStatuses": [{"name": "compute", "ready": True, "state": {"running": {}}, "image": "z" * 100}],
        },
    }


class Replay(Client):
    """Answers a list with pages of pods made on the fly, and a watch with events made before."""

    def __init__(self, pods: int, events: list[bytes]) -> None:
        super().__init__()
        self._pods = pods
        self._events = events

    async def get(self, path: str, params: Mapping[str, str] | None = None, timeout: float = 10.0) -> bytes:
        start = int((params or {}).get("continue", "0"))
        end = min(start + PAGE, self._pods)
        items = [a_pod(number, number + 1) for number in range(start, end)]
        metadata = {"resourceVersion": str(PODS_COUNT), "continue": str(end) if end < self._pods else ""}
        return json.dumps({"metadata": metadata, "items": items}).encode()

    async def stream(
        self, path: str, params: Mapping[str, str], idle_timeout: float, opened: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        for event in self._events:
            yield event
        raise asyncio.CancelledError  # else the informer would go on for ever


def events() -> list[bytes]:
    made = []
    for number in range(EVENTS):
        pod = a_pod(number % PODS_COUNT, PODS_COUNT + 1 + number)
        pod["metadata"]["labels"]["app"] = f"web-{number // PODS_COUNT}"
        made.append(json.dumps({"type": "MODIFIED", "object": pod}).encode())
    return made


def memory() -> float:
    """Resident megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def replay(store: Store, pods: int, events: list[bytes]) -> None:
    """One list and one watch."""
    with suppress(asyncio.CancelledError):
        await Informer(Replay(pods, events), PODS, store, clock=lambda: NOW).run()


def fill(store: Store) -> None:
    """VMIs and nodes beside the pods: 30,000 objects in all."""
    for number in range(2 * PODS_COUNT):
        resource: Resource[Any] = VMIS if number % 2 else NODES
        name = {"name": f"object-{number}", "uid": str(number), "resourceVersion": "1"}
        store.put(resource, resource.decode(json.dumps({"metadata": name}).encode()))


def main() -> int:
    logging.disable()
    collect_seldom()  # as the operator does
    grown, store = measure_memory()
    rate = measure_rate()
    fill(store)
    copy, count = measure_snapshot(store)
    size = len(json.dumps(a_pod(1, 1)))
    print(f"{machine()}, Python {platform.python_version()}, pods of {size:,} bytes")
    print(f"decode and store  {rate:10,.0f} events per second of CPU time (target 20,000)")
    print(f"{PODS_COUNT:,} pods       {grown:10.1f} MB (target 60)")
    print(f"snapshot of {count:,}{copy:10.2f} ms (target 5)")
    return 0 if rate >= 20_000 and grown <= 60 and copy <= 5 else 1


def measure_memory() -> tuple[float, Store]:
    store = Store(clock=lambda: NOW)
    gc.collect()
    before = memory()
    asyncio.run(replay(store, PODS_COUNT, []))
    gc.collect()
    return memory() - before, store


def measure_rate() -> float:
    lines = events()
    gc.collect()
    began = time.process_time()
    asyncio.run(replay(Store(clock=lambda: NOW), 0, lines))
    return EVENTS / (time.process_time() - began)


def measure_snapshot(store: Store) -> tuple[float, int]:
    began = time.process_time()
    for _ in range(20):
        store.snapshot(NOW)
    return (time.process_time() - began) / 20 * 1000, sum(store.counts().values())


def machine() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{models[0].split(': ')[1] if models else platform.machine()}, {os.cpu_count()} CPUs"


if __name__ == "__main__":
    sys.exit(main())
