"""What a target pod will ask of its node, told from the running pod, the VM and the source node."""

import pytest

from drover.facts.kubevirt import HOSTNAME
from drover.planning.vmclass import GUEST_MEMORY, pins_host
from tests.builders import OVERHEAD, VMIBuilder, a_kubevirt, a_node, a_vmi
from tests.unit.planning.scene import a_scene

BASE = {"kubevirt.io/schedulable": "true", "kubernetes.io/arch": "amd64"}
VENDOR = "cpu-vendor.node.kubevirt.io/Intel"
MIGRATION_MODEL = "cpu-model-migration.node.kubevirt.io/"
CPU_FEATURE = "cpu-feature.node.kubevirt.io/"
MACHINE = "machine-type.node.kubevirt.io/"
SOURCE = a_node("n1").labelled(
    {
        VENDOR: "true",
        "host-model-cpu.node.kubevirt.io/Skylake": "true",
        "host-model-required-features.node.kubevirt.io/vmx": "true",
        "cpu-model.node.kubevirt.io/Skylake": "true",
    }
)
GI = 1 << 30


def host_model(name: str = "web") -> VMIBuilder:
    return a_vmi(name).set("spec.domain.cpu", {"model": "host-model"})


def with_pod(vmi: VMIBuilder, *keys: str, **labels: str) -> VMIBuilder:
    vmi.pod.selects({**dict.fromkeys(keys, "true"), **labels})
    return vmi


@pytest.mark.parametrize(
    ("vmi", "asked"),
    [
        pytest.param(a_vmi("web"), {VENDOR: "true"}, id="a fixed model keeps the vendor"),
        pytest.param(
            host_model(),
            {VENDOR: "true", MIGRATION_MODEL + "Skylake": "true", CPU_FEATURE + "vmx": "true"},
            id="host-model is the source node's",
        ),
        pytest.param(
            with_pod(host_model(), MIGRATION_MODEL + "Haswell", CPU_FEATURE + "aes", "cpu-vendor.node.kubevirt.io/AMD"),
            {
                MIGRATION_MODEL + "Haswell": "true",
                CPU_FEATURE + "aes": "true",
                "cpu-vendor.node.kubevirt.io/AMD": "true",
            },
            id="a guest that has moved keeps the model it started with",
        ),
        pytest.param(
            with_pod(a_vmi("web"), MACHINE + "q35").set("status.machine", {"type": "pc-q35-rhel9.6.0"}),
            {VENDOR: "true", MACHINE + "pc-q35-rhel9.6.0": "true"},
            id="the machine type it got, not the alias",
        ),
        pytest.param(
            with_pod(a_vmi("web"), rack="a", **{HOSTNAME: "n1"}),
            {VENDOR: "true"},
            id="an earlier migration's addedNodeSelector is not repeated",
        ),
        pytest.param(
            with_pod(a_vmi("web"), **{HOSTNAME: "n1"}).set("spec.nodeSelector", {HOSTNAME: "n7", "rack": "b"}),
            {VENDOR: "true", HOSTNAME: "n7", "rack": "b"},
            id="the VM's own selector is kept, as it is now",
        ),
    ],
)
def test_node_selector(vmi: VMIBuilder, asked: dict[str, str]) -> None:
    assert a_scene(SOURCE, vmi).selector(vmi) == {**BASE, **asked}


def test_the_clusters_selectors_are_asked_of_every_pod() -> None:
    vmi = a_vmi("web").set("spec.nodeSelector", {"pool": "mine"})
    kubevirt = a_kubevirt().set("spec.configuration.developerConfiguration.nodeSelectors", {"pool": "vms", "x": "y"})
    assert a_scene(a_node("n1"), vmi, kubevirt).selector(vmi) == {**BASE, "pool": "mine", "x": "y"}


def test_without_the_source_node_nothing_is_invented() -> None:
    vmi = host_model()
    assert a_scene(vmi).selector(vmi) == BASE


@pytest.mark.parametrize(
    ("vmi", "memory"),
    [
        pytest.param(a_vmi("web").memory("4Gi"), 4 * GI + OVERHEAD, id="requests cover the guest"),
        pytest.param(a_vmi("web").memory("4Gi").requests(memory="1Gi"), 4 * GI + OVERHEAD, id="overcommitted"),
        pytest.param(a_vmi("web").memory("1Gi").requests(memory="8Gi"), 8 * GI, id="more asked than the guest has"),
        pytest.param(
            a_vmi("web").memory("4Gi").requests({"hugepages-2Mi": "4Gi", "memory": "300Mi"}),
            300 << 20,
            id="huge pages are not memory",
        ),
        pytest.param(
            a_vmi("web").memory("6Gi").requests({"hugepages-1Gi": "4Gi", "memory": "300Mi"}),
            2 * GI + OVERHEAD,
            id="plugged in beyond its huge pages",
        ),
    ],
)
def test_guest_memory(vmi: VMIBuilder, memory: int) -> None:
    assert dict(a_scene(a_node("n1"), vmi).vm_class(vmi).requests)[GUEST_MEMORY] == memory


def test_the_overhead_may_come_from_the_status() -> None:
    vmi = a_vmi("web").memory("4Gi").requests(memory="1Gi").set("status.memory", {"memoryOverhead": "1Gi"})
    vmi.pod.set("metadata.annotations", {})
    assert dict(a_scene(vmi).vm_class(vmi).requests)[GUEST_MEMORY] == 5 * GI


def test_equal_vms_are_one_class() -> None:
    one, other, larger = a_vmi("one"), a_vmi("other"), a_vmi("larger").memory("8Gi")
    scene = a_scene(SOURCE, one, other, larger)
    assert len({scene.vm_class(vmi) for vmi in (one, other, larger)}) == 2


@pytest.mark.parametrize(("selector", "host"), [({}, None), ({HOSTNAME: "n1"}, "n1"), ({"rack": "a"}, None)])
def test_pinned_by_its_own_selector(selector: dict[str, str], host: str | None) -> None:
    vmi = a_vmi("web").set("spec.nodeSelector", selector)
    assert pins_host(a_scene(a_node("n1"), vmi).vm_class(vmi)) == host
