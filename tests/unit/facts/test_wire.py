"""Two projections are the same when no decision can differ."""

import pytest

from drover.facts.node import Node, same_node
from drover.facts.wire import same_facts
from tests.builders import NodeBuilder, a_node, a_pod

BASE = a_node("n").set("metadata.resourceVersion", "1").build()


def noisy() -> Node:
    body = a_node("n").set("metadata.resourceVersion", "2").annotated({"kubevirt.io/heartbeat": "now"})
    conditions = [{**each, "lastHeartbeatTime": "2026-03-01T12:00:00Z"} for each in body.json["status"]["conditions"]]
    return body.set("status.conditions", conditions).set("status.images", [{"names": ["x"]}]).build()


def test_noise_is_no_difference() -> None:
    assert same_node(BASE, noisy())


@pytest.mark.parametrize(
    "node",
    [
        a_node("n").cordoned(),
        a_node("n").labelled(rack="b"),
        a_node("n").with_uid("another"),
        a_node("n").deleting(),
        a_node("n").not_ready(),
        a_node("n").memory("1Gi"),
        a_node("n").annotated({"drover.dev/before": "{}"}),
    ],
)
def test_differences(node: NodeBuilder) -> None:
    assert not same_facts(BASE, node.build())
    assert not same_node(BASE, node.build())


def test_kinds_differ() -> None:
    assert not same_facts(BASE, a_pod("n").build())
