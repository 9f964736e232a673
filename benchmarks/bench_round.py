"""How long a round's pure parts take on a large fleet: goals, propose, decide; and propose where nothing fits anywhere.

`python benchmarks/bench_round.py [VMs] [nodes]`; 10,000 VMs on 500 nodes unless told otherwise, 25 nodes being emptied,
and a fifth of the nodes, with 2,000 VMs to be refused, where it is full.
"""

import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from drover.api.plan import MigrationPlan
from drover.api.shared import FINALIZER
from drover.facts.kubevirt import CRD, VMI, KubeVirt
from drover.facts.node import Node
from drover.facts.pod import Pod
from drover.facts.snapshot import Snapshot
from drover.planning.proposing import propose
from drover.running.decide import decide
from drover.running.goals import goals

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EMPTIED = 25
GIB = (2, 4, 8, 16)
SCHEMA: dict[str, object] = {"openAPIV3Schema": {"properties": {"spec": {"properties": {"addedNodeSelector": {}}}}}}


def a_node(name: str, cordoned: bool, memory: str) -> Node:
    status = {
        "allocatable": {"cpu": "64", "memory": memory, "pods": "250", "devices.kubevirt.io/kvm": "1k"},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    labels = {"kubernetes.io/hostname": name, "kubevirt.io/schedulable": "true"}
    metadata = {"name": name, "labels": labels}
    return msgspec.convert({"metadata": metadata, "spec": {"unschedulable": cordoned}, "status": status}, type=Node)


def a_vmi(name: str, node: str, gib: int) -> VMI:
    spec = {"domain": {"cpu": {"model": "Skylake-Server"}, "memory": {"guest": f"{gib}Gi"}}}
    status = {"phase": "Running", "nodeName": node, "conditions": [{"type": "Ready", "status": "True"}]}
    metadata = {"name": name, "namespace": "fleet", "uid": name}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, type=VMI)


def a_launcher(name: str, node: str, gib: int) -> Pod:
    requests = {"cpu": "200m", "memory": f"{gib * 1024 + 268}Mi", "devices.kubevirt.io/kvm": "1"}
    owner = {"kind": "VirtualMachineInstance", "name": name, "uid": name, "controller": True}
    labels = {"kubevirt.io": "virt-launcher"}
    metadata = {"name": f"p-{name}", "namespace": "fleet", "uid": f"p-{name}", "labels": labels}
    return msgspec.convert(
        {
            "metadata": {**metadata, "ownerReferences": [owner]},
            "spec": {
                "nodeName": node,
                "nodeSelector": {"kubevirt.io/schedulable": "true"},
                "containers": [{"name": "compute", "resources": {"requests": requests}}],
            },
            "status": {"phase": "Running"},
        },
        type=Pod,
    )


def a_plan(sources: list[str]) -> MigrationPlan:
    run = {"id": "initial", "startedAt": NOW.isoformat(), "resolvedNodes": sources}
    return MigrationPlan.model_validate(
        {
            "metadata": {"name": "plan", "uid": "plan", "finalizers": [FINALIZER]},
            "spec": {"evacuate": {"nodes": {"names": sources}, "maxNodes": len(sources)}},
            "status": {"run": run},
        }
    )


def a_fleet(vms: int, nodes: int, emptied: int) -> Snapshot:
    """Nodes of which so many are to be emptied, with room for that."""
    names = [f"n{n:04d}" for n in range(nodes)]
    placed = [(f"vm-{v:05d}", names[v % nodes], GIB[v % len(GIB)]) for v in range(vms)]
    kubevirt = {"metadata": {"name": "kubevirt", "namespace": "kubevirt"}}
    crd = {"metadata": {"name": "crd"}, "spec": {"versions": [{"name": "v1", "served": True, "schema": SCHEMA}]}}
    return Snapshot(
        nodes={("", name): a_node(name, n < emptied, "256Gi") for n, name in enumerate(names)},
        vmis={("fleet", name): a_vmi(name, node, gib) for name, node, gib in placed},
        pods={("fleet", f"p-{name}"): a_launcher(name, node, gib) for name, node, gib in placed},
        kubevirts={("kubevirt", "kubevirt"): msgspec.convert(kubevirt, type=KubeVirt)},
        crds={("", "crd"): msgspec.json.decode(msgspec.json.encode(crd), type=CRD)},
        plans={("", "plan"): a_plan(names[:emptied])},
    )


def a_full_fleet(vms: int, nodes: int) -> Snapshot:
    """A fifth of the nodes is to be emptied, and no node has room; what is short differs from node to node."""
    fleet = a_fleet(vms, nodes, nodes // 5)
    cramped = {
        key: a_node(key[1], node.cordoned, f"{32 * 1024 + n}Mi") for n, (key, node) in enumerate(fleet.nodes.items())
    }
    return replace(fleet, nodes=cramped)


def timed(what: str, act: Callable[[], object], times: int = 5) -> None:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    print(
        f"{what:10} {statistics.median(seconds) * 1000:8.0f} ms median of {times}, worst {max(seconds) * 1000:.0f} ms"
    )


def main() -> None:
    vms, nodes = (int(text) for text in (*sys.argv[1:], "10000", "500")[:2])
    print(f"{vms} VMs on {nodes} nodes, {EMPTIED} being emptied; {platform.processor() or platform.machine()}")
    fleet = a_fleet(vms, nodes, EMPTIED)
    wanted, standing = goals(fleet, NOW)
    proposals = propose(wanted, fleet, standing.taken, {})
    timed("goals", lambda: goals(fleet, NOW))
    timed("propose", lambda: propose(wanted, fleet, standing.taken, {}))
    timed("decide", lambda: decide(fleet, proposals, NOW))
    print(f"{sum(len(each.assignments) for each in proposals.values())} VMs were given a target")
    full = a_full_fleet(vms, nodes)
    wanted, standing = goals(full, NOW)
    refused = propose(wanted, full, standing.taken, {})
    timed("refuse", lambda: propose(wanted, full, standing.taken, {}))
    print(f"{sum(len(each.refused) for each in refused.values())} VMs were told why none of {nodes} nodes takes them")


if __name__ == "__main__":
    main()
