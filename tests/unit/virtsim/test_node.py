"""When virt-controller takes a node for lost, and which pods count as alive on it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.virtsim.objects import a_node, a_pod
from virtsim.objects import keys
from virtsim.objects.resources import Object
from virtsim.objects.times import stamp
from virtsim.virt_controller.node import is_alive, is_unresponsive

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def a_silent_node(heartbeat: str) -> Object:
    node = a_node("n1")
    node["metadata"]["annotations"] = {keys.HEARTBEAT: heartbeat}
    return node


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (None, True),
        (a_node("n1"), False),
        (a_silent_node(stamp(NOW - timedelta(seconds=299))), False),
        (a_silent_node(stamp(NOW - timedelta(seconds=300))), False),
        (a_silent_node(stamp(NOW - timedelta(seconds=301))), True),
        (a_silent_node("yesterday"), False),
    ],
)
def test_five_minutes_of_silence(node: Object | None, expected: bool) -> None:
    assert is_unresponsive(node, NOW) is expected


def stopped() -> Object:
    pod = a_pod()
    pod["status"]["containerStatuses"][0]["state"] = {"terminated": {}}
    return pod


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (a_pod(), True),
        (a_pod("Pending"), True),
        (a_pod("Failed"), False),
        (a_pod("Succeeded"), False),
        (stopped(), False),
    ],
)
def test_alive_pods(pod: Object, expected: bool) -> None:
    assert is_alive(pod) is expected
