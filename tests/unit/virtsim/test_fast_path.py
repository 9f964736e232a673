"""The fast path: where VMs go without kube-scheduler, and what is written for one."""

from typing import Any

import pytest

from virtsim.fleet import nodes, vms
from virtsim.fleet.places import places
from virtsim.fleet.spec import Fleet, parse
from virtsim.fleet.started import Starter, pod_status
from virtsim.objects.conditions import is_true
from virtsim.objects.resources import Object

IMAGE = "launcher:1"
NODES: dict[str, Any] = {"name": "node", "count": 3, "memory": "8Gi"}


def the_nodes(fleet: Fleet) -> list[Object]:
    """As the API server has them once they are Ready."""
    models = nodes.known_models(fleet.nodes)
    return [
        {**node, "status": nodes.ready_status(group, "10.64.0.1")}
        for group in fleet.nodes
        for node in nodes.render(group, models)
    ]


PLACES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str]]] = {
    "spread evenly beside what is placed": (
        [NODES],
        [{"name": "p", "node": "node-2", "memory": "1Gi"}, {"name": "a", "count": 4, "memory": "1Gi"}],
        {"p": "node-2", "a-1": "node-1", "a-2": "node-3", "a-3": "node-2", "a-4": "node-1"},
    ),
    "what has no room is left to the scheduler": (
        [{"name": "node", "memory": "8Gi"}],
        [{"name": "big", "count": 3, "memory": "3Gi"}],
        {"big-1": "node", "big-2": "node"},
    ),
    "devices count": (
        [{"name": "gpu", "devices": {"nvidia.com/A100": 1}}, {"name": "plain"}],
        [
            {
                "name": "g",
                "count": 2,
                "spec": {"domain": {"devices": {"gpus": [{"name": "x", "deviceName": "nvidia.com/A100"}]}}},
            }
        ],
        {"g-1": "gpu"},
    ),
    "selectors and models": (
        [NODES, {"name": "old", "cpuModel": "Haswell"}],
        [{"name": "s", "nodeSelector": {"kubernetes.io/hostname": "node-3"}}, {"name": "m", "cpuModel": "Haswell"}],
        {"s": "node-3", "m": "old"},
    ),
    "cordoned and tainted nodes are for those who are sent there": (
        [{"name": "cordoned", "unschedulable": True}, {"name": "tainted", "taints": [{"key": "gpu"}]}],
        [{"name": "sent", "node": "cordoned"}, {"name": "free"}],
        {"sent": "cordoned"},
    ),
    "what only the scheduler understands": (
        [NODES],
        [{"name": "a", "spec": {"tolerations": [{"operator": "Exists"}]}}],
        {},
    ),
}


@pytest.mark.parametrize("case", PLACES)
def test_places(case: str) -> None:
    groups, machines, expected = PLACES[case]
    fleet = parse({"nodes": groups, "virtualMachines": machines})
    placed = places(fleet, the_nodes(fleet), {})
    assert {name: node for (_, name), node in placed.items()} == expected


def test_a_vmi_and_its_pod_are_ready() -> None:
    fleet = parse({"nodes": [NODES], "virtualMachines": [{"name": "a", "node": "node-1"}]})
    (vmi,) = vms.render(fleet)
    vmi["metadata"]["uid"] = "vmi-uid"
    starter = Starter(IMAGE, {})
    pod = starter.bound_pod(vmi, "node-1")
    pod["metadata"]["uid"] = "pod-uid"
    pod["status"] = {"qosClass": "Burstable", **pod_status(pod)}
    written = starter.running_vmi(vmi, pod)
    status = written["status"]
    assert is_true(pod, "Ready")
    assert is_true(written, "Ready")
    assert is_true(written, "LiveMigratable")
    assert [stamp["phase"] for stamp in status["phaseTransitionTimestamps"]] == [
        "Pending",
        "Scheduling",
        "Scheduled",
        "Running",
    ]
    assert (status["phase"], status["nodeName"]) == ("Running", "node-1")
    assert status["activePods"] == {"pod-uid": "node-1"}
    assert status["interfaces"][0]["ipAddress"] == pod["status"]["podIP"]
    assert written["metadata"]["labels"]["kubevirt.io/nodeName"] == "node-1"
    assert vmi["status"]["phase"] == "Pending", "the given object is not changed"
