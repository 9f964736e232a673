"""The few objects the tables below are about."""

from typing import Any

from virtsim.objects.resources import Object


def a_vmi(**domain: Any) -> Object:
    """A running VMI on node-a whose domain is 1 core, 128Mi, Skylake-Server, changed by the arguments."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {
            "namespace": "shop",
            "name": "web",
            "uid": "vmi-uid",
            "labels": {"app": "web", "kubevirt.io/nodeName": "node-a"},
            "annotations": {"virtsim.drover.dev/start-on": "node-a", "mine": "yes"},
        },
        "spec": {
            "architecture": "amd64",
            "domain": {
                "cpu": {"cores": 1, "model": "Skylake-Server"},
                "memory": {"guest": "128Mi"},
                "machine": {"type": "q35"},
                "devices": {"interfaces": [{"name": "default", "masquerade": {}}]},
                **domain,
            },
        },
        "status": {"phase": "Running", "nodeName": "node-a", "machine": {"type": "pc-q35-rhel9.6.0"}},
    }


def a_vmim(phase: str = "", **status: Any) -> Object:
    """A migration of that VMI."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"namespace": "shop", "name": "m", "uid": "vmim-uid", "labels": {"kubevirt.io/vmi-name": "web"}},
        "spec": {"vmiName": "web"},
        "status": ({"phase": phase} if phase else {}) | status,
    }


def a_pod(phase: str = "Running", node: str = "node-b", **metadata: Any) -> Object:
    """A launcher pod whose compute container runs if the phase says so."""
    state: Object = {"running": {}} if phase == "Running" else {"waiting": {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "shop", "name": "virt-launcher-web-b", "uid": "pod-uid", "labels": {}} | metadata,
        "spec": {"nodeName": node, "containers": [{"name": "compute"}]},
        "status": {"phase": phase, "containerStatuses": [{"name": "compute", "ready": True, "state": state}]},
    }


def a_node(name: str, *labels: str) -> Object:
    return {"metadata": {"name": name, "labels": dict.fromkeys(labels, "true")}}
