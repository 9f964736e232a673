"""Launcher pods: memory overhead, requests, selectors, and what a target has that a first pod has not."""

from typing import Any

import pytest

from tests.unit.virtsim.objects import a_node, a_pod, a_vmi, a_vmim
from virtsim.objects.overhead import memory_overhead
from virtsim.virt_controller.launcher_pod import first_pod, target_pod
from virtsim.virt_controller.node_selectors import NoHostModelError, target_selector, wanted_host_model
from virtsim.virt_controller.requirements import compute_resources

MI = 2**20
IMAGE = "quay.io/kubevirt/virt-launcher:v1.9.0"
NODE = a_node("node-a", "host-model-cpu.node.kubevirt.io/Skylake-Server", "cpu-vendor.node.kubevirt.io/Intel")

OVERHEADS: list[tuple[dict[str, Any], int]] = [
    # recorded: the page tables are of the memory request, which these have not
    ({"cpu": {"cores": 1}, "memory": {"guest": "128Mi"}}, 281018368),
    ({"cpu": {"cores": 2}, "memory": {"guest": "3Gi"}}, 289406976),
    ({"cpu": {"cores": 4}, "memory": {"guest": "6Gi"}}, 306184192),
    # with a request: 4Gi rounded up to kilobytes, of which 1/512
    ({"cpu": {"cores": 2}, "resources": {"requests": {"memory": "4Gi"}}}, 297795585),
    ({"cpu": {"cores": 1}, "devices": {"autoattachGraphicsDevice": False}}, (268 - 32) * MI),
    ({"cpu": {"cores": 1}, "devices": {"gpus": [{"deviceName": "nvidia.com/A100"}]}}, (268 + 1024) * MI),
    ({"cpu": {"cores": 1}, "devices": {"tpm": {"persistent": True}}}, (268 + 53) * MI),
    ({"cpu": {"cores": 2, "sockets": 2, "threads": 2}}, (268 + 7 * 8) * MI),
    ({"cpu": {"cores": 1, "dedicatedCpuPlacement": True}}, (268 + 100) * MI),
]


@pytest.mark.parametrize(("domain", "expected"), OVERHEADS)
def test_memory_overhead(domain: dict[str, Any], expected: int) -> None:
    assert memory_overhead(domain) == expected


REQUESTS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"cpu": "100m", "memory": "396Mi"}),
    ({"cpu": {"cores": 4}, "memory": {"guest": "2Gi"}}, {"cpu": "400m", "memory": "2340Mi"}),
    ({"cpu": {"cores": 12}}, {"cpu": "1200m", "memory": "484Mi"}),
    ({"cpu": {"cores": 10}}, {"cpu": "1", "memory": "468Mi"}),
    ({"resources": {"requests": {"cpu": "500m"}}}, {"cpu": "500m", "memory": "396Mi"}),
    ({"cpu": {"cores": 2, "dedicatedCpuPlacement": True}}, {"cpu": "2", "memory": "504Mi"}),
    (
        {"cpu": {"cores": 2}, "memory": {"guest": "1Gi", "hugepages": {"pageSize": "2Mi"}}},
        {"cpu": "200m", "memory": "276Mi", "hugepages-2Mi": "1Gi"},
    ),
]


@pytest.mark.parametrize(("domain", "expected"), REQUESTS)
def test_requests_of_the_compute_container(domain: dict[str, Any], expected: dict[str, str]) -> None:
    requests = compute_resources(a_vmi(**domain))["requests"]
    assert requests == {"ephemeral-storage": "50M", **expected}


def test_devices_are_limits() -> None:
    gpus = {"gpus": [{"deviceName": "nvidia.com/A100"}, {"deviceName": "nvidia.com/A100"}]}
    assert compute_resources(a_vmi(devices={"interfaces": [{}], **gpus}))["limits"] == {
        "devices.kubevirt.io/kvm": "1",
        "devices.kubevirt.io/tun": "1",
        "devices.kubevirt.io/vhost-net": "1",
        "nvidia.com/A100": "2",
    }


def test_a_first_pod_does_not_tell_where_the_fleet_put_it() -> None:
    pod = first_pod(a_vmi(), IMAGE, {})
    assert pod["spec"].pop("nodeName") == "node-a"
    assert "node-a" not in str(pod["spec"])
    assert "node-a" not in str(pod["metadata"]["annotations"])
    assert pod["metadata"]["annotations"]["mine"] == "yes"


