"""The check of the demo's end: a good run passes, and each fault is found by the check that is about it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.check import Machine, in_flight, judge, peaks
from demo.fleet import Limits
from demo.history import Sighting
from tests.unit.demo.migrations import CORDONED, OPEN, evidence, on, seen
from tests.unit.demo.scenes import LOCAL_DISK, PINNED, blocked, done

GOOD = evidence()


def faults(**changed: Any) -> dict[str, tuple[str, ...]]:
    """What is found when this differs from a good run, by claim."""
    return {check.claim: check.violations for check in judge(evidence(**changed)) if check.violations}


def after(**changed: Machine | None) -> dict[str, Machine]:
    all_of_them = {**GOOD.after, **{f"n/{name}": machine for name, machine in changed.items()}}
    return {name: machine for name, machine in all_of_them.items() if machine is not None}


def test_a_good_run_has_no_fault() -> None:
    assert faults() == {}
    assert [check.claim for check in judge(GOOD)] == [
        "2 VMs are Running on other nodes",
        "2 VMs that cannot move were not touched, and the status says why",
        "1 VMs of other nodes were not touched",
        "at most 1 in flight (allowed: 3)",
        "at most 1 out of one node (allowed: 2)",
        "at most 1 into one node (allowed: 2)",
        "no VM had two migrations in flight",
        "a was cordoned, and is as it was before",
    ]


@pytest.mark.parametrize(
    ("x", "said"),
    [
        pytest.param(None, "n/x is gone", id="gone"),
        pytest.param(on("a"), "n/x is Running on a", id="still there"),
        pytest.param(on("b", running=False), "n/x is not Running on b", id="not running"),
        pytest.param(Machine("b", True, frozenset()), "n/x runs on b, its pods on no node", id="no pod"),
        pytest.param(
            Machine("b", True, frozenset({("p", "a"), ("q", "b")})),
            "n/x runs on b, its pods on a, b",
            id="a pod is left",
        ),
    ],
)
def test_a_movable_vm_that_is_not_where_it_should_be(x: Machine | None, said: str) -> None:
    assert faults(after=after(x=x)) == {"2 VMs are Running on other nodes": (said,)}


def test_a_move_that_no_migration_explains() -> None:
    found = faults(sightings=GOOD.sightings[:3])
    assert found == {"2 VMs are Running on other nodes": ("n/y moved without a migration that succeeded",)}


def test_a_run_that_had_nothing_to_move() -> None:
    found = faults(before={"n/other": on("b")}, after={"n/other": on("b")}, immovable={}, moves=(), sightings=())
    assert found == {"0 VMs are Running on other nodes": ("no VM of a could move: there was nothing to show",)}


@pytest.mark.parametrize(
    "disk",
    [on("b"), on("a", "another pod"), on("a", running=False), None],
    ids=["moved", "restarted", "stopped", "gone"],
)
def test_an_immovable_vm_that_was_touched(disk: Machine | None) -> None:
    (found,) = faults(after=after(disk=disk)).values()
    assert found[0].startswith("n/disk was touched")


@pytest.mark.parametrize(
    "told",
    [
        pytest.param((), id="not listed"),
        pytest.param((done("n/disk", "b", 0, 1),), id="called done"),
        pytest.param((replace(blocked("n/disk", LOCAL_DISK), waiting=None),), id="without a reason"),
        pytest.param((blocked("n/disk", PINNED),), id="with another reason"),
        pytest.param((blocked("n/disk", replace(LOCAL_DISK, message="")),), id="without words"),
        pytest.param((blocked("n/disk", replace(LOCAL_DISK, suggestion="")),), id="without a way out"),
    ],
)
def test_an_immovable_vm_that_nobody_explains(told: tuple[Any, ...]) -> None:
    (found,) = faults(moves=(*told, *GOOD.moves[1:])).values()
    assert len(found) == 1
    assert found[0].startswith("n/disk ")


@pytest.mark.parametrize("other", [on("c"), on("b", "another pod"), on("b", running=False), None])
def test_a_bystander_that_was_touched(other: Machine | None) -> None:
    (found,) = faults(after=after(other=other)).values()
    assert found[0].startswith("n/other was touched")


def test_a_vm_out_of_nowhere() -> None:
    assert faults(after=after(new=on("b"))) == {"1 VMs of other nodes were not touched": ("n/new is new",)}


def started(*names_and_targets: tuple[str, str]) -> tuple[Sighting, ...]:
    """All of them at once, then all of them end."""
    first = [seen(n, name, target=target) for n, (name, target) in enumerate(names_and_targets, 1)]
    last = [seen(100 + n, name, "Succeeded", target) for n, (name, target) in enumerate(names_and_targets)]
    return (*first, *last)


@pytest.mark.parametrize(
    ("limits", "sightings", "claim", "said"),
    [
        pytest.param(
            Limits(1, 9, 9),
            started(("x-1", "b"), ("y-1", "c")),
            "at most 2 in flight (allowed: 1)",
            "2 in flight: n/x-1, n/y-1",
            id="in all",
        ),
        pytest.param(
            Limits(9, 1, 9),
            started(("x-1", "b"), ("other-1", "a"), ("y-1", "c")),
            "at most 2 out of one node (allowed: 1)",
            "2 in flight out of a: n/x-1, n/y-1",
            id="out of one node",
        ),
        pytest.param(
            Limits(9, 9, 1),
            started(("x-1", "b"), ("y-1", "b")),
            "at most 2 into one node (allowed: 1)",
            "2 in flight into b: n/x-1, n/y-1",
            id="into one node",
        ),
        pytest.param(
            Limits(9, 9, 9),
            started(("x-1", "b"), ("y-1", "c"), ("x-2", "c")),
            "no VM had two migrations in flight",
            "2 in flight of n/x: n/x-1, n/x-2",
            id="of one VM",
        ),
    ],
)
def test_a_limit_that_was_exceeded(limits: Limits, sightings: Sequence[Sighting], claim: str, said: str) -> None:
    assert faults(limits=limits, sightings=sightings) == {claim: (said,)}


def test_a_slot_is_free_again_after_an_end_of_any_kind() -> None:
    ends = (seen(2, "x-1", "Failed"), seen(4, "x-2", "Running", gone=True), seen(6, "x-3", "Succeeded"))
    begins = (seen(1, "x-1"), seen(3, "x-2"), seen(5, "x-3"), seen(7, "y-1"), seen(8, "y-1", "Succeeded"))
    sightings = sorted((*begins, *ends), key=lambda each: each.version)
    assert peaks(in_flight(sightings, {"n/x": "a", "n/y": "a"})) == Limits(1, 1, 1)
    assert faults(sightings=sightings) == {}


def test_the_source_is_where_the_vm_was_when_its_migration_was_created() -> None:
    """A second move of a VM leaves the node that the first one has brought it to."""
    again = (seen(1, "x-1"), seen(2, "x-1", "Succeeded"), seen(3, "x-2", target="c"), seen(4, "y-1", target="c"))
    *_, last = in_flight((*again, seen(5, "x-1", "Succeeded")), {"n/x": "a", "n/y": "a"})
    assert [(flight.vm, flight.source, flight.target) for flight in last] == [("n/x", "b", "c"), ("n/y", "a", "c")]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"node_during": OPEN}, id="never cordoned"),
        pytest.param({"node_after": CORDONED}, id="still cordoned"),
        pytest.param({"node_after": replace(OPEN, marks=("drover.dev/before",))}, id="still marked"),
        pytest.param({"node_after": replace(OPEN, taints=("a:NoSchedule",))}, id="tainted"),
        pytest.param({"node_before": CORDONED}, id="opened although it was cordoned before"),
    ],
)
def test_a_node_that_is_not_as_before(changed: dict[str, Any]) -> None:
    assert list(faults(**changed)) == ["a was cordoned, and is as it was before"]


FLIGHTS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 10), st.sampled_from("abc"), st.sampled_from("abc")), max_size=10
)


@settings(deadline=None)
@given(FLIGHTS)
def test_peaks_are_what_counting_at_every_moment_finds(flights: list[tuple[int, int, str, str]]) -> None:
    """Each flight is a VM of its own: when it began, how long it took, from where, to where. Ends precede begins."""
    homes = {f"n/v{n}": source for n, (_, _, source, _) in enumerate(flights)}
    begins = [seen(100 * began + 50 + n, f"v{n}-1", target=to) for n, (began, _, _, to) in enumerate(flights)]
    ends = [seen(100 * (f[0] + f[1]) + n, f"v{n}-1", "Succeeded", f[3]) for n, f in enumerate(flights)]
    found = peaks(in_flight(sorted((*begins, *ends), key=lambda each: each.version), homes))
    moments = [[f for f in flights if f[0] <= moment < f[0] + f[1]] for moment in range(41)]
    assert found == Limits(
        max(len(now) for now in moments),
        max(sum(f[2] == node for f in now) for now in moments for node in "abc"),
        max(sum(f[3] == node for f in now) for now in moments for node in "abc"),
    )
