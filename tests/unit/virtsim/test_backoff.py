"""How long an evacuation waits after failed ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from virtsim.objects import keys
from virtsim.objects.times import stamp
from virtsim.virt_controller.backoff import seconds_left

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def a_vmim(name: str, phase: str, ago: float, **annotations: str) -> dict[str, Any]:
    """Of an evacuation, created so many seconds ago; what is over ended two seconds later."""
    at = stamp(NOW - timedelta(seconds=ago))
    ended = stamp(NOW - timedelta(seconds=ago - 2))
    metadata = {"name": name, "uid": name, "creationTimestamp": at, "annotations": annotations or BY_KUBEVIRT}
    times = [{"phase": phase, "phaseTransitionTimestamp": ended}]
    return {"metadata": metadata, "status": {"phase": phase, "phaseTransitionTimestamps": times}}


BY_KUBEVIRT = {keys.EVACUATION: "n1"}
NEW = a_vmim("new", "Pending", 1)
OTHER = {"somebody": "else"}


@pytest.mark.parametrize(
    ("vmim", "others", "left"),
    [
        (NEW, [], 0),
        (NEW, [a_vmim("a", "Failed", 7)], 15),
        (NEW, [a_vmim("a", "Failed", 30)], -8),
        (NEW, [a_vmim("a", "Failed", 7), a_vmim("b", "Failed", 40)], 35),
        (NEW, [a_vmim("a", "Failed", 7), a_vmim("b", "Failed", 40), a_vmim("c", "Failed", 99)], 75),
        (NEW, [a_vmim("a", "Failed", 7), a_vmim("b", "Succeeded", 40), a_vmim("c", "Failed", 99)], 15),
        (NEW, [a_vmim("a", "Succeeded", 7), a_vmim("b", "Failed", 40)], 0),
        (NEW, [a_vmim("a", "Failed", 7, **OTHER)], 0),
        (a_vmim("new", "Pending", 1, **OTHER), [a_vmim("a", "Failed", 7)], 0),
        (NEW, [a_vmim("a", "Failed", 7, **{keys.WORKLOAD_UPDATE: ""})], 15),
    ],
    ids=[
        "the first",
        "after a failure",
        "long after a failure",
        "after two",
        "after three",
        "after one since a success",
        "after a success",
        "after a user's failure",
        "a user's",
        "after a failed workload update",
    ],
)
def test_the_wait_doubles_and_is_for_kubevirts_own_only(vmim: dict[str, Any], others: list[Any], left: float) -> None:
    assert seconds_left(vmim, [*others, vmim], NOW) == left
