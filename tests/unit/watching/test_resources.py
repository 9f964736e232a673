"""Where each resource is, who an object is, and what becomes of an object that is not what it should be."""

from typing import Any

import pytest

from drover.facts.wire import Key
from drover.watching.resources import (
    ALL,
    CRDS,
    KUBEVIRTS,
    MAINTENANCES,
    NODES,
    PLANS,
    PODS,
    REPORTS,
    VMIMS,
    VMIS,
    Resource,
    UndecodableError,
    version_of,
)
from tests.unit.watching.objects import a_node, an_object, read_as


@pytest.mark.parametrize(
    ("resource", "key", "path"),
    [
        (NODES, ("", "n1"), "/api/v1/nodes/n1"),
        (PODS, ("tenant", "p"), "/api/v1/namespaces/tenant/pods/p"),
        (VMIS, ("tenant", "v"), "/apis/kubevirt.io/v1/namespaces/tenant/virtualmachineinstances/v"),
        (VMIMS, ("tenant", "m"), "/apis/kubevirt.io/v1/namespaces/tenant/virtualmachineinstancemigrations/m"),
        (KUBEVIRTS, ("kubevirt", "k"), "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/k"),
        (CRDS, ("", "c"), "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/c"),
        (PLANS, ("", "p"), "/apis/drover.dev/v1alpha1/migrationplans/p"),
        (MAINTENANCES, ("", "n1"), "/apis/drover.dev/v1alpha1/nodemaintenances/n1"),
        (REPORTS, ("", "r"), "/apis/drover.dev/v1alpha1/migrationreports/r"),
        (NODES, ("", "../pods"), "/api/v1/nodes/..%2Fpods"),
    ],
)
def test_paths(resource: Resource[Any], key: Key, path: str) -> None:
    assert resource.item(key) == path
    assert path.startswith(resource.collection(key[0]))


def test_all_objects_of_a_namespaced_resource_are_in_one_collection() -> None:
    assert PODS.collection() == "/api/v1/pods"


def test_names_are_the_snapshots() -> None:
    assert len({resource.name for resource in ALL}) == len(ALL) == 17


@pytest.mark.parametrize(("text", "number"), [("17", 17), ("", 0), ("abc", 0)])
def test_versions_are_numbers(text: str, number: int) -> None:
    body = an_object("a", 1)
    body["metadata"]["resourceVersion"] = text
    assert version_of(read_as(NODES, body)) == number


@pytest.mark.parametrize(
    ("resource", "body"),
    [
        (NODES, an_object("o", 7, spec={"unschedulable": "perhaps"})),
        (PODS, an_object("o", 7, namespace="tenant", spec=[])),
        (PLANS, an_object("o", 7, spec={"mode": "Sideways"})),
        (PLANS, an_object("o", 7)),
    ],
)
def test_an_object_that_cannot_be_read_is_named(resource: Resource[Any], body: dict[str, Any]) -> None:
    with pytest.raises(UndecodableError) as caught:
        read_as(resource, body)
    who = caught.value.stub.metadata
    assert (who.name, who.resource_version, who.namespace) == ("o", "7", body["metadata"].get("namespace", ""))
    assert resource.key(caught.value.stub) == (who.namespace, "o")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"metadata": 7}', b"\xff"])
def test_what_is_no_object_at_all_has_no_name(data: bytes) -> None:
    with pytest.raises(UndecodableError) as caught:
        NODES.decode(data)
    assert caught.value.stub.metadata.name == ""


def test_unknown_fields_are_ignored() -> None:
    assert read_as(PLANS, an_object("p", 1, spec={"somethingNew": 1})).name == "p"
    assert read_as(NODES, an_object("n", 1, spec={"podCIDR": "10.0.0.0/24"})) == a_node("n", 1)


RUN = {"id": "initial", "startedAt": "2026-01-01T00:00:00Z", "resolvedNodes": ["n1"]}


@pytest.mark.parametrize("status", [{"phase": "Halted", "run": RUN}, {"run": RUN, "summary": {"stars": 5}}])
def test_of_a_status_that_a_newer_version_wrote_the_run_is_kept(status: dict[str, Any]) -> None:
    body = an_object("p", 1, spec={"evacuate": {"nodes": {"names": ["n1"]}}}, status=status)
    run = read_as(PLANS, body).status.run
    assert run is not None
    assert run.resolved_nodes == ("n1",)


def test_a_maintenance_is_read_whatever_its_status_is() -> None:
    body = an_object("n1", 1, spec={"nodeName": "n1"}, status={"phase": "Halted"})
    assert read_as(MAINTENANCES, body).status.phase is None


def test_a_spec_that_a_newer_version_defined_is_not_guessed_at() -> None:
    body = an_object(
        "p", 1, spec={"evacuate": {"nodes": {"names": ["n1"]}}, "mode": "Gradual"}, status={"phase": "Halted"}
    )
    with pytest.raises(UndecodableError):
        read_as(PLANS, body)
