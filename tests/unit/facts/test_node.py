"""Nodes: conditions, and what we remember on them."""

import pytest

from drover.facts.node import BEFORE, HEARTBEAT, Before, before, remembered
from tests.builders import NOW, NodeBuilder, a_node, a_plan, at, stamp

GARBAGE = Before(unschedulable=False, since="", by="unknown", uid="")


@pytest.mark.parametrize(
    ("node", "pressure"),
    [
        (a_node("n"), None),
        (a_node("n").condition("MemoryPressure", "False"), None),
        (a_node("n").condition("MemoryPressure", "Unknown"), None),
        (a_node("n").condition("DiskPressure", "True"), "DiskPressure"),
        (a_node("n").condition("PIDPressure", "True").condition("MemoryPressure", "True"), "MemoryPressure"),
        (a_node("n").condition("NetworkUnavailable", "True"), None),
    ],
)
def test_pressure(node: NodeBuilder, pressure: str | None) -> None:
    assert node.build().pressure() == pressure


@pytest.mark.parametrize(
    ("node", "ready"),
    [
        (a_node("n"), True),
        (a_node("n").not_ready(), False),
        (a_node("n").condition("Ready", "Unknown"), False),
        (a_node("n").set("status.conditions", []), False),
    ],
)
def test_ready(node: NodeBuilder, ready: bool) -> None:
    assert node.build().ready is ready


@pytest.mark.parametrize(
    ("node", "usable", "known"),
    [
        (a_node("n"), True, True),
        (a_node("n").without_kubevirt(), False, True),
        (a_node("n").set("metadata.labels", {}), False, False),
    ],
)
def test_kubevirt(node: NodeBuilder, usable: bool, known: bool) -> None:
    assert (node.build().usable_by_kubevirt, node.build().is_kubevirt_node) == (usable, known)


@pytest.mark.parametrize(
    ("heartbeat", "silent"),
    [
        (None, False),
        (stamp(NOW), False),
        (stamp(at(-300)), False),
        (stamp(at(-301)), True),
        (stamp(at(3600)), False),
        ("2026-03-01T11:54:59+00:00", True),
        ("2026-03-01T13:54:59+02:00", True),
        ("2026-03-01T11:00:00", False),
        ("", False),
        ("long ago", False),
    ],
)
def test_silence_is_what_virt_controller_calls_it(heartbeat: str | None, silent: bool) -> None:
    node = a_node("n").annotated({HEARTBEAT: heartbeat} if heartbeat is not None else {}).build()
    assert node.as_of(NOW).silent is silent
    assert node.silent is False


def test_what_it_offers_is_in_our_units() -> None:
    node = a_node("n").allocatable({"example.com/gpu": "2"}, cpu="1500m", memory="1Gi", pods="9")
    assert node.build().allocatable() == {"cpu": 1500, "memory": 1 << 30, "pods": 9, "example.com/gpu": 2}


@pytest.mark.parametrize("was_cordoned", [True, False])
def test_what_was_before_us_comes_back(was_cordoned: bool) -> None:
    plan = a_plan("p")
    mark = before(a_node("n").held_by(plan, was_cordoned=was_cordoned).build())
    assert mark is not None
    assert (mark.unschedulable, mark.by, mark.uid) == (was_cordoned, "MigrationPlan/p", plan.uid)


def test_nothing_is_remembered_on_a_node_we_do_not_hold() -> None:
    assert before(a_node("n").cordoned().build()) is None


@pytest.mark.parametrize("text", ["x", "{}", "null", "[]", '{"unschedulable": "yes"}', '{"unschedulable": true}'])
def test_garbage_counts_as_a_plain_cordon_of_ours(text: str) -> None:
    assert before(a_node("n").annotated({BEFORE: text}).build()) == remembered(text) == GARBAGE
