"""A source that is not in the migration network, and targets that are."""

import json

import pytest

from drover.planning.checks.check import Answer
from tests.builders import KubeVirtBuilder, PodBuilder, a_kubevirt, a_node, a_pod, a_vmi
from tests.unit.planning.scene import a_scene

NETWORK = a_kubevirt().set("spec.configuration.migrations.network", "vlan7")
INTERFACES = [{"name": "ovn", "interface": "eth0"}, {"name": "kubevirt/vlan7", "interface": "migration0", "ips": ["x"]}]


def handler(node: str, status: str) -> PodBuilder:
    pod = a_pod(f"virt-handler-{node}", "kubevirt").labelled({"kubevirt.io": "virt-handler"}).on(node)
    return pod.annotated({"k8s.v1.cni.cncf.io/network-status": status})


ON = json.dumps(INTERFACES)
OFF = json.dumps(INTERFACES[:1])


@pytest.mark.parametrize(
    ("kubevirt", "source", "target", "doubted"),
    [
        (NETWORK, ON, ON, False),
        (NETWORK, OFF, ON, True),
        (NETWORK, "", ON, True),
        (NETWORK, "migration0, but no JSON", ON, True),
        (NETWORK, ON, OFF, False),
        (NETWORK, OFF, OFF, False),
        (a_kubevirt(), OFF, ON, False),
    ],
)
def test_a_target_is_doubted_that_only_the_network_reaches(
    kubevirt: KubeVirtBuilder, source: str, target: str, doubted: bool
) -> None:
    vmi = a_vmi("web").on("n1")
    scene = a_scene(a_node("n1"), a_node("n2"), vmi, kubevirt, handler("n1", source), handler("n2", target))
    said = scene.verdict(vmi, "n2")
    assert (said.answer, said.check) == ((Answer.UNKNOWN, "MigrationNetwork") if doubted else (Answer.YES, ""))


def test_one_that_is_not_doubted_is_taken_first() -> None:
    vmi = a_vmi("web").on("n1")
    nodes = [a_node(f"n{n}") for n in range(1, 5)]
    handlers = [handler("n1", OFF), handler("n2", ON), handler("n3", OFF), handler("n4", ON)]
    scene = a_scene(*nodes, vmi, NETWORK, *handlers)
    placed = scene.place(scene.mover(vmi))
    assert getattr(placed["web-uid"], "target", None) == "n3"


def test_of_what_multus_says_only_that_is_kept() -> None:
    kept = [handler("n1", text).build().metadata.annotations.networks for text in (ON, OFF, "", "migration0?")]
    assert kept == ["migration0", "", "", ""]
