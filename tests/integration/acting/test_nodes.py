"""Cordoning a node and giving it back."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane.cluster import Cluster
from drover.acting import nodes
from drover.acting.outcome import Hands, NotAllowedError
from drover.facts.node import BEFORE
from drover.running.actions import Cordon, ObjectRef, Uncordon
from tests.integration.acting.conftest import look

pytestmark = pytest.mark.anyio


@pytest.fixture
def node(kinds: Cluster) -> Iterator[str]:
    name = f"n-{uuid.uuid4().hex[:8]}"
    kinds.kubectl("apply", "-f-", input=json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}))
    yield name
    kinds.kubectl("delete", "node", name, "--wait=false")


@pytest.fixture
def maintenance(kinds: Cluster, node: str) -> Iterator[ObjectRef]:
    """A maintenance that wants the node."""
    body = {
        "apiVersion": "drover.dev/v1alpha1",
        "kind": "NodeMaintenance",
        "metadata": {"name": node},
        "spec": {"nodeName": node},
    }
    kinds.kubectl("apply", "-f-", input=json.dumps(body))
    uid = kinds.kubectl("get", "vnm", node, "-ojsonpath={.metadata.uid}").stdout
    yield ObjectRef("NodeMaintenance", node, uid)
    kinds.kubectl("delete", "vnm", node)


def read(cluster: Cluster, node: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "node", node, "-ojson", "--show-managed-fields").stdout)
    return found


MARK = json.dumps({"unschedulable": False, "since": "2026-01-01T00:00:00+00:00", "by": "x", "uid": "u"})


async def test_the_cordon_and_what_was_before_are_one_write(
    kinds: Cluster, hands: Hands, node: str, maintenance: ObjectRef
) -> None:
    await look(hands)
    before = read(kinds, node)["metadata"]["managedFields"]
    await nodes.cordon(Cordon(node, maintenance, MARK), hands)
    after = read(kinds, node)
    assert after["spec"]["unschedulable"] is True
    assert json.loads(after["metadata"]["annotations"][BEFORE]) == json.loads(MARK)
    ours = [entry for entry in after["metadata"]["managedFields"] if entry["manager"] == "drover"]
    assert len(ours) == 1, "one write by us"
    assert not any(entry["manager"] == "drover" for entry in before)
    seen = hands.store.snapshot(hands.clock()).node(node)
    assert seen is not None, "the answer is in the Store"
    assert seen.cordoned


async def test_what_a_mark_remembers_is_kept_when_another_takes_the_node(
    kinds: Cluster, hands: Hands, node: str, maintenance: ObjectRef
) -> None:
    kinds.kubectl("annotate", "node", node, f"{BEFORE}={MARK}")
    await look(hands)
    theirs = {"unschedulable": True, "since": "later", "by": "second", "uid": "second-uid"}
    await nodes.cordon(Cordon(node, maintenance, json.dumps(theirs)), hands)
    kept = {key: json.loads(MARK)[key] for key in ("unschedulable", "since")}
    assert json.loads(read(kinds, node)["metadata"]["annotations"][BEFORE]) == {**theirs, **kept}


@pytest.mark.parametrize("unschedulable", [True, False])
async def test_a_node_is_given_back_as_it_was(kinds: Cluster, hands: Hands, node: str, unschedulable: bool) -> None:
    kinds.kubectl("annotate", "node", node, f"{BEFORE}={MARK}", "example.com/theirs=kept")
    kinds.kubectl("cordon", node)
    await look(hands)
    await nodes.uncordon(Uncordon(node, unschedulable), hands)
    after = read(kinds, node)
    assert after["spec"].get("unschedulable", False) is unschedulable
    assert BEFORE not in after["metadata"]["annotations"]
    assert after["metadata"]["annotations"]["example.com/theirs"] == "kept"


async def test_a_node_without_our_mark_is_not_given_back(kinds: Cluster, hands: Hands, node: str) -> None:
    """Somebody took the mark off between decision and write: the cordon is theirs now."""
    kinds.kubectl("cordon", node)
    await look(hands)
    with pytest.raises(NotAllowedError, match="our mark"):
        await nodes.uncordon(Uncordon(node, False), hands)
    assert read(kinds, node)["spec"]["unschedulable"] is True


async def test_a_maintenance_that_was_deleted_meanwhile_cordons_nothing(
    kinds: Cluster, hands: Hands, node: str
) -> None:
    gone = ObjectRef("NodeMaintenance", node, "00000000-0000-4000-8000-000000000000")
    with pytest.raises(NotAllowedError, match="gone"):
        await nodes.cordon(Cordon(node, gone, MARK), hands)
    assert "unschedulable" not in read(kinds, node)["spec"]