def test_a_target_pod() -> None:
    vmim = a_vmim()
    vmim["spec"]["addedNodeSelector"] = {"kubernetes.io/hostname": "node-b", "kubernetes.io/arch": "arm64"}
    pod = target_pod(a_vmi(), vmim, a_pod(node="node-a"), NODE, IMAGE, {"pool": "vms"})
    assert "nodeName" not in pod["spec"]
    assert pod["metadata"]["labels"]["kubevirt.io/migrationJobUID"] == "vmim-uid"
    assert pod["metadata"]["labels"]["kubevirt.io/nodeName"] == "node-a"
    assert pod["metadata"]["annotations"]["kubevirt.io/migrationJobName"] == "m"
    assert pod["spec"]["nodeSelector"] == {
        "kubernetes.io/hostname": "node-b",
        "kubernetes.io/arch": "amd64",
        "kubevirt.io/schedulable": "true",
        "pool": "vms",
        "cpu-model.node.kubevirt.io/Skylake-Server": "true",
        "cpu-vendor.node.kubevirt.io/Intel": "true",
        "machine-type.node.kubevirt.io/pc-q35-rhel9.6.0": "true",
    }
    assert pod["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] == [
        {
            "labelSelector": {"matchLabels": {"kubevirt.io/created-by": "vmi-uid"}},
            "topologyKey": "kubernetes.io/hostname",
        }
    ]


def test_rendering_leaves_the_vmi_as_it_is() -> None:
    term = {"matchExpressions": [{"key": "rack", "operator": "Exists"}]}
    terms = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    vmi = a_vmi(cpu={"cores": 1, "model": "host-model"})
    vmi["spec"]["affinity"] = {"nodeAffinity": terms}
    before = str(vmi)
    first = target_pod(vmi, a_vmim(), a_pod(node="node-a"), NODE, IMAGE, {})
    assert str(vmi) == before
    assert target_pod(vmi, a_vmim(), a_pod(node="node-a"), NODE, IMAGE, {}) == first
    expressions = first["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ][0]["matchExpressions"]
    assert [entry["key"] for entry in expressions] == ["rack", "node-labeller.kubevirt.io/obsolete-host-model"]


HOST_MODEL = {"cpu": {"cores": 1, "model": "host-model"}}


def test_a_host_model_vm_takes_the_model_of_its_first_node_along() -> None:
    first = target_selector(a_vmi(**HOST_MODEL), a_pod(node="node-a"), NODE, {}, {})
    assert first["cpu-model-migration.node.kubevirt.io/Skylake-Server"] == "true"
    moved = a_pod(node="node-c")
    moved["spec"]["nodeSelector"] = first
    other = a_node("node-c", "host-model-cpu.node.kubevirt.io/Icelake-Server", "cpu-vendor.node.kubevirt.io/Intel")
    assert target_selector(a_vmi(**HOST_MODEL), moved, other, {}, {}) == first


def test_a_source_node_without_a_host_model_has_no_target() -> None:
    with pytest.raises(NoHostModelError, match="node-x has no label"):
        target_selector(a_vmi(**HOST_MODEL), a_pod(node="node-x"), a_node("node-x"), {}, {})


def test_what_the_pod_of_a_host_model_vm_asks_of_a_cpu() -> None:
    pod = a_pod(node="")
    wanted = {"cpu-model-migration.node.kubevirt.io/Skylake-Server": "true", "cpu-feature.node.kubevirt.io/vmx": "true"}
    pod["spec"]["nodeSelector"] = {**wanted, "kubernetes.io/arch": "amd64", "cpu-vendor.node.kubevirt.io/Intel": "true"}
    assert wanted_host_model(a_vmi(**HOST_MODEL), pod) == wanted
    assert wanted_host_model(a_vmi(), pod) is None


def test_a_target_image_may_be_given() -> None:
    vmim = a_vmim()
    vmim["metadata"]["annotations"] = {"kubevirt.io/func-test-migration-target-image-override": "other"}
    pod = target_pod(a_vmi(), vmim, a_pod(node="node-a"), NODE, IMAGE, {})
    assert [pod["spec"][kind][0]["image"] for kind in ("containers", "initContainers")] == ["other", IMAGE]


@pytest.mark.parametrize(("guest", "launcher", "pod"), [(None, "45", 60), (0, "15", 30), (180, "195", 210)])
def test_each_gets_more_time_to_end_than_what_is_in_it(guest: int | None, launcher: str, pod: int) -> None:
    vmi = a_vmi()
    vmi["spec"].pop("terminationGracePeriodSeconds", None)
    if guest is not None:
        vmi["spec"]["terminationGracePeriodSeconds"] = guest
    spec = first_pod(vmi, IMAGE, {})["spec"]
    command = spec["containers"][0]["command"]
    assert command[command.index("--grace-period-seconds") + 1] == launcher
    assert spec["terminationGracePeriodSeconds"] == pod
