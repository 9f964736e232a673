"""Objects for the tests of this folder: as JSON, as bytes and as what we read of them."""

import json
from typing import Any, TypeVar

from drover.facts.kubevirt import PLAN_UID, VMIM
from drover.facts.node import Node
from drover.facts.pod import Pod
from drover.watching.resources import NODES, PODS, VMIMS, Resource, Thing

T = TypeVar("T", bound=Thing)


def an_object(
    name: str, version: int, *, namespace: str = "", uid: str = "", labels: dict[str, str] | None = None, **rest: Any
) -> dict[str, Any]:
    metadata = {
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
        "labels": labels or {},
    }
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {}), **rest}


def read_as(resource: Resource[T], body: dict[str, Any]) -> T:
    return resource.decode(json.dumps(body).encode())


def a_node(name: str, version: int, *, uid: str = "", labels: dict[str, str] | None = None) -> Node:
    return read_as(NODES, an_object(name, version, uid=uid, labels=labels))


def a_pod(name: str, version: int, phase: str = "Running") -> Pod:
    return read_as(PODS, an_object(name, version, namespace="tenant", status={"phase": phase}))


def a_vmim(name: str, version: int, *, uid: str = "", plan: str = "plan-1", phase: str = "Running") -> VMIM:
    labels = {PLAN_UID: plan} if plan else {}
    body = an_object(name, version, namespace="tenant", uid=uid, labels=labels, status={"phase": phase})
    return read_as(VMIMS, body)
