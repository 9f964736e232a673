"""virt-controller's counting: per cluster, and per source node with its quirk about previous migrations."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.virtsim.objects import a_vmi, a_vmim
from virtsim.virt_controller.limits import Counted, counted, has_room, outbound, queue_priority, requeue_seconds

A, B = Counted("a", "a"), Counted("b", "b")
RETURNED = Counted("b", "a")
"""Runs on b, and its previous migration (or, after the flip, this one) left a."""

ROOM: list[tuple[str, list[Counted], int, int, bool]] = [
    ("a", [], 1, 1, True),
    ("a", [B], 1, 1, False),
    ("a", [B], 2, 1, True),
    ("a", [A], 2, 1, False),
    ("a", [A], 2, 2, True),
    ("a", [A, A], 5, 2, False),
    ("a", [RETURNED], 5, 1, False),
    ("b", [RETURNED], 5, 1, False),
    ("c", [RETURNED, A, B], 5, 1, True),
]


@pytest.mark.parametrize(("node", "active", "per_cluster", "per_node", "expected"), ROOM)
def test_room(node: str, active: list[Counted], per_cluster: int, per_node: int, expected: bool) -> None:
    assert has_room(node, active, per_cluster, per_node) is expected


nodes = st.sampled_from("abcd")


@settings(deadline=None)
@given(start=st.lists(nodes, max_size=30), per_cluster=st.integers(1, 6), per_node=st.integers(1, 4))
def test_starting_only_where_there_is_room_never_exceeds_a_limit(
    start: list[str], per_cluster: int, per_node: int
) -> None:
    active: list[Counted] = []
    for node in start:
        if has_room(node, active, per_cluster, per_node):
            active.append(Counted(node, ""))
    assert len(active) <= per_cluster
    assert all(outbound(node, active) <= per_node for node in "abcd")
    # ... and nobody is refused while there is room
    assert all(
        not has_room(node, active, per_cluster, per_node) or start.count(node) == outbound(node, active)
        for node in "abcd"
    )


def test_what_a_vmi_counts_for() -> None:
    vmi = a_vmi()
    assert counted(vmi) == Counted("node-a", "")
    vmi["status"]["migrationState"] = {"sourceNode": "node-x"}
    assert counted(vmi) == Counted("node-a", "node-x")
    assert counted(None) == Counted("", "")


@pytest.mark.parametrize(
    ("priority", "seconds", "rank"),
    [("system-critical", 1, 100), ("user-triggered", 3, 50), ("system-maintenance", 5, 20), (None, 5, 0)],
)
def test_priorities(priority: str | None, seconds: float, rank: int) -> None:
    vmim = a_vmim("Pending")
    vmim["spec"] |= {"priority": priority} if priority else {}
    assert (requeue_seconds(vmim), queue_priority(vmim)) == (seconds, rank)
    assert queue_priority(a_vmim("Running")) == 1000
