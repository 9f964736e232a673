"""Node objects as kubelet, device plugins and KubeVirt's node labeller leave them (pkg/virt-handler/node-labeller)."""

from virtsim.fleet.spec import Nodes, names
from virtsim.objects import keys
from virtsim.objects.nodes import healthy
from virtsim.objects.resources import Object
from virtsim.objects.times import now

MACHINE_TYPES = ("q35", "pc-q35-rhel9.6.0")
DEVICES = {
    "devices.kubevirt.io/kvm": "1k",
    "devices.kubevirt.io/tun": "1k",
    "devices.kubevirt.io/vhost-net": "1k",
}
TSC_FREQUENCY = "2100000000"


def render(group: Nodes, models: frozenset[str]) -> list[Object]:
    """The nodes of a group; `models` are all CPU models of the fleet, which every labeller knows."""
    return [_node(group, name, models) for name in names(group)]


def known_models(groups: list[Nodes]) -> frozenset[str]:
    """Every CPU model that any node offers."""
    return frozenset(model for group in groups for model in usable_models(group))


def usable_models(group: Nodes) -> list[str]:
    """The models a guest may ask for on these nodes: the host's own and those listed."""
    return [group.cpu_model, *(model for model in group.cpu_models if model != group.cpu_model)]


def ready_status(group: Nodes, address: str) -> Object:
    """The status a healthy kubelet reports."""
    capacity = {
        "cpu": str(group.cpu),
        "memory": str(group.memory),
        "pods": str(group.pods),
        "ephemeral-storage": "200Gi",
        **DEVICES,
        **{name: str(amount) for name, amount in group.devices.items()},
    }
    return {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": healthy(),
        "addresses": [{"type": "InternalIP", "address": address}],
        "nodeInfo": {
            "architecture": "amd64",
            "operatingSystem": "linux",
            "kernelVersion": "6.12",
            "osImage": "virtsim",
            "containerRuntimeVersion": "virtsim://1",
            "kubeletVersion": "v1.36.0",
            "kubeProxyVersion": "",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }


def _node(group: Nodes, name: str, models: frozenset[str]) -> Object:
    taints = [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in group.taints]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {**_labels(group, name, models), **group.labels},
            "annotations": {keys.HEARTBEAT: now()},
        },
        "spec": {"taints": taints, "unschedulable": group.unschedulable},
    }


def _labels(group: Nodes, name: str, models: frozenset[str]) -> dict[str, str]:
    return {
        keys.SIMULATED_NODE: "true",
        keys.HOSTNAME: name,
        keys.ARCH: "amd64",
        "kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        keys.SCHEDULABLE: "true",
        f"{keys.HOST_MODEL}{group.cpu_model}": "true",
        f"{keys.CPU_VENDOR}{group.cpu_vendor}": "true",
        "scheduling.node.kubevirt.io/tsc-frequency": TSC_FREQUENCY,
        **{f"{keys.MACHINE_TYPE}{machine}": "true" for machine in MACHINE_TYPES},
        **{f"{keys.CPU_MODEL}{model}": "true" for model in usable_models(group)},
        **{f"{keys.CPU_MODEL_MIGRATION}{model}": "true" for model in sorted(models)},
        **{f"{keys.CPU_FEATURE}{feature}": "true" for feature in group.cpu_features},
        **{f"{keys.HOST_MODEL_FEATURES}{feature}": "true" for feature in group.cpu_features},
    }
