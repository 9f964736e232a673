"""A fleet in the making: roomy nodes, ordinary VMs and other pods, to which concerns add what decides.

Everything is plain JSON as an API server would take it, and drawn from one seeded generator, so that a seed names a
fleet for ever.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

Object = dict[str, Any]

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
RACK = "example.com/rack"
SCHEDULABLE = "kubevirt.io/schedulable"
ARCH = "kubernetes.io/arch"
CREATED_BY = "kubevirt.io/created-by"
NAMESPACES = ("alpha", "beta", "gamma")


@dataclass(frozen=True)
class VM:
    """A running VM: the VMI, and the launcher pod that its guest is in."""

    vmi: Object
    launcher: Object

    @property
    def name(self) -> str:
        return str(self.vmi["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.vmi["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        return str(self.vmi["metadata"]["uid"])

    @property
    def source(self) -> str:
        return str(self.launcher["spec"]["nodeName"])

    def select(self, key: str, value: str) -> None:
        """The user asks for a node label: KubeVirt copies a VMI's nodeSelector to its pods."""
        self.vmi["spec"].setdefault("nodeSelector", {})[key] = value
        self.launcher["spec"]["nodeSelector"][key] = value


@dataclass
class Draft:
    """`key` is in every cluster-scoped name, `dose` from 0 to 1 is how much of each concern is to be drawn."""

    rng: Random
    key: str
    dose: float
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    nodes: list[Object] = field(default_factory=list)
    pods: list[Object] = field(default_factory=list)
    vms: list[VM] = field(default_factory=list)
    volumes: list[Object] = field(default_factory=list)
    claims: list[Object] = field(default_factory=list)
    csi_nodes: list[Object] = field(default_factory=list)
    attachments: list[Object] = field(default_factory=list)
    terminating: set[tuple[str, str]] = field(default_factory=set)
    """Pods, by namespace and name, that are deleted and not gone."""
    doomed: set[tuple[str, str]] = field(default_factory=set)
    """Claims that are deleted and, because pods use them, not gone."""

    def chance(self, share: float) -> bool:
        """True in this share of cases at full dose, in fewer at a smaller one."""
        return self.rng.random() < share * self.dose

    @property
    def every_pod(self) -> list[Object]:
        """Of VMs and others."""
        return [*(vm.launcher for vm in self.vms), *self.pods]

    def node(self, name: str) -> Object:
        return next(node for node in self.nodes if node["metadata"]["name"] == name)

    def others(self, vm: VM) -> frozenset[str]:
        """The nodes the VM may move to as far as their names say."""
        return frozenset(str(node["metadata"]["name"]) for node in self.nodes) - {vm.source}

    def add_pod(self, **spec: Any) -> Object:
        """Another bound pod, somewhere, with labels that selectors look for."""
        node = self.rng.choice(self.nodes)["metadata"]["name"]
        made = a_pod(f"other-{len(self.pods)}", self.rng.choice(NAMESPACES), _labels(self.rng), node)
        made["spec"] |= spec
        self.pods.append(made)
        return made


def drafted(rng: Random, key: str, dose: float, nodes: int, vms: int, others: int) -> Draft:
    """A fleet in which everything fits everywhere but where it is."""
    draft = Draft(rng, key, dose)
    draft.namespaces = {name: {"team": rng.choice("xyz")} for name in NAMESPACES}
    draft.nodes = [a_node(f"{key}-n{n}", f"z{n % 4}", f"r{rng.randrange(6)}") for n in range(nodes)]
    draft.vms = [_a_vm(draft, n) for n in range(vms)]
    for _ in range(others):
        draft.add_pod()
    return draft


def a_node(name: str, zone: str, rack: str) -> Object:
    """Ready, used by KubeVirt, and with more room than all pods of a fleet need."""
    labels = {HOSTNAME: name, SCHEDULABLE: "true", ARCH: "amd64", ZONE: zone, RACK: rack}
    devices = dict.fromkeys(("kvm", "tun", "vhost-net"), "1000")
    amounts = {"cpu": "640", "memory": "2560Gi", "ephemeral-storage": "9Ti", "pods": "500"}
    amounts |= {f"devices.kubevirt.io/{name}": count for name, count in devices.items()}
    conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "is ready"}]
    status = {"allocatable": amounts, "capacity": dict(amounts), "conditions": conditions}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": []}, "status": status}


def a_pod(name: str, namespace: str, labels: dict[str, str], node: str) -> Object:
    """Bound, and asking for little."""
    container = {"name": "main", "image": "x", "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"nodeName": node, "containers": [container], "terminationGracePeriodSeconds": 600},
    }


def container(pod: Object) -> Object:
    """The pod's main container."""
    found: Object = pod["spec"]["containers"][0]
    return found


def _labels(rng: Random) -> dict[str, str]:
    drawn = {"app": rng.choice(("web", "db", "cache")), "tier": rng.choice(("gold", "silver"))}
    drawn |= {"version": rng.choice("12"), "rev": rng.choice("ab")}
    return {key: value for key, value in drawn.items() if rng.random() < 0.9}


def _a_vm(draft: Draft, number: int) -> VM:
    rng = draft.rng
    name, namespace = f"vm-{number}", rng.choice(NAMESPACES)
    uid = f"{rng.getrandbits(32):08x}-0000-4000-8000-{number:012x}"
    labels, node = _labels(rng), rng.choice(draft.nodes)["metadata"]["name"]
    vmi = {
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "labels": labels},
        "spec": {"domain": {"cpu": {"model": "host-passthrough"}}},
        "status": {"phase": "Running", "nodeName": node, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": name, "uid": uid}
    ours = {"kubevirt.io": "virt-launcher", CREATED_BY: uid, "vm.kubevirt.io/name": name}
    launcher = a_pod(f"virt-launcher-{name}", namespace, {**labels, **ours}, node)
    launcher["metadata"]["ownerReferences"] = [{**owner, "controller": True, "blockOwnerDeletion": True}]
    launcher["spec"] |= {"restartPolicy": "Never", "nodeSelector": {SCHEDULABLE: "true", ARCH: "amd64"}}
    resources = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"devices.kubevirt.io/kvm": "1"}}
    launcher["spec"]["containers"] = [{"name": "compute", "image": "x", "resources": resources}]
    launcher["status"] = {"phase": "Running"}
    return VM(vmi, launcher)
