"""Migrations as the API server answers and logs them, and the evidence of a run in which all went well."""

import json
from typing import Any

from demo.check import Evidence, Machine, NodeState
from demo.fleet import Limits
from demo.history import Sighting
from tests.unit.demo.scenes import LOCAL_DISK, PINNED, blocked, done

Json = dict[str, Any]

NODE = "a"
LIMITS = Limits(total=3, per_source=2, per_target=2)
OPEN = NodeState(False, (), ())
CORDONED = NodeState(True, ("node.kubernetes.io/unschedulable:NoSchedule",), ("drover.dev/before",))


def a_vmim(name: str, version: int, phase: str = "", target: str = "b", **metadata: Any) -> Json:
    """A migration of the VM n/<name up to the first dash>."""
    return {
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {
            "namespace": "n",
            "name": name,
            "resourceVersion": str(version),
            "finalizers": ["kubevirt.io/migrationJobFinalize"],
            **metadata,
        },
        "spec": {"vmiName": name.split("-")[0], "addedNodeSelector": {"kubernetes.io/hostname": target}},
        "status": {"phase": phase} if phase else {},
    }


def logged(answer: Json, verb: str = "update", code: int = 200, **event: Any) -> str:
    """One line of an audit log; the object's name is the answer's, or `name`."""
    name = event.pop("name", answer.get("metadata", {}).get("name"))
    return json.dumps(
        {
            "kind": "Event",
            "verb": verb,
            "stage": "ResponseComplete",
            "requestURI": "/apis/kubevirt.io/v1/namespaces/n/virtualmachineinstancemigrations",
            "objectRef": {"resource": "virtualmachineinstancemigrations", "namespace": "n", "name": name},
            "responseStatus": {"code": code},
            "responseObject": answer,
            **event,
        }
    )


def seen(version: int, name: str, phase: str = "", target: str = "b", gone: bool = False) -> Sighting:
    """A sighting of a migration of the VM n/<name up to the first dash>."""
    return Sighting(version, f"n/{name}", f"n/{name.split('-')[0]}", target, phase, gone)


def on(node: str, pod: str = "", running: bool = True) -> Machine:
    return Machine(node, running, frozenset({(pod or f"pod on {node}", node)}))


def evidence(**changed: Any) -> Evidence:
    """Two VMs left node a one after the other, two had to stay, one of node b was not touched."""
    good: Json = {
        "node": NODE,
        "limits": LIMITS,
        "immovable": {"n/disk": "NotMigratable", "n/pinned": "NoEligibleTarget"},
        "before": {"n/x": on("a"), "n/y": on("a"), "n/disk": on("a"), "n/pinned": on("a"), "n/other": on("b")},
        "after": {"n/x": on("b"), "n/y": on("c"), "n/disk": on("a"), "n/pinned": on("a"), "n/other": on("b")},
        "moves": (
            blocked("n/disk", LOCAL_DISK),
            blocked("n/pinned", PINNED),
            done("n/x", "b", 0, 1),
            done("n/y", "c", 1, 2),
        ),
        "sightings": (
            seen(1, "x-1"),
            seen(2, "x-1", "Succeeded"),
            seen(3, "y-1", target="c"),
            seen(4, "y-1", "Succeeded", "c"),
        ),
        "node_before": OPEN,
        "node_during": CORDONED,
        "node_after": OPEN,
    }
    return Evidence(**(good | changed))
