"""What is there in the beginning: three nodes, four VMs, KubeVirt's limits."""

from typing import Any

from virtsim.objects import keys
from virtsim.objects.phases import in_phase
from virtsim.objects.pods import NONROOT_USER
from virtsim.objects.resources import Object

NAMESPACE = "shop"
NODES_BY_NAME = ("a", "b", "c")
MACHINES = {"v1": ("a", "LiveMigrate"), "v2": ("a", "LiveMigrate"), "v3": ("b", "External"), "v4": ("c", "LiveMigrate")}
"""Where each VM starts, and its eviction strategy."""


def a_node(name: str) -> Object:
    labels = (
        keys.SIMULATED_NODE,
        keys.SCHEDULABLE,
        f"{keys.HOST_MODEL}Skylake-Server",
        f"{keys.CPU_MODEL_MIGRATION}Skylake-Server",
        f"{keys.CPU_VENDOR}Intel",
        f"{keys.MACHINE_TYPE}q35",
        f"{keys.MACHINE_TYPE}pc-q35-rhel9.6.0",
    )
    named = {keys.HOSTNAME: name, keys.ARCH: "amd64", **dict.fromkeys(labels, "true")}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": named}, "spec": {"taints": []}}


def a_vmi(name: str, node: str, strategy: str) -> Object:
    """Pending, as virt-api's mutating webhook leaves it. Its transfer takes two seconds."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "finalizers": [keys.VMI_FINALIZER],
            "labels": {"app": name},
            "annotations": {keys.START_ON: node, keys.LATEST_API_VERSION: "v1", keys.MIGRATION_SECONDS: "2"},
        },
        "spec": {
            "evictionStrategy": strategy,
            "architecture": "amd64",
            "domain": {
                "cpu": {"cores": 1, "model": "host-model"},
                "memory": {"guest": "128Mi"},
                "machine": {"type": "q35"},
                "devices": {},
            },
        },
        "status": in_phase({}, "Pending", runtimeUser=NONROOT_USER)["status"],
    }


def a_vmim(name: str, vm: str, **spec: Any) -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {"vmiName": vm, **spec},
    }


def limits(per_cluster: int, per_node: int) -> Object:
    """spec of a KubeVirt CR."""
    migrations = {"parallelMigrationsPerCluster": per_cluster, "parallelOutboundMigrationsPerNode": per_node}
    return {"configuration": {"migrations": migrations}}


LIMITS_AFTERWARDS = (5, 2)


def a_kubevirt(per_cluster: int, per_node: int) -> Object:
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"namespace": keys.NAMESPACE, "name": "kubevirt"},
        "spec": limits(per_cluster, per_node),
    }
