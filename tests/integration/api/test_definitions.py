"""The definitions themselves, their defaults, and what may change in an object once it is there."""

import json

import pytest

from controlplane.cluster import Cluster
from drover.api.crd import RESOURCES
from drover.api.resource import Resource
from tests.integration.api.objects import (
    ON_A,
    ONE_VM,
    TO_B,
    Json,
    admitted,
    evacuation,
    maintenance,
    plan,
    report,
    selecting,
)

pytestmark = pytest.mark.usefixtures("defined")

IN_EVERY_SPEC: Json = {"mode": "Execute", "paused": False, "intent": "Active"}
IN_EVERY_PLAN: Json = IN_EVERY_SPEC | {"nonMigratable": "Block", "order": "Fastest", "makeRoom": "Suggest"}
POLICIES: Json = {"limits": {}, "failurePolicy": {}, "verify": {}}
POLICIES_FILLED: Json = {
    "limits": {"perTarget": 2},
    "failurePolicy": {"retries": 2, "backoff": "20s"},
    "verify": {"timeout": "2m"},
}
EXPRESSION: Json = {"matchExpressions": [{"key": "old", "operator": "Exists"}]}


def test_the_api_server_has_nothing_to_warn_of(defined: str) -> None:
    assert defined == ""


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
def test_a_definition_is_structural_and_known_by_its_names(cluster: Cluster, resource: Resource) -> None:
    crd = json.loads(cluster.kubectl("get", "crd", f"{resource.plural}.drover.dev", "-o", "json").stdout)
    conditions = {each["type"]: each["status"] for each in crd["status"]["conditions"]}
    assert conditions["Established"] == conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions
    assert crd["spec"]["scope"] == "Cluster"
    assert cluster.kubectl("get", resource.short, "--output=name").returncode == 0
    listed = cluster.kubectl("api-resources", "--categories=drover", "--output=name").stdout.split()
    assert f"{resource.plural}.drover.dev" in listed


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        pytest.param(
            evacuation(),
            {"evacuate": ON_A["evacuate"] | {"cordon": "Require"}} | IN_EVERY_PLAN,
            id="the shortest plan",
        ),
        pytest.param(
            plan({"virtualMachines": ONE_VM, "targets": TO_B}),
            {"virtualMachines": ONE_VM, "targets": TO_B} | IN_EVERY_PLAN,
            id="nothing is added to sets",
        ),
        pytest.param(
            evacuation(**POLICIES),
            {"evacuate": ON_A["evacuate"] | {"cordon": "Require"}} | IN_EVERY_PLAN | POLICIES_FILLED,
            id="blocks that are there are filled",
        ),
        pytest.param(
            selecting(EXPRESSION),
            {"evacuate": {"nodes": {"selector": EXPRESSION}, "cordon": "Require"}} | IN_EVERY_PLAN,
            id="nothing is added to list items",
        ),
        pytest.param(maintenance(), {"nodeName": "node-a"} | IN_EVERY_SPEC, id="the shortest maintenance"),
        pytest.param(
            maintenance(drain={}, virtualMachines=POLICIES),
            {
                "nodeName": "node-a",
                "drain": {"pods": "VirtualMachines"},
                "virtualMachines": {"nonMigratable": "Block", "order": "Fastest", "makeRoom": "Suggest"}
                | POLICIES_FILLED,
            }
            | IN_EVERY_SPEC,
            id="blocks of a maintenance are filled",
        ),
        pytest.param(report(), report()["spec"], id="a report has none"),
    ],
)
def test_the_documented_defaults_and_no_others_are_filled_in(cluster: Cluster, given: Json, stored: Json) -> None:
    assert admitted(cluster, given)["spec"] == stored


@pytest.mark.parametrize(
    ("before", "patch", "message"),
    [
        pytest.param(
            evacuation(),
            {"evacuate": None, "virtualMachines": ONE_VM, "targets": TO_B},
            "evacuate cannot be added or removed afterwards: create another MigrationPlan",
            id="an evacuation stays one",
        ),
        pytest.param(
            plan({"virtualMachines": ONE_VM, "targets": TO_B}),
            ON_A,
            "evacuate cannot be added or removed afterwards: create another MigrationPlan",
            id="a move stays one",
        ),
        pytest.param(evacuation(), {"evacuate": {"nodes": {"names": ["node-b"]}}}, "", id="other nodes next time"),
        pytest.param(evacuation(), {"intent": "Withdrawn", "paused": True, "mode": "DryRun"}, "", id="the switches"),
        pytest.param(
            maintenance(),
            {"nodeName": "node-b"},
            "nodeName cannot be changed: delete this NodeMaintenance and create one for the other node",
            id="a maintenance stays with its node",
        ),
        pytest.param(maintenance(), {"intent": "Withdrawn"}, "", id="a maintenance can be withdrawn"),
        pytest.param(
            report(),
            {"run": "2"},
            "a report is about one run for ever: leave spec as it is, or delete the report",
            id="a report stays with its run",
        ),
    ],
)
def test_what_may_change_afterwards(cluster: Cluster, name: str, before: Json, patch: Json, message: str) -> None:
    spec = before["spec"] | ({"nodeName": name} if "nodeName" in before["spec"] else {})
    cluster.kubectl("create", "-f", "-", input=json.dumps(before | {"metadata": {"name": name}, "spec": spec}))
    change = json.dumps({"spec": patch})
    answer = cluster.kubectl("patch", before["kind"], name, "--type=merge", f"--patch={change}", check=False)
    assert (message in answer.stderr) if message else (answer.returncode == 0), answer.stderr
