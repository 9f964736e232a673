"""What the real API server refuses, and how that reaches the caller."""

import json
from typing import Any

import pytest

from controlplane.cluster import Cluster
from drover.watching.client import ApiError, Client
from drover.watching.listing import list_all
from drover.watching.resources import CRDS, NODES, VMIM_CRD

pytestmark = pytest.mark.anyio


def a_node(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


async def refused(call: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


async def test_creating_what_is_there(client: Client, node: str) -> None:
    made = json.loads(await client.create(NODES.collection(), a_node(node, zone="1")))
    assert made["metadata"]["name"] == node
    assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["drover"]
    error = await refused(client.create(NODES.collection(), a_node(node)))
    assert (error.status, error.reason) == (409, "AlreadyExists")


async def test_applying_a_field_of_another_manager(client: Client, node: str) -> None:
    path = NODES.item(("", node))
    await client.apply(path, a_node(node, zone="1"), field_manager="one")
    error = await refused(client.apply(path, a_node(node, zone="2"), field_manager="two", force=False))
    assert (error.status, error.reason) == (409, "Conflict")
    assert error.causes == ('.metadata.labels.zone: conflict with "one"',)
    applied = json.loads(await client.apply(path, a_node(node, zone="2"), field_manager="two"))
    assert applied["metadata"]["labels"]["zone"] == "2"


async def test_patching_another_version_than_the_one_that_was_read(client: Client, namespace: str) -> None:
    collection = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}
    read = json.loads(await client.create(collection, body))
    change = {"metadata": {"resourceVersion": read["metadata"]["resourceVersion"]}, "data": {"a": "1"}}
    await client.merge_patch(f"{collection}/mine", change, "drover")
    error = await refused(client.merge_patch(f"{collection}/mine", change, "drover"))
    assert (error.status, error.reason) == (409, "Conflict")


async def test_a_json_patch_whose_test_fails_changes_nothing(client: Client, node: str) -> None:
    path = NODES.item(("", node))
    await client.create(NODES.collection(), a_node(node, zone="1"))
    operations: list[dict[str, Any]] = [
        {"op": "add", "path": "/spec/unschedulable", "value": True},
        {"op": "test", "path": "/metadata/labels/zone", "value": "2"},
    ]
    error = await refused(client.json_patch(path, operations, "drover"))
    assert error.status == 422
    assert "unschedulable" not in json.loads(await client.get(path))["spec"]


async def test_deleting_another_object_of_the_same_name(client: Client, node: str) -> None:
    path = NODES.item(("", node))
    made = json.loads(await client.create(NODES.collection(), a_node(node)))["metadata"]
    error = await refused(client.delete(path, uid="00000000-0000-0000-0000-000000000000"))
    assert (error.status, error.reason) == (409, "Conflict")
    error = await refused(client.delete(path, uid=made["uid"], resource_version="1"))
    assert error.status == 409
    await client.delete(path, uid=made["uid"])
    assert (await refused(client.get(path))).status == 404


async def test_an_invalid_object_says_which_field(client: Client, node: str) -> None:
    body = a_node(node) | {"spec": {"taints": [{"key": "a b", "effect": "NoSchedule"}]}}
    error = await refused(client.create(NODES.collection(), body))
    assert (error.status, error.reason) == (422, "Invalid")
    assert any(cause.startswith("metadata.taints[0].key") for cause in error.causes), error.causes


async def test_an_account_without_rights_is_told_so(cluster: Cluster, namespace: str) -> None:
    client = Client()
    await client.open(str(cluster.token_kubeconfig(namespace, "default")))
    error = await refused(client.get(NODES.collection()))
    await client.close()
    assert (error.status, error.reason) == (403, "Forbidden")
    assert f"system:serviceaccount:{namespace}:default" in error.message


async def test_the_one_definition_we_watch_can_be_named_in_a_role(cluster: Cluster, namespace: str) -> None:
    """A field selector on metadata.name is what makes `resourceNames` work for list and watch."""
    rule = {
        "apiGroups": ["apiextensions.k8s.io"],
        "resources": ["customresourcedefinitions"],
        "resourceNames": [VMIM_CRD],
        "verbs": ["list", "watch"],
    }
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": namespace},
        "rules": [rule],
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(role))
    account = f"--serviceaccount={namespace}:default"
    cluster.kubectl("create", "clusterrolebinding", namespace, f"--clusterrole={namespace}", account)
    client = Client()
    await client.open(str(cluster.token_kubeconfig(namespace, "default")))
    try:
        await list_all(client, CRDS)
        watch = {**CRDS.params, "watch": "true", "timeoutSeconds": "1"}
        lines = [line async for line in client.stream(CRDS.collection(), watch, 10.0)]
        assert not any(b'"ERROR"' in line for line in lines)
        assert (await refused(client.get(CRDS.collection()))).status == 403
    finally:
        await client.close()
        cluster.kubectl("delete", f"clusterrole/{namespace}", f"clusterrolebinding/{namespace}")
