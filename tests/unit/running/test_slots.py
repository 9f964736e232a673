"""Migrations counted as KubeVirt counts them, and what it does not count."""

from collections.abc import Callable
from typing import Any

import pytest

from drover.api.shared import Limits
from drover.facts.index import index
from drover.running.slots import Allowed, Slots, allowed, count
from tests.builders import VMIMBuilder, a_cluster, a_kubevirt, a_node, a_plan, a_vmi, a_vmim

PLAN = a_plan("p")
NODES = a_node("n1"), a_node("n2"), a_node("n3")


def counted(*parts: Any) -> Slots:
    snapshot = a_cluster(*NODES, *parts).snapshot()
    return count(snapshot, index(snapshot))


def foreign(phase: str, *conditions: str) -> VMIMBuilder:
    vmim = a_vmim("web")
    for each in conditions:
        vmim.condition(each, "True")
    return vmim.phase(phase) if phase else vmim


def with_target_pod(phase: str, node: str = "") -> tuple[Any, ...]:
    web = a_vmi("web")
    vmim = a_vmim(web).phase(phase)
    web.launcher(vmim=vmim)
    if node:
        web.pods[1].on(node)
    return web, vmim


ROWS: list[tuple[str, Callable[[], tuple[Any, ...]], int, dict[str, int], dict[str, int]]] = [
    ("nothing", lambda: (a_vmi("web"),), 0, {}, {}),
    ("a foreign one that is new", lambda: (a_vmi("web"), foreign("")), 1, {"n1": 1}, {}),
    ("a foreign one in the queue goes before ours", lambda: (a_vmi("web"), foreign("Pending")), 1, {"n1": 1}, {}),
    (
        "a foreign one that a quota keeps there",
        lambda: (a_vmi("web"), foreign("Pending", "migrationRejectedByResourceQuota")),
        0,
        {},
        {},
    ),
    (
        "a foreign one that a backup keeps there with its target pod",
        lambda: (
            *with_target_pod("Pending")[:1],
            with_target_pod("Pending")[1].condition("migrationBlockedByBackup", "True"),
        ),
        1,
        {"n1": 1},
        {},
    ),
    ("ours that a quota keeps", lambda: (a_vmi("web"), _ours_blocked()), 1, {"n1": 1}, {"n2": 1}),
    ("one that has ended", lambda: (a_vmi("web"), foreign("Succeeded")), 0, {}, {}),
    ("one that flies, nobody knows where to", lambda: (a_vmi("web"), foreign("Scheduling")), 1, {"n1": 1}, {}),
    ("one whose pod is bound", lambda: with_target_pod("Scheduling", "n3"), 1, {"n1": 1}, {"n3": 1}),
    ("one that is pinned", lambda: (a_vmi("web"), foreign("Pending").to("n2")), 1, {"n1": 1}, {"n2": 1}),
    (
        "one that has switched over counts for both nodes until it has ended",
        lambda: (a_vmi("web").on("n2").migrating(foreign(""), "n1", "n2"), foreign("Running")),
        1,
        {"n1": 1, "n2": 1},
        {"n2": 1},
    ),
    (
        "one whose VMI still carries the state of the one before",
        lambda: (a_vmi("web").migrating(a_vmim("web", "older"), "n3", "n1"), foreign("Pending")),
        1,
        {"n1": 1, "n3": 1},
        {},
    ),
    ("one whose VM is gone", lambda: (foreign("Running").to("n2"),), 1, {}, {"n2": 1}),
]


def _ours_blocked() -> VMIMBuilder:
    return a_vmim("web").of(PLAN).to("n2").phase("Pending").condition("migrationRejectedByResourceQuota", "True")


@pytest.mark.parametrize(
    ("parts", "total", "sources", "targets"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_what_takes_a_slot(
    parts: Callable[[], tuple[Any, ...]], total: int, sources: dict[str, int], targets: dict[str, int]
) -> None:
    slots = counted(*parts())
    assert (slots.total, dict(slots.by_source), dict(slots.by_target)) == (total, sources, targets)
    assert sum(len(names) for names in slots.outbound.values()) == sum(sources.values())
    assert all(name.startswith("shop/") for name in slots.holders)


def test_a_node_is_found_by_its_hostname_label() -> None:
    """Which may differ from its name."""
    named = a_node("n4").labelled({"kubernetes.io/hostname": "host-4"})
    assert counted(named, a_vmi("web"), foreign("Pending").to("host-4")).by_target == {"n4": 1}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (None, Allowed(5, 2, 2)),
        (Limits(total=3, per_source=1, per_target=7), Allowed(3, 1, 7)),
        (Limits(total=9), Allowed(5, 2, 2, {"total": (9, 5)})),
        (Limits(total=5, per_source=3), Allowed(5, 2, 2, {"perSource": (3, 2)})),
    ],
)
def test_limits_are_kubevirts_or_lower(limits: Limits | None, expected: Allowed) -> None:
    assert allowed(limits, a_kubevirt().build()) == expected


def test_kubevirts_own_limits_are_read_live() -> None:
    assert allowed(Limits(total=9), a_kubevirt().limits(20, 4).build()) == Allowed(9, 4, 2)
