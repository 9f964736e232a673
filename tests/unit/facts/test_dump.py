"""A Snapshot from what kubectl shows."""

import json
from typing import Any

import pytest

from drover.facts import dump
from tests.builders import (
    Part,
    a_budget,
    a_claim,
    a_cluster,
    a_csinode,
    a_kubevirt,
    a_namespace,
    a_node,
    a_pod,
    a_policy,
    a_quota,
    a_vmi,
    a_vmim,
    a_volume,
    an_attachment,
)

VMI = a_vmi("web")
PARTS: dict[str, Part] = {
    "Node": a_node("n1"),
    "Pod": a_pod("p").on("n1"),
    "VirtualMachineInstance": VMI.without_pods(),
    "VirtualMachineInstanceMigration": a_vmim("web", "m"),
    "KubeVirt": a_kubevirt(),
    "MigrationPolicy": a_policy("slow"),
    "Namespace": a_namespace("shop"),
    "ResourceQuota": a_quota("q"),
    "PodDisruptionBudget": a_budget("b"),
    "PersistentVolumeClaim": a_claim("disk", "pv"),
    "PersistentVolume": a_volume("pv", "csi.example.com"),
    "CSINode": a_csinode("n1", {"csi.example.com": 3}),
    "VolumeAttachment": an_attachment("a", "n1", "pv", "csi.example.com"),
}


def shown(kind: str, *, named: bool = True) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(PARTS[kind].bytes())
    return {**body, "kind": kind} if named else body


def listed(*kinds: str) -> bytes:
    return json.dumps({"kind": "List", "items": [shown(kind) for kind in kinds], "metadata": {}}).encode()


def test_one_list_of_everything_is_the_cluster() -> None:
    read = dump.snapshot([listed(*PARTS)])
    expected = a_cluster(*PARTS.values()).pinning(None).snapshot()
    for name in ("nodes", "pods", "vmis", "vmims", "kubevirts", "policies", "namespaces", "quotas", "budgets", "pvcs",
                 "pvs", "csinodes", "attachments"):  # fmt: skip
        assert dict(getattr(read, name)) == dict(getattr(expected, name)), name
        assert getattr(read, name), name


def test_many_documents_are_one_cluster() -> None:
    documents = [json.dumps(shown(kind)).encode() for kind in PARTS]
    assert dump.snapshot(documents).nodes == dump.snapshot([listed(*PARTS)]).nodes
    assert len(dump.snapshot([*documents, documents[0]]).nodes) == 1


def test_items_without_a_kind_are_of_the_lists() -> None:
    """As the API server answers."""
    raw = json.dumps({"kind": "NodeList", "items": [shown("Node", named=False)]}).encode()
    assert dump.snapshot([raw]).node("n1") is not None


def test_other_kinds_are_passed_over() -> None:
    other = json.dumps({"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "b"}}).encode()
    assert dump.snapshot([other]).nodes == {}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"{", "no Kubernetes object"),
        (b"[]", "no Kubernetes object"),
        (json.dumps({"kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": {"nodeName": 3}}).encode(),
         "Pod shop/p: "),
        (json.dumps({"kind": "MigrationPlan", "metadata": {"name": "p"}, "spec": {"paused": "perhaps"}}).encode(),
         "MigrationPlan p: "),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(document: bytes, words: str) -> None:
    with pytest.raises(dump.UnreadableError, match=words):
        dump.snapshot([document])


def test_a_node_without_csi_drivers_is_read() -> None:
    """As the API server writes it."""
    raw = json.dumps({"kind": "CSINode", "metadata": {"name": "n1"}, "spec": {"drivers": None}}).encode()
    assert dump.snapshot([raw]).csinodes["", "n1"].limits() == {}
