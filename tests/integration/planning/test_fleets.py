"""The fleets that the scheduler is asked about: the same for a seed, and with everything in them that they promise."""

import json
from dataclasses import fields

import pytest

from tests.integration.planning.fleets.concerns import CONCERNS, alone, together
from tests.integration.planning.fleets.draft import Draft

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
DRAWN = {
    "cordons": ("unschedulable", "tolerations"),
    "taints": ("NoSchedule", "NoExecute", "PreferNoSchedule", "tolerationSeconds", "Exists", "Equal", "not-ready"),
    "selectors": (*_OPERATORS, "Gt", "Lt", "matchFields", "disk", "host-model", "cpu-vendor.node.kubevirt.io/AMD"),
    "numbers": ("Gt", "Lt", str(1 << 63)),
    "ports": ("hostPort", "hostIP", "TCP", "UDP", "SCTP", "hostNetwork", "Always"),
    "whole pods": ("resources", "initContainers", "runtimeClassName"),
    "requests": ("hugepages-2Mi", "example.com/gpu", "initContainers", "Always", "runtimeClassName", "Succeeded"),
    "resized": ("allocatedResources", "containerStatuses", "Infeasible", "Deferred"),
    "fractions": ("999999u", "15e-1", "1n"),
    "nominees": ("nominatedNodeName", "high", "low", "another", "schedulingGates"),
    "attached": ("persistentVolumeClaim", "allocatable", "count", "attacher"),
    "reachable": ("nodeAffinity", "NotIn", "Gt", "DoesNotExist", "matchFields"),
    "zoned": ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/region", "z1__"),
    "claims": ("missing", "Pending", "Lost", "ReadWriteOncePod"),
    "spread": (
        "matchFields",
        "minDomains",
        "nodeAffinityPolicy",
        "nodeTaintsPolicy",
        "matchLabelKeys",
        "ScheduleAnyway",
    ),
    "spread of all": ("DoNotSchedule", '"labelSelector": {}'),
    "own pods": ("Running", "Succeeded", "Failed", "virt-launcher-vm-1-1"),
    "affinity": (*_OPERATORS, "namespaces", "namespaceSelector", "matchLabelKeys", "mismatchLabelKeys", "{}"),
    "anti-affinity": ("namespaces", "namespaceSelector", "matchLabelKeys", "mismatchLabelKeys", "{}"),
    "symmetry": ("namespaces", "namespaceSelector", "matchLabelKeys", "{}", "schedulingGates", "another", "gone"),
}
"""What has to be found in a few fleets of each concern."""


def _text(draft: Draft) -> str:
    """All of it but the generator, which compares by identity."""
    known = {each.name: getattr(draft, each.name) for each in fields(Draft) if each.name != "rng"}
    return json.dumps(known | {"vms": [[vm.vmi, vm.launcher] for vm in draft.vms]}, default=sorted)


@pytest.mark.parametrize("name", CONCERNS)
def test_a_seed_names_a_fleet(name: str) -> None:
    assert _text(alone(name, 3, 1)) == _text(alone(name, 3, 1))
    assert len({_text(alone(name, seed, number)) for seed in (3, 4) for number in (1, 2)}) == 4


@pytest.mark.parametrize("name", CONCERNS)
def test_a_concern_draws_all_that_it_is_about(name: str) -> None:
    text = "".join(_text(alone(name, 1, number)) for number in range(3))
    assert [word for word in DRAWN[name] if word not in text] == []


def test_pods_are_where_nodes_are_and_vms_know_where_they_are() -> None:
    draft = together(CONCERNS, 1, 0)
    names = {node["metadata"]["name"] for node in draft.nodes}
    assert {pod["spec"].get("nodeName", "gone") for pod in draft.every_pod} - {"gone"} <= names
    assert [vm.vmi["status"]["nodeName"] for vm in draft.vms] == [vm.source for vm in draft.vms]
    assert len({vm.uid for vm in draft.vms}) == len(draft.vms)
