"""Ports of the node itself."""

from typing import Any

import pytest

from tests.builders import PodBuilder, VMIBuilder, a_node, a_pod, a_vmi
from tests.unit.planning.scene import a_scene


def listening(pod: PodBuilder, *ports: dict[str, Any], sidecar: bool = False) -> PodBuilder:
    container = {"name": "c", "ports": list(ports)}
    if sidecar:
        return pod.set("spec.initContainers", [{**container, "restartPolicy": "Always"}])
    return pod.set("spec.containers", [container])


def a_vm(*ports: dict[str, Any], name: str = "v", node: str = "n1") -> VMIBuilder:
    vmi = a_vmi(name).on(node)
    listening(vmi.pod, *ports)
    return vmi


P80 = {"hostPort": 80}


@pytest.mark.parametrize(
    ("mine", "theirs", "fits"),
    [
        (P80, P80, False),
        (P80, {"hostPort": 81}, True),
        (P80, {"hostPort": 80, "protocol": "UDP"}, True),
        (P80, {"hostPort": 80, "hostIP": "10.0.0.1"}, False),
        ({"hostPort": 80, "hostIP": "10.0.0.2"}, {"hostPort": 80, "hostIP": "10.0.0.1"}, True),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, P80, False),
        (P80, {"containerPort": 80}, True),
        ({"containerPort": 80}, P80, True),
    ],
)
@pytest.mark.parametrize("sidecar", [True, False])
def test_two_ports(mine: dict[str, Any], theirs: dict[str, Any], fits: bool, sidecar: bool) -> None:
    vmi = a_vm(mine)
    scene = a_scene(a_node("n1"), a_node("n2"), vmi, listening(a_pod("p").on("n2"), theirs, sidecar=sidecar))
    said = scene.verdict(vmi, "n2")
    assert (said.check, said.plugin) == (("", "") if fits else ("Port", "NodePorts"))
    assert said.words == ("" if fits else "has the host port 80/TCP taken")


def test_a_moving_vm_takes_its_ports_with_it() -> None:
    one, two = a_vm(P80, name="one"), a_vm(P80, name="two")
    scene = a_scene(a_node("n1"), a_node("n2"), a_node("n3"), one, two)
    ground = scene.fleet()
    guest = scene.guest(one, ground)
    assert ground.ports.allowed(guest.vm_class.ports).tolist() == [False, True, True]
    ground.move(guest, 1)
    assert ground.ports.allowed(guest.vm_class.ports).tolist() == [False, False, True]
    assert ground.copy().ports.allowed(guest.vm_class.ports).tolist() == [False, False, True]
