"""Objects of our kinds as people write them, and what the API server says of them."""

import json
from typing import Any

from controlplane.cluster import Cluster

Json = dict[str, Any]

ON_A: Json = {"evacuate": {"nodes": {"names": ["node-a"]}}}
"""The shortest evacuation."""
ONE_VM: Json = {"names": [{"namespace": "shop", "name": "web"}]}
TO_B: Json = {"nodes": {"names": ["node-b"]}}
LONG = ".".join(["a" * 62] * 4) + ".z"
"""The longest name that an object may have: 253 characters."""


def an_object(kind: str, name: str, spec: Json, **more: Any) -> Json:
    """One object of ours; `more` stands beside the spec."""
    return {"apiVersion": "drover.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec, **more}


def plan(spec: Json, name: str = "move", **more: Any) -> Json:
    return an_object("MigrationPlan", name, spec, **more)


def evacuating(nodes: Json, **more: Any) -> Json:
    """A plan that evacuates this node set; `more` stands beside the nodes."""
    return plan({"evacuate": {"nodes": nodes, **more}})


def evacuation(**spec: Any) -> Json:
    """The shortest evacuation, with more in its spec."""
    return plan(ON_A | spec)


def selecting(selector: Json) -> Json:
    return evacuating({"selector": selector})


def vms(**which: Any) -> Json:
    return evacuation(virtualMachines=which)


def maintenance(node: str = "node-a", name: str | None = None, **spec: Any) -> Json:
    return an_object("NodeMaintenance", name or node, {"nodeName": node} | spec)


def report(name: str = "move-0000", run: str = "1") -> Json:
    return an_object("MigrationReport", name, {"plan": {"name": "move", "uid": "0-1-2-3"}, "run": run})


def admitted(cluster: Cluster, wanted: Json) -> Json:
    """The object as the API server would store it. Raises CommandFailed if it would not."""
    answer = cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=json.dumps(wanted))
    stored: Json = json.loads(answer.stdout)
    return stored


def refusal(cluster: Cluster, wanted: Json) -> str:
    """What the API server says against it; empty if it would store it."""
    return cluster.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(wanted), check=False).stderr
