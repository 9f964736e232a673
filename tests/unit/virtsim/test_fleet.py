"""The fleet file: what it may say, what is refused and how, and where VMs start."""

from pathlib import Path
from typing import Any

import pytest

from virtsim.fleet import nodes, vms
from virtsim.fleet.spec import FleetError, names, parse, read

NODES: dict[str, Any] = {"name": "node", "count": 3}


def test_names_are_padded_to_equal_length() -> None:
    fleet = parse({"nodes": [{"name": "node", "count": 12}, {"name": "alone"}]})
    assert names(fleet.nodes[0])[:2] == ["node-01", "node-02"]
    assert names(fleet.nodes[1]) == ["alone"]


def test_defaults_fill_in() -> None:
    fleet = parse(
        {
            "defaults": {"virtualMachines": {"memory": "1Gi", "namespace": "shop"}},
            "virtualMachines": [{"name": "a"}, {"name": "b", "memory": "2Gi"}],
        }
    )
    assert [(vm.namespace, vm.memory) for vm in fleet.virtual_machines] == [("shop", "1Gi"), ("shop", "2Gi")]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"nodes": [{"name": "n", "cpus": 4}]}, "unknown field `cpus`"),
    ({"nodes": [{"count": 4}]}, "missing required field `name`"),
    ({"nodes": [{"name": "n", "count": 0}]}, ">= 1"),
    ({"nodes": [{"name": "n", "memory": "4 Gigs"}]}, "n: '4 Gigs' is no Kubernetes quantity"),
    ({"nodes": [NODES, {"name": "node-2"}]}, "two groups of nodes share a name"),
    ({"virtualMachines": [{"name": "a"}, {"name": "a"}]}, "share a name in one namespace"),
    ({"nodes": [NODES], "virtualMachines": [{"name": "a", "node": "nod-1"}]}, "a starts on nod-1, which is no node"),
    ({"defaults": {"vms": {}}}, "not for vms"),
    ({"virtualMachines": [{"name": "a", "dirtyRate": "fast"}]}, "'fast' is no Kubernetes quantity"),
]


@pytest.mark.parametrize(("document", "message"), REFUSED)
def test_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(FleetError) as refused:
        parse(document)
    assert message in str(refused.value)


def test_a_file_that_is_not_there_or_no_yaml(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("nodes: [")
    for path in (tmp_path / "none.yaml", broken):
        with pytest.raises(FleetError, match=path.name):
            read(path)


def test_groups_of_nodes_are_filled_in_turn_over_all_vms() -> None:
    fleet = parse(
        {
            "nodes": [NODES],
            "virtualMachines": [
                {"name": "a", "count": 2, "node": "node"},
                {"name": "b", "node": "node-1"},
                {"name": "c", "count": 2, "node": "node"},
                {"name": "d"},
            ],
        }
    )
    assert vms.placements(fleet) == {
        ("default", "a-1"): "node-1",
        ("default", "a-2"): "node-2",
        ("default", "b"): "node-1",
        ("default", "c-1"): "node-3",
        ("default", "c-2"): "node-1",
    }


def test_a_vmi_in_kubevirts_words() -> None:
    fleet = parse(
        {
            "nodes": [NODES],
            "virtualMachines": [
                {
                    "name": "a",
                    "node": "node-2",
                    "evictionStrategy": None,
                    "notMigratable": {"reason": "SEVNotLiveMigratable", "message": "VMI uses SEV"},
                    "spec": {"domain": {"memory": {"guest": "2Gi"}}, "tolerations": [{"operator": "Exists"}]},
                }
            ],
        }
    )
    (vmi,) = vms.render(fleet)
    assert "evictionStrategy" not in vmi["spec"]
    assert vmi["spec"]["domain"]["memory"] == {"guest": "2Gi"}
    assert vmi["spec"]["domain"]["cpu"]["cores"] == 2
    assert vmi["spec"]["tolerations"] == [{"operator": "Exists"}]
    annotations = vmi["metadata"]["annotations"]
    assert annotations["virtsim.drover.dev/start-on"] == "node-2"
    assert annotations["virtsim.drover.dev/not-migratable"] == "SEVNotLiveMigratable: VMI uses SEV"


def test_a_node_has_what_kubevirt_looks_for() -> None:
    fleet = parse({"nodes": [{"name": "n", "cpuModels": ["Haswell"]}, {"name": "m", "cpuModel": "Icelake-Server"}]})
    node = nodes.render(fleet.nodes[0], nodes.known_models(fleet.nodes))[0]
    labels = node["metadata"]["labels"]
    offered = sorted(label.split("/")[1] for label in labels if label.startswith("cpu-model.node.kubevirt.io/"))
    known = sorted(label.split("/")[1] for label in labels if label.startswith("cpu-model-migration."))
    assert offered == ["Haswell", "Skylake-Server"]
    assert known == ["Haswell", "Icelake-Server", "Skylake-Server"]
    assert labels["kubernetes.io/hostname"] == "n"
    assert labels["kubevirt.io/schedulable"] == "true"
    assert "kubevirt.io/heartbeat" in node["metadata"]["annotations"]
    allocatable = nodes.ready_status(fleet.nodes[0], "10.64.0.1")["allocatable"]
    assert {"devices.kubevirt.io/kvm", "devices.kubevirt.io/tun", "devices.kubevirt.io/vhost-net"} <= set(allocatable)
